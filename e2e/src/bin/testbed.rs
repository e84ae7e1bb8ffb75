//! `testbed`: brings a real Kubernetes up and down on this machine.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    e2e::testbed::CommandLine::parse().run()
}
