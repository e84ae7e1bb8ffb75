//! Which figures are taken, how often, and how they are printed.

use std::ffi::OsStr;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde_json::Value;

use super::failovers::gaps_ms;
use super::local::{Loss, Place, Trio, Work};
use super::turns::{Load, ROUNDS, median};
use super::{beside, etcd_benchmark, fleet, keys, kubernetes, like_etcd, process, recovery};
use crate::environment;

pub(super) const CLIENTS: [u32; 4] = [1, 64, 256, 1024];
const READERS: [u32; 3] = [64, 256, 1024];
pub(super) const SECONDS: u32 = 5;
const LEADERS_LOST: usize = 100;
const FULL_LOAD_SECONDS: u32 = 60;
/// How many keys a state has that is opened.
const KEYS: [&str; 2] = ["1000000", "10000000"];

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Writes on three processes on loopback.
    Commits,
    /// Linearizable reads on them, at the leader and at a follower.
    Reads,
    /// Writes on three nodes in one process, without HTTP.
    InProcess,
    /// A start with a log of 1 GiB, and a snapshot for a member that fell behind.
    Recovery,
    /// The same writes on etcd, taking turns with ours.
    Etcd,
    /// How long a state of one and of ten million keys takes to open, and what it takes of memory.
    ManyKeys,
    /// Puts, reads, transactions, watches and leases by etcd's API, on ours and on etcd in turns. It takes some twenty minutes.
    LikeEtcd,
    /// The same with etcd's own tool, `benchmark`. It takes some twenty minutes.
    EtcdBenchmark,
    /// What a million keys take of memory, and how long a member takes to be back with them, on ours and on etcd.
    EtcdKeys,
    /// Leaders that are lost, a hundred times in each of two ways, and elections that nobody needed under full load. It takes
    /// some ten minutes.
    Failovers,
    /// An operator of a thousand Clusters.
    Fleet,
    /// Clusters on the Kubernetes of the tests.
    Kubernetes,
}

/// Takes the figures of these parts and prints them. Loads of different size take turns, so that a slow minute of the
/// machine hits them alike; each rate is the median of three rounds, with the disk's fdatasync latency beside it. What goes
/// on running is said at the end, on stderr, where every word that is no figure goes.
///
/// # Errors
/// When a part does not run; the figures taken until then are printed.
pub async fn run(parts: &[Part]) -> Result<()> {
    for part in parts {
        match part {
            Part::Commits => commit_rates()?,
            Part::Reads => read_rates()?,
            Part::InProcess => in_process()?,
            Part::ManyKeys => many_keys()?,
            Part::Recovery => recoveries().await?,
            Part::Etcd => beside::measure().await?,
            Part::LikeEtcd => like_etcd::measure().await?,
            Part::EtcdBenchmark => etcd_benchmark::measure().await?,
            Part::EtcdKeys => keys::measure().await?,
            Part::Failovers => failovers().await?,
            Part::Fleet => fleet().await?,
            Part::Kubernetes => on_kubernetes().await?,
        }
    }
    Ok(())
}

async fn on_kubernetes() -> Result<()> {
    let figures = kubernetes::measure().await?;
    print("cluster_ready_s", median(figures.cluster_ready_s), "s");
    let gaps = figures.gaps;
    print("rolling_restart_gap_ms", largest(gaps.roll_max_ms), "ms");
    print("rolling_restart_gap_p99_ms", median(gaps.roll_p99_ms), "ms");
    print("failover_gap_ms", largest(gaps.failover_max_ms), "ms");
    print(
        "operator_idle_memory",
        largest(figures.operators_mib),
        "MiB",
    );
    print("image_size", figures.image_mb, "MB");
    eprintln!("{}", figures.left_running);
    Ok(())
}

async fn fleet() -> Result<()> {
    let figures = fleet::measure().await?;
    print("idle_writes", figures.idle_writes, "writes");
    print("reconcile_p99_ms", figures.reconcile_p99_ms, "ms");
    print(
        "reconcile_storm_p99_ms",
        figures.reconcile_storm_p99_ms,
        "ms",
    );
    print("fleet_pick_up_p99_ms", figures.pick_up_p99_ms, "ms");
    print("fleet_operator_cpu_idle", figures.cpu_idle_s, "s/min");
    print("fleet_operator_cpu_busy", figures.cpu_busy_s, "s/min");
    print("fleet_operator_memory", figures.memory_mib, "MiB");
    Ok(())
}

fn commit_rates() -> Result<()> {
    let trio = Trio::start()?;
    let idle = process::largest_mib(&trio.processes(), process::memory_mib)?;
    print("node_idle_memory", idle, "MiB");
    let mut rounds: Vec<Vec<Load>> = CLIENTS.map(|_| Vec::new()).into();
    for round in 0..ROUNDS {
        for (clients, loads) in CLIENTS.iter().zip(&mut rounds) {
            eprintln!(
                "round {} of {ROUNDS}: {clients} clients for {SECONDS} s",
                round + 1
            );
            loads.push(load(&trio, *clients, Work::Writes, Place::Leader)?);
        }
    }
    let all = rounds.iter().flatten();
    print(
        "fsync_p50_us",
        median(all.map(|l| l.fsync_us).collect()),
        "us",
    );
    for (clients, loads) in CLIENTS.iter().zip(rounds) {
        let of = |part: fn(&Load) -> f64| median(loads.iter().map(part).collect());
        print(
            &format!("commit_rate_{clients}"),
            of(|l| l.rate),
            "writes/s",
        );
        print(&format!("commit_p50_us_{clients}"), of(|l| l.p50_us), "us");
        print(&format!("commit_p99_us_{clients}"), of(|l| l.p99_us), "us");
        print(
            &format!("server_cpu_us_per_write_{clients}"),
            of(|l| l.cpu_us),
            "us",
        );
        print(&format!("fsync_p50_us_{clients}"), of(|l| l.fsync_us), "us");
        print(&format!("errors_{clients}"), of(|l| l.errors), "writes");
    }
    Ok(())
}

fn read_rates() -> Result<()> {
    let trio = Trio::start()?;
    // What is read must be there.
    trio.load(64, SECONDS, Work::Writes, Place::Leader)?;
    let places = [Place::Leader, Place::Follower];
    let loads: Vec<_> = READERS
        .iter()
        .flat_map(|clients| places.map(|place| (*clients, place)))
        .collect();
    let mut rounds: Vec<Vec<Load>> = loads.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for ((clients, place), loads) in loads.iter().zip(&mut rounds) {
            eprintln!(
                "round {} of {ROUNDS}: {clients} clients read at a {place:?} for {SECONDS} s",
                round + 1
            );
            loads.push(load(&trio, *clients, Work::Reads, *place)?);
        }
    }
    for ((clients, place), loads) in loads.iter().zip(rounds) {
        let of = |part: fn(&Load) -> f64| median(loads.iter().map(part).collect());
        let place = format!("{place:?}").to_lowercase();
        let name = |what: &str| format!("{what}_{place}_{clients}");
        print(&name("read_rate_linearizable"), of(|l| l.rate), "reads/s");
        print(&name("read_p99_us"), of(|l| l.p99_us), "us");
        print(&name("server_cpu_us_per_read"), of(|l| l.cpu_us), "us");
    }
    Ok(())
}

fn in_process() -> Result<()> {
    example("commit_rate", &[environment::cache()?.as_os_str()])
}

fn many_keys() -> Result<()> {
    for keys in KEYS {
        let folder = tempfile::tempdir_in(environment::cache()?)?;
        let folder = folder.path().as_os_str();
        eprintln!("{keys} keys are written");
        example("many_keys", &[folder, "fill".as_ref(), keys.as_ref()])?;
        for _ in 0..ROUNDS {
            example("many_keys", &[folder, "open".as_ref()])?;
        }
    }
    Ok(())
}

/// Runs a program that prints figures by itself.
fn example(name: &str, arguments: &[&OsStr]) -> Result<()> {
    let program = environment::programs()?.join("examples").join(name);
    let ran = std::process::Command::new(&program)
        .args(arguments)
        .status();
    let ran = ran.with_context(|| format!("failed to start {}", program.display()))?;
    ensure!(ran.success(), "{} failed: {ran}", program.display());
    Ok(())
}

async fn recoveries() -> Result<()> {
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        all.push(recovery::measure().await?);
    }
    let of = |part: fn(&recovery::Figures) -> f64| median(all.iter().map(part).collect());
    print("recovery_log_mib", of(|f| f.log_mib), "MiB");
    print("recovery_s", of(|f| f.recovery_s), "s");
    print("snapshot_mib", of(|f| f.snapshot_mib), "MiB");
    let rate = of(|f| f.snapshot_mib / f.snapshot_s);
    print("snapshot_rate", rate, "MiB/s");
    Ok(())
}

async fn failovers() -> Result<()> {
    let mut trio = Trio::start()?;
    let term = trio.term()?;
    eprintln!("{FULL_LOAD_SECONDS} s of full load");
    let full = trio.load(256, FULL_LOAD_SECONDS, Work::Writes, Place::Leader)?;
    let fsync = full.pointer("/fsync_us/p50").and_then(Value::as_f64);
    print("fsync_p50_us", fsync.unwrap_or(f64::NAN), "us");
    let elections = trio.term()? - term;
    print("elections_under_full_load", elections as f64, "elections");
    for (loss, name) in [(Loss::Killed, "sigkill"), (Loss::Stopped, "sigstop")] {
        let gaps = gaps_ms(&mut trio, loss, LEADERS_LOST).await?;
        let at = |share: f64| {
            let place = (gaps.len() as f64 * share).ceil() as usize;
            gaps.get(place.saturating_sub(1))
                .copied()
                .unwrap_or(f64::NAN)
        };
        for (label, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("longest", 1.0)] {
            print(&format!("failover_{name}_{label}_ms"), at(share), "ms");
        }
    }
    Ok(())
}

pub(super) fn load(trio: &Trio, clients: u32, work: Work, place: Place) -> Result<Load> {
    let nodes = trio.processes();
    let before = process::cpu_us(&nodes)?;
    let report = trio.load(clients, SECONDS, work, place)?;
    let used = process::cpu_us(&nodes)? - before;
    let number = |path: &str| {
        let value = report.pointer(path).and_then(Value::as_f64);
        value.with_context(|| format!("klusterctl bench printed no {path}: {report}"))
    };
    let (count, rate, latency) = match work {
        Work::Writes | Work::Streams => ("/writes", "/writes_per_second", "/write_us"),
        Work::Reads => ("/reads", "/reads_per_second", "/read_us"),
    };
    Ok(Load {
        rate: number(rate)?,
        p50_us: number(&format!("{latency}/p50"))?,
        p99_us: number(&format!("{latency}/p99"))?,
        cpu_us: used as f64 / number(count)?.max(1.0),
        fsync_us: number("/fsync_us/p50")?,
        errors: number("/errors")?,
    })
}

/// The largest of them.
fn largest(values: Vec<f64>) -> f64 {
    values.into_iter().fold(f64::NAN, f64::max)
}

pub(super) fn print(name: &str, value: f64, unit: &str) {
    println!("{name} {value:.1} {unit}");
}
