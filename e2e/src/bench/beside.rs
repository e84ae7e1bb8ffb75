//! Figures of ours and of etcd, which take turns in the same minutes on the same machine.

use std::time::Duration;

use anyhow::Result;

use super::etcd::Etcds;
use super::etcd_client::{self, Ask};
use super::figures::{CLIENTS, Load, ROUNDS, SECONDS, load, median, print};
use super::local::{Place, Trio, Work};

/// Before each load.
const REST: Duration = Duration::from_secs(2);

/// Who writes beside etcd, and etcd; with the name of its figures.
const BESIDE_ETCD: [(Option<Work>, &str); 3] = [
    (Some(Work::Writes), "beside_etcd"),
    (Some(Work::Streams), "beside_etcd_streams"),
    (None, "etcd"),
];

/// Writes by our own interfaces, and by etcd's on etcd.
///
/// # Errors
/// When a load fails.
pub async fn by_ours() -> Result<()> {
    let (trio, etcds) = (Trio::start()?, Etcds::start().await?);
    let mut loads = Vec::new();
    for round in 0..ROUNDS {
        for clients in CLIENTS {
            eprintln!(
                "round {} of {ROUNDS}: {clients} writes under way for {SECONDS} s at each",
                round + 1
            );
            // None always comes first, and none while another still puts its disk in order.
            for (work, who) in BESIDE_ETCD
                .iter()
                .cycle()
                .skip(round)
                .take(BESIDE_ETCD.len())
            {
                tokio::time::sleep(REST).await;
                let load = match work {
                    Some(work) => load(&trio, clients, *work, Place::Leader)?,
                    None => {
                        let cpu_us = || etcds.cpu_us();
                        load_by_etcds(etcds.urls(), cpu_us, clients, Ask::Put).await?
                    }
                };
                loads.push((clients, *who, load));
            }
        }
    }
    for clients in CLIENTS {
        for (work, who) in BESIDE_ETCD {
            let of = |part: fn(&Load) -> f64| {
                let of = |(at, by, load): &(u32, &str, Load)| {
                    (*at == clients && *by == who).then(|| part(load))
                };
                median(loads.iter().filter_map(of).collect())
            };
            let name = |what: &str| format!("{who}_{what}_{clients}");
            print(&name("commit_rate"), of(|l| l.rate), "writes/s");
            print(&name("commit_p99_us"), of(|l| l.p99_us), "us");
            print(&name("server_cpu_us_per_write"), of(|l| l.cpu_us), "us");
            if work.is_some() {
                print(&name("fsync_p50_us"), of(|l| l.fsync_us), "us");
            }
        }
    }
    Ok(())
}

/// What clients of etcd's API showed, with what the servers used meanwhile.
async fn load_by_etcds(
    urls: &[String],
    cpu_us: impl Fn() -> Result<u64>,
    clients: u32,
    ask: Ask,
) -> Result<Load> {
    let before = cpu_us()?;
    let answered = etcd_client::load(urls, clients as usize, SECONDS, ask).await?;
    let used = cpu_us()? - before;
    Ok(Load {
        rate: answered.per_second,
        p50_us: answered.p50_us,
        p99_us: answered.p99_us,
        cpu_us: used as f64 / answered.answers.max(1) as f64,
        fsync_us: f64::NAN,
        errors: 0.0,
    })
}

/// The same clients on either, by etcd's API.
///
/// # Errors
/// When a load fails.
pub async fn by_etcds() -> Result<()> {
    let (trio, etcds) = (Trio::start()?, Etcds::start().await?);
    let ours: Vec<String> = (0..3).map(|node| trio.etcd_url(node)).collect();
    let asks = [
        (Ask::Put, "put"),
        (Ask::Linearizable, "linearizable_range"),
        (Ask::Serializable, "serializable_range"),
    ];
    let mut loads = Vec::new();
    for round in 0..ROUNDS {
        for (clients, (ask, what)) in CLIENTS.into_iter().flat_map(|at| asks.map(|ask| (at, ask))) {
            eprintln!(
                "round {} of {ROUNDS}: {clients} clients, {what}, {SECONDS} s at each",
                round + 1
            );
            for turn in 0..2 {
                tokio::time::sleep(REST).await;
                // None always comes first.
                let is_ours = (turn + round).is_multiple_of(2);
                let load = match is_ours {
                    true => load_by_etcds(&ours, || trio.cpu_us(), clients, ask).await?,
                    false => load_by_etcds(etcds.urls(), || etcds.cpu_us(), clients, ask).await?,
                };
                loads.push((clients, what, is_ours, load));
            }
        }
    }
    for (clients, (_, what)) in CLIENTS.into_iter().flat_map(|at| asks.map(|ask| (at, ask))) {
        for (is_ours, who) in [(true, "kluster"), (false, "etcd")] {
            let of = |part: fn(&Load) -> f64| {
                let of = |(at, asked, by, load): &(u32, &str, bool, Load)| {
                    (*at == clients && *asked == what && *by == is_ours).then(|| part(load))
                };
                median(loads.iter().filter_map(of).collect())
            };
            let name = |figure: &str| format!("{who}_{what}_{figure}_{clients}");
            print(&name("rate"), of(|l| l.rate), "requests/s");
            print(&name("p99_us"), of(|l| l.p99_us), "us");
            print(&name("server_cpu_us"), of(|l| l.cpu_us), "us");
        }
    }
    Ok(())
}
