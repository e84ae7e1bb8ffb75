//! What ours is compared with: three etcds as plain processes on loopback, on the disk the cache lies on.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::{etcd_client, process};
use crate::child::Child;
use crate::environment;
use crate::tools::{self, Cache, ETCD};
use crate::wait;

const MEMBERS: usize = 3;
const START_WITHIN: Duration = Duration::from_secs(30);

/// A cluster of three. It ends when this is dropped.
pub struct Etcds {
    members: Vec<Child>,
    /// Where clients reach them.
    urls: Vec<String>,
    _folder: TempDir,
}

impl Etcds {
    /// Starts a cluster with etcd's own defaults, in the version of the test-bed, which is built where it is missing.
    ///
    /// # Errors
    /// When it is not there within half a minute.
    pub async fn start() -> Result<Self> {
        let cache = Cache::from_environment()?;
        tools::ensure(&cache, &ETCD, ETCD.programs)?;
        let folder = tempfile::tempdir_in(environment::cache()?)?;
        let urls = free_urls(2 * MEMBERS)?;
        let (clients, peers) = urls.split_at(MEMBERS);
        let cluster: Vec<String> = peers
            .iter()
            .enumerate()
            .map(|(n, url)| format!("{}={url}", name(n)))
            .collect();
        let mut members = Vec::new();
        for (n, (client, peer)) in clients.iter().zip(peers).enumerate() {
            let flags = [
                format!("--name={}", name(n)),
                format!("--data-dir={}", folder.path().join(name(n)).display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster={}", cluster.join(",")),
                "--log-level=warn".to_owned(),
            ];
            let program = cache.program(&ETCD, "etcd");
            members.push(Child::spawn(&name(n), &program, &flags, folder.path())?);
        }
        wait::until("an etcd leads", START_WITHIN, async || {
            Ok(etcd_client::leads(clients).await.is_some())
        })
        .await?;
        Ok(Self {
            members,
            urls: clients.to_vec(),
            _folder: folder,
        })
    }

    /// CPU time of all three so far, in microseconds.
    ///
    /// # Errors
    /// When one of them has ended.
    pub fn cpu_us(&self) -> Result<u64> {
        self.members
            .iter()
            .map(|member| process::cpu_us(member.id()))
            .sum()
    }

    /// Where clients reach them.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }
}

fn name(member: usize) -> String {
    format!("etcd-{member}")
}

/// Addresses that are free now.
fn free_urls(count: usize) -> Result<Vec<String>> {
    let listen = || TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port");
    // All are held until all are drawn, so that they differ.
    let held = (0..count).map(|_| listen()).collect::<Result<Vec<_>>>()?;
    let url = |listener: &TcpListener| Ok(format!("http://{}", listener.local_addr()?));
    held.iter().map(url).collect()
}
