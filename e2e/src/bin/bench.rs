//! `make bench`: prints the figures.

use clap::Parser;
use e2e::bench::Part;

/// Prints figures, as lines `name value unit`.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// What to measure; unless named, what most changes may change.
    #[arg(default_values = ["commits", "in-process", "reads", "recovery", "etcd", "fleet", "kubernetes"])]
    parts: Vec<Part>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    e2e::bench::run(&Arguments::parse().parts).await
}
