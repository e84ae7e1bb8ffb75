//! Runs the tool at both in turns.

use std::process::{self, Stdio};

use anyhow::{Context, Result, bail};

use super::command::{ALL, Command, KEY, VALUE_BYTES};
use super::report;
use crate::bench::etcd_client::{self, Answered};
use crate::bench::figures::SECONDS;
use crate::bench::like_etcd::CLIENTS;
use crate::bench::pair::{Pair, SIDES};
use crate::bench::table;
use crate::bench::turns::{self, Title};
use crate::tools::{self, Cache, ETCD_BENCHMARK};

/// No run takes longer; one that does waits for an event that never comes.
const SECONDS_MAX: u32 = 120;
/// How much of what the tool says is quoted when it fails, in bytes.
const QUOTED: usize = 500;

/// Takes the figures and prints them. At both the tool asks as many times: as often as the slower of the two can in some
/// seconds, by a first short run at each.
///
/// # Errors
/// When the tool cannot be built, or fails.
pub async fn measure() -> Result<()> {
    let cache = Cache::from_environment()?;
    tools::ensure(&cache, &ETCD_BENCHMARK, ETCD_BENCHMARK.programs)?;
    let pair = Pair::start().await?;
    for side in SIDES {
        let leader = leader(&pair.urls(side)).await?;
        etcd_client::put(&leader, KEY.into(), vec![b'v'; VALUE_BYTES].into()).await?;
    }
    let mut cases = Vec::new();
    for clients in CLIENTS {
        for (command, what) in ALL {
            cases.push(case(&pair, command, what, clients).await?);
        }
    }
    let seen = turns::take(&cases, SIDES, async |asked: Asked, side| {
        pair.load(side, async |urls: Vec<String>| run(&urls, asked).await)
            .await
    });
    table::show("benchmark_", &seen.await?);
    Ok(())
}

/// What the tool is asked, and how often by each client.
#[derive(Clone, Copy)]
struct Asked {
    command: Command,
    clients: usize,
    each: usize,
}

async fn case(
    pair: &Pair,
    command: Command,
    what: &'static str,
    clients: usize,
) -> Result<(Title, Asked)> {
    let title = Title {
        what,
        clients,
        offered: None,
        unit: command.unit(),
    };
    let each = command.few(clients);
    let mut asked = Asked {
        command,
        clients,
        each,
    };
    let mut slower = f64::INFINITY;
    for side in SIDES {
        slower = slower.min(run(&pair.urls(side), asked).await?.per_second);
    }
    asked.each = command.many(clients, slower, SECONDS);
    eprintln!("{what}: {clients} clients ask {} times each", asked.each);
    Ok((title, asked))
}

/// Runs the tool at whoever leads.
async fn run(urls: &[String], asked: Asked) -> Result<Answered> {
    let leader = leader(urls).await?;
    let program = Cache::from_environment()?.program(&ETCD_BENCHMARK, "benchmark");
    let mut tool = process::Command::new("timeout");
    tool.args(["--foreground", "--signal=KILL", &SECONDS_MAX.to_string()])
        .arg(program)
        .arg(format!("--endpoints={leader}"))
        .args(asked.command.arguments(asked.clients, asked.each))
        .stdin(Stdio::null());
    let output = tool
        .output()
        .context("failed to start timeout of coreutils")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let requests = asked.each * asked.clients;
    let answered = asked.command.answered(&report::read(&printed), requests);
    match answered {
        Ok(answered) if output.status.success() => Ok(answered),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let from = said.floor_char_boundary(said.len().saturating_sub(QUOTED));
            let end = said.get(from..).unwrap_or_default();
            bail!("failed ({}): {tool:?}: {printed}{end}", output.status)
        }
    }
}

async fn leader(urls: &[String]) -> Result<String> {
    etcd_client::leads(urls).await.context("no member leads")
}
