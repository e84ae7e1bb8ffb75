//! kluster-node: one node of a Kluster cluster, with or without Kubernetes.

mod config;
mod environment;
mod orders;
mod retention;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Entries come and go by the hundred thousand a second, across threads: the system's allocator took a tenth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One node of a Kluster cluster.
#[derive(Debug, Parser)]
#[command(name = "kluster-node", version, about, long_about = None, after_help = config::HELP)]
struct Arguments {
    /// The config file (TOML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run::run(&arguments.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kluster-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}
