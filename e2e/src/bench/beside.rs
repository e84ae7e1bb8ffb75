//! Writes by our own interfaces and by etcd's on etcd, which take turns in the same minutes on the same machine.

use anyhow::Result;

use super::etcd_client::{self, Ask, Crowd};
use super::figures::{CLIENTS, SECONDS, load, print};
use super::local::{Place, Work};
use super::pair::{Pair, Side};
use super::turns::{self, Title};

/// Who writes beside etcd, and etcd.
const WHO: [Option<Work>; 3] = [Some(Work::Writes), Some(Work::Streams), None];
/// The names of their figures.
const NAMES: [&str; 3] = ["beside_etcd", "beside_etcd_streams", "etcd"];

/// Takes the figures and prints them.
///
/// # Errors
/// When a load fails.
pub async fn measure() -> Result<()> {
    let pair = Pair::start().await?;
    let cases = CLIENTS.map(|clients| {
        let title = Title {
            what: "write",
            clients: clients as usize,
            offered: None,
            unit: "writes/s",
        };
        (title, clients)
    });
    let seen = turns::take(&cases, WHO, async |clients, work| match work {
        Some(work) => load(pair.ours(), clients, work, Place::Leader),
        None => {
            let puts = Crowd {
                ask: Ask::Put,
                clients: clients as usize,
                offered: None,
            };
            let put = async |urls: Vec<String>| etcd_client::load(&urls, puts, SECONDS).await;
            pair.load(Side::Etcd, put).await
        }
    });
    for (title, loads) in seen.await? {
        for (who, load) in NAMES.iter().zip(loads) {
            let name = |what: &str| format!("{who}_{what}_{}", title.clients);
            print(&name("commit_rate"), load.rate, title.unit);
            print(&name("commit_p99_us"), load.p99_us, "us");
            print(&name("server_cpu_us_per_write"), load.cpu_us, "us");
            print(&name("fsync_p50_us"), load.fsync_us, "us");
        }
    }
    Ok(())
}
