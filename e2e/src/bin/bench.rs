//! `make bench`: prints the figures.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    e2e::bench::run().await
}
