# The commands of the house; `make help` lists them.
#
# A bare Debian 12 as root with make, Rust (rustup), Go 1.26 and apt is enough: what is missing is installed or built, once,
# and kept outside the checkout.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# What is expensive to make: the target folder of cargo, the programs of Kubernetes, base images.
export KLUSTER_CACHE ?= $(HOME)/.cache/kluster
# Each checkout has its own target folder: what cargo calls fresh may be another checkout's, when it is newer.
export CARGO_TARGET_DIR ?= $(KLUSTER_CACHE)/target$(subst /,-,$(CURDIR))

CARGO := cargo
BIN := $(CARGO_TARGET_DIR)/debug
TESTBED := $(BIN)/testbed
TEST_LOCK := $(KLUSTER_CACHE)/test.lock

.PHONY: help demo test run-tests bench sim fuzz cluster-up cluster-down images fmt lint prerequisites programs

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: programs ## A Kubernetes on this machine, the operator, a Cluster of three nodes, a write, a scale to five
	@$(BIN)/demo

test: prerequisites ## Format, lints, docs and every test; on the cluster of KUBECONFIG, or else on the test-bed
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path node/fuzz/Cargo.toml --check
	$(CARGO) fmt --manifest-path e2e/peers/rust/Cargo.toml --check
	$(MAKE) --no-print-directory lint programs fuzz
	@flock --close --nonblock $(TEST_LOCK) true || echo "another run of the tests is on: waiting for its end"
	@flock --close --timeout 3600 $(TEST_LOCK) $(MAKE) --no-print-directory run-tests

# They cut cables and machines' power: two runs at once would see each other's faults.
run-tests:
	@if [ -n "$${KUBECONFIG:-}" ]; then \
	  echo "the tests use the cluster of KUBECONFIG=$$KUBECONFIG, which must be able to run the image"; \
	  $(TESTBED) build; \
	else \
	  if $(TESTBED) status > /dev/null 2>&1; then echo "the test-bed is up already, and will stay up"; \
	  else trap '$(TESTBED) down' EXIT; trap 'exit 130' INT TERM; $(TESTBED) up; fi; \
	  $(TESTBED) image build; \
	  export KUBECONFIG="$$($(TESTBED) kubeconfig)"; \
	fi; \
	$(CARGO) test --locked --workspace

bench: programs ## Print the figures, as lines `name value unit`; of PARTS="commits in-process reads recovery etcd fleet kubernetes", or of like-etcd, etcd-benchmark, etcd-keys, many-keys, failovers
	@$(BIN)/bench $(PARTS)

sim: programs ## Simulated clusters under faults: SEEDS=200 of them, or ARGS="--seed 7", "--hunt"; ARGS=--help has all
	@$(BIN)/sim --seeds $(or $(SEEDS),200) $(ARGS)

# What `cargo fuzz` does, without the nightly compiler that it asks for. Inputs that were worth it are kept for the next run.
FUZZ_SECONDS ?= 5
FUZZ_TARGETS ?= frames hello message segment snapshot entry
FUZZ_DIR := $(CARGO_TARGET_DIR)/fuzz
FUZZ_FLAGS := --cfg tokio_unstable --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code

fuzz: prerequisites ## Give the decoders inputs that libFuzzer makes up: FUZZ_SECONDS=5 for each of FUZZ_TARGETS="frames hello ..."
	@host=$$(rustc -vV | sed -n 's/^host: //p'); \
	RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) build --locked --release --manifest-path node/fuzz/Cargo.toml \
	  --target "$$host" --target-dir $(FUZZ_DIR); \
	for target in $(FUZZ_TARGETS); do \
	  run="$(FUZZ_DIR)/$$host/release/$$target"; log="$(FUZZ_DIR)/$$target.log"; \
	  mkdir -p "$(FUZZ_DIR)/corpus/$$target"; \
	  seeds=node/fuzz/seeds/$$target; [ -d $$seeds ] || seeds=""; \
	  "$$run" "$(FUZZ_DIR)/corpus/$$target" $$seeds -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 \
	    -artifact_prefix="$(FUZZ_DIR)/$$target-" -print_final_stats=1 > "$$log" 2>&1 \
	    || { grep -A 2 -E "panicked|ERROR" "$$log"; tail -n 5 "$$log"; echo "fuzz $$target: failed; to repeat it, give the input named above to $$run" >&2; exit 1; }; \
	  awk -v target=$$target '/number_of_executed_units/ { print "fuzz " target ": " $$2 " inputs" }' "$$log"; \
	done

cluster-up: programs ## Bring up a three-node, three-zone Kubernetes on this machine (as root)
	@$(TESTBED) up

cluster-down: ## Take it down; nothing stays behind
	@[ -x $(TESTBED) ] || $(MAKE) --no-print-directory programs
	@$(TESTBED) down

images: programs ## Build the image of all programs, and load it into the test-bed if that is up
	@$(TESTBED) image build

fmt: prerequisites ## Format the code
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path node/fuzz/Cargo.toml
	$(CARGO) fmt --manifest-path e2e/peers/rust/Cargo.toml

lint: prerequisites ## Clippy and rustdoc, where a warning is an error
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

# Tests too, although few commands need them: what cargo builds for tests differs in features from what it builds
# without, and everything would be built twice.
programs: prerequisites
	@echo "building the workspace (the first time about ten minutes on two cores)"
	$(CARGO) build --locked --workspace --all-targets

prerequisites:
	@command -v cargo > /dev/null || { echo "cargo is missing: install Rust with rustup" >&2; exit 1; }
	@command -v go > /dev/null || { echo "go is missing: install Go 1.26 or later" >&2; exit 1; }
	@command -v c++ > /dev/null && [ -e /usr/include/stdlib.h ] || { \
	  echo "installing the compilers of C and C++ from Debian, which Rust links with and libFuzzer is built with"; \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends g++ libc6-dev; }
