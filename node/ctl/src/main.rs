//! klusterctl: a person's and a Job's hand on a node.

mod admin;
mod arguments;
mod bench;
mod data;
mod kv;
mod output;
mod soak;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Action, Arguments};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match act(arguments).await {
        Ok(code) => code,
        Err(error) => {
            output::aside(format_args!("klusterctl: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn act(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Admin(action) => admin::act(action, &arguments.key).await,
        Action::Data(action) => data::act(action).await,
        Action::Kv(action) => kv::act(action, &arguments.key).await,
        Action::Bench(load) => bench::run(&load).await,
        Action::Soak(soak) => soak::run(&soak).await,
    }
}
