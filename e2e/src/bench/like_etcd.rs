//! The same lean clients on either, by etcd's API.

use anyhow::Result;

use super::etcd_client::{self, Ask, Crowd, KEYS, Puts};
use super::figures::SECONDS;
use super::pair::{Pair, SIDES};
use super::table;
use super::turns::{self, Title};

/// How many clients ask at once; etcd's own benchmarks end at a thousand.
pub(super) const CLIENTS: [usize; 4] = [1, 64, 256, 1000];
/// What is asked, under which name.
const ASKS: [(Ask, &str); 5] = [
    (Ask::Put, "put"),
    (Ask::Linearizable, "linearizable_range"),
    (Ask::Serializable, "serializable_range"),
    (Ask::Txn, "txn"),
    (Ask::KeepAlive, "lease_keep_alive"),
];
/// Of those, what is also asked at rates that both keep up with, a second, and by how many clients: what servers use is
/// compared at the same work.
const OFFERED: [u32; 2] = [500, 2000];
const OFFERED_BY: usize = 64;
const OFFERED_ASKS: usize = 2;
/// How many watch a key that is put a hundred times a second, and one that is put as fast as they hear of it.
const WATCHERS: [usize; 2] = [1, 100];
const WATCHED_PUTS: u32 = 100;
const FAN_OUT: usize = 1000;

#[derive(Clone, Copy)]
enum Work {
    Ask(Crowd),
    Watch(usize, Puts),
}

/// Takes the figures and prints them.
///
/// # Errors
/// When a load fails.
pub async fn measure() -> Result<()> {
    let pair = Pair::start().await?;
    pair.fill(KEYS).await?;
    let cases: Vec<_> = asked().chain(offered()).chain(watched()).collect();
    let seen = turns::take(&cases, SIDES, async |work, side| {
        let clients = async |urls: Vec<String>| match work {
            Work::Ask(crowd) => etcd_client::load(&urls, crowd, SECONDS).await,
            Work::Watch(watchers, puts) => etcd_client::watch(&urls, watchers, puts, SECONDS).await,
        };
        pair.load(side, clients).await
    });
    table::show("", &seen.await?);
    Ok(())
}

fn asked() -> impl Iterator<Item = (Title, Work)> {
    let cases = CLIENTS.into_iter().flat_map(|at| ASKS.map(|ask| (at, ask)));
    cases.map(|(clients, (ask, what))| ask_of(ask, what, clients, None))
}

fn offered() -> impl Iterator<Item = (Title, Work)> {
    let asks = ASKS.into_iter().take(OFFERED_ASKS);
    let cases = asks.flat_map(|ask| OFFERED.map(|rate| (ask, rate)));
    cases.map(|((ask, what), rate)| ask_of(ask, what, OFFERED_BY, Some(rate)))
}

fn ask_of(ask: Ask, what: &'static str, clients: usize, offered: Option<u32>) -> (Title, Work) {
    let title = Title {
        what,
        clients,
        offered,
        unit: "requests/s",
    };
    let crowd = Crowd {
        ask,
        clients,
        offered,
    };
    (title, Work::Ask(crowd))
}

fn watched() -> impl Iterator<Item = (Title, Work)> {
    let paced = WATCHERS.map(|watchers| ("watch", watchers, Some(WATCHED_PUTS)));
    let cases = paced.into_iter().chain([("watch_fan_out", FAN_OUT, None)]);
    cases.map(|(what, clients, offered)| {
        let title = Title {
            what,
            clients,
            offered,
            unit: "events/s",
        };
        let puts = offered.map_or(Puts::AsHeard, Puts::PerSecond);
        (title, Work::Watch(clients, puts))
    })
}
