//! How many writes of 256 bytes three nodes of one process commit in a second, with their peers' streams over loopback and
//! every fsync, and nothing between a client and its node: prints lines of `name value unit`.
//!
//! `commit_rate FOLDER`: the nodes lie in a temporary folder there.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use node_disk::Disk;
use node_engines::{Command, kv};
use node_host::Host;
use node_replication::{ClusterKey, Member, MemberId, Role};
use node_server::{MemberWish, Node, Prepared};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLIENTS: [usize; 4] = [1, 64, 256, 1024];
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(5);
const VALUE: [u8; 256] = [0x4b; 256];
const KEYS: u64 = 100_000;
const FORMED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args()
        .nth(1)
        .context("usage: commit_rate FOLDER")?;
    let folder = tempfile::tempdir_in(folder)?;
    let nodes = form(folder.path()).await?;
    let leader = leader(&nodes).context("nobody leads")?;
    let mut rates = CLIENTS.map(|_| Vec::new());
    let mut fsyncs = Vec::new();
    for _ in 0..ROUNDS {
        for (clients, rates) in CLIENTS.iter().zip(&mut rates) {
            fsyncs.push(fsync_us(folder.path())?);
            rates.push(load(&leader, *clients).await?);
        }
    }
    println!("in_process_fsync_p50_us {:.1} us", median(fsyncs));
    for (clients, rates) in CLIENTS.iter().zip(rates) {
        println!(
            "in_process_commit_rate_{clients} {:.1} writes/s",
            median(rates)
        );
    }
    for (_, node) in nodes {
        node.stop(Duration::ZERO).await;
    }
    Ok(())
}

/// Three nodes that make one cluster which takes data.
async fn form(folder: &Path) -> Result<Vec<(Prepared, Node)>> {
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(start(&folder.join(name)).await?);
    }
    let [(_, first), others @ ..] = &nodes[..] else {
        bail!("no node was started");
    };
    first.bootstrap(first.status().log.member, 3).await?;
    for (_, node) in others {
        let status = node.status().log;
        let member = |epoch| Member {
            peer_address: status.peer_address.clone(),
            key: status.public_key,
            epoch,
        };
        make(first, status.member, MemberWish::Learner(member(1))).await?;
        make(first, status.member, MemberWish::Voter(member(2))).await?;
    }
    let began = Instant::now();
    while !nodes.iter().all(|(_, node)| node.status().open) {
        if began.elapsed() > FORMED_WITHIN {
            bail!("the cluster does not come to take data");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(nodes)
}

async fn start(folder: &Path) -> Result<(Prepared, Node)> {
    let host = Host::real();
    let prepared = node_server::prepare(&host, folder).await?;
    let storage = Arc::new(Disk::open(&folder.join("state"))?);
    let any = "127.0.0.1:0".to_owned();
    let replication = node_replication::Config {
        data_dir: folder.to_owned(),
        listen: any.clone(),
        advertise: any,
        cluster_key: ClusterKey::new(*b"0123456789abcdef0123456789abcdef").context("a key")?,
        timing: node_replication::Timing::default(),
        limits: node_replication::Limits::default(),
    };
    let config = node_server::Config {
        replication,
        limits: node_server::Limits::default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        founding_level: node_server::FEATURE_LEVEL_MAX,
        access: node_server::AccessConfig::default(),
    };
    let node = Box::pin(node_server::start(host, storage, config)).await?;
    Ok((prepared, node))
}

/// Makes one member what it shall be; tried again while it has not caught up.
async fn make(leader: &Node, member: MemberId, wish: MemberWish) -> Result<()> {
    let began = Instant::now();
    loop {
        match leader.change_member(member, wish.clone(), None).await {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() > FORMED_WITHIN => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn leader(nodes: &[(Prepared, Node)]) -> Option<Node> {
    let mut all = nodes.iter().map(|(_, node)| node);
    let leads = |node: &&Node| node.status().log.role == Role::Leader;
    all.find(leads).cloned()
}

/// So many clients write, one write each at a time; writes a second.
async fn load(leader: &Node, clients: usize) -> Result<f64> {
    let began = Instant::now();
    let client = |number: usize| {
        let node = leader.clone();
        async move {
            let mut written = 0_u64;
            while began.elapsed() < ROUND {
                let key = (number as u64 + written * 7919) % KEYS;
                let put = kv::Command::Put {
                    key: Bytes::from(format!("key-{key:08}")),
                    value: Bytes::from_static(&VALUE),
                };
                node.write(None, vec![Command::Kv(put)]).await?;
                written += 1;
            }
            anyhow::Ok(written)
        }
    };
    let clients: Vec<_> = (0..clients).map(|n| tokio::spawn(client(n))).collect();
    let mut written = 0;
    for client in clients {
        written += client.await??;
    }
    Ok(written as f64 / began.elapsed().as_secs_f64())
}

/// What half of the fdatasyncs after an append of 4 KiB do not exceed, in microseconds.
fn fsync_us(folder: &Path) -> Result<f64> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[0x4b; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
