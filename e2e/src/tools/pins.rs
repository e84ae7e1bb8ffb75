//! Which tools, in which versions, and what is built of each.

/// One tool: a Go module with its own `go.mod` under `e2e/tools/<name>`.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Name of the tool and of its folder.
    pub name: &'static str,
    /// The module whose version is pinned.
    pub module: &'static str,
    /// That version, as `go.mod` has it.
    pub version: &'static str,
    /// Build tags.
    pub tags: &'static str,
    /// Flags for the linker besides those that strip.
    pub ldflags: &'static str,
    /// What is built, in this order.
    pub programs: &'static [Program],
}

/// One program of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name of the file.
    pub name: &'static str,
    /// Its Go package.
    pub package: &'static str,
    /// How long a cold build takes on two cores, to tell who waits.
    pub cold_build_seconds: u64,
}

const fn program(name: &'static str, package: &'static str, cold_build_seconds: u64) -> Program {
    Program {
        name,
        package,
        cold_build_seconds,
    }
}

/// etcd and its command lines.
pub const ETCD: Tool = Tool {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    version: "v3.7.3",
    tags: "",
    ldflags: "",
    programs: &[
        program("etcd", "go.etcd.io/etcd/server/v3", 33),
        program("etcdctl", "go.etcd.io/etcd/etcdctl/v3", 5),
        program("etcdutl", "go.etcd.io/etcd/etcdutl/v3", 5),
    ],
};

/// etcd's own tool for load; its module has no newer version.
pub const ETCD_BENCHMARK: Tool = Tool {
    name: "etcd-benchmark",
    module: "go.etcd.io/etcd/v3",
    version: "v3.6.8",
    tags: "",
    ldflags: "",
    programs: &[program(
        "benchmark",
        "go.etcd.io/etcd/v3/tools/benchmark",
        28,
    )],
};

/// Kubernetes. Without the version in the linker's flags its parts report v0.0.0 and refuse each other.
pub const KUBERNETES: Tool = Tool {
    name: "kubernetes",
    module: "k8s.io/kubernetes",
    version: "v1.36.3",
    tags: "",
    ldflags: "-X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 \
              -X k8s.io/component-base/version.gitMinor=36",
    programs: &[
        program(
            "kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-apiserver",
            150,
        ),
        program(
            "kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            60,
        ),
        program("kubectl", "k8s.io/kubernetes/cmd/kubectl", 30),
        program("kubelet", "k8s.io/kubernetes/cmd/kubelet", 60),
        program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", 25),
        program("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy", 20),
    ],
};

/// containerd, its shim and its command line.
pub const CONTAINERD: Tool = Tool {
    name: "containerd",
    module: "github.com/containerd/containerd/v2",
    version: "v2.4.2",
    tags: "no_btrfs,no_devmapper,no_zfs",
    ldflags: "",
    programs: &[
        program(
            "containerd",
            "github.com/containerd/containerd/v2/cmd/containerd",
            65,
        ),
        program(
            "containerd-shim-runc-v2",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            10,
        ),
        program("ctr", "github.com/containerd/containerd/v2/cmd/ctr", 10),
    ],
};

/// The network plugins that pods are joined with.
pub const CNI: Tool = Tool {
    name: "cni",
    module: "github.com/containernetworking/plugins",
    version: "v1.9.1",
    tags: "",
    ldflags: "",
    programs: &[
        program(
            "bridge",
            "github.com/containernetworking/plugins/plugins/main/bridge",
            5,
        ),
        program(
            "loopback",
            "github.com/containernetworking/plugins/plugins/main/loopback",
            1,
        ),
        program(
            "host-local",
            "github.com/containernetworking/plugins/plugins/ipam/host-local",
            1,
        ),
        program(
            "portmap",
            "github.com/containernetworking/plugins/plugins/meta/portmap",
            1,
        ),
    ],
};

/// The cluster's name server.
pub const COREDNS: Tool = Tool {
    name: "coredns",
    module: "github.com/coredns/coredns",
    version: "v1.15.0",
    tags: "",
    ldflags: "",
    programs: &[program("coredns", "kluster.dev/e2e/tools/coredns", 62)],
};

/// Helm.
pub const HELM: Tool = Tool {
    name: "helm",
    module: "helm.sh/helm/v4",
    version: "v4.3.1",
    tags: "",
    ldflags: "",
    programs: &[program("helm", "helm.sh/helm/v4/cmd/helm", 135)],
};

/// All tools of the tests, those that they need first at the front.
pub const TOOLS: &[Tool] = &[ETCD, KUBERNETES, CONTAINERD, CNI, COREDNS, HELM];

/// All tools: besides those, what only figures are taken with.
fn all() -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().chain([&ETCD_BENCHMARK])
}

/// The tool of that name, or the tool and the one program of it (`kubernetes`, `kube-apiserver`).
pub fn find(name: &str) -> Option<(Tool, Vec<Program>)> {
    all().find_map(|tool| {
        let programs = tool
            .programs
            .iter()
            .filter(|program| tool.name == name || program.name == name);
        let programs: Vec<Program> = programs.copied().collect();
        (!programs.is_empty()).then_some((*tool, programs))
    })
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn each_pin_is_the_version_of_its_go_mod() {
        for tool in all() {
            let path = format!("{}/tools/{}/go.mod", env!("CARGO_MANIFEST_DIR"), tool.name);
            let text = std::fs::read_to_string(&path).unwrap();
            let wanted = [tool.module, tool.version];
            let pinned = text.lines().any(|line| {
                let words: Vec<&str> = line
                    .trim_start_matches("require ")
                    .split_whitespace()
                    .take(2)
                    .collect();
                words == wanted
            });
            assert!(
                pinned,
                "{path} does not require {} {}",
                tool.module, tool.version
            );
        }
    }
}
