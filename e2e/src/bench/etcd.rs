//! What ours is compared with: three etcds as plain processes on loopback, on the disk the cache lies on.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::etcd_client;
use crate::child::Child;
use crate::environment;
use crate::tools::{self, Cache, ETCD};
use crate::wait;

const MEMBERS: usize = 3;
const START_WITHIN: Duration = Duration::from_secs(30);

/// A cluster of three. It ends when this is dropped.
pub struct Etcds {
    members: Vec<Child>,
    /// The flags that each was started with.
    flags: Vec<Vec<String>>,
    /// Where clients reach them.
    urls: Vec<String>,
    folder: TempDir,
}

impl Etcds {
    /// Starts a cluster with etcd's own defaults, in the version of the test-bed, which is built where it is missing.
    ///
    /// # Errors
    /// When it is not there within half a minute.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// [`Etcds::start`], with more flags.
    ///
    /// # Errors
    /// As of [`Etcds::start`].
    pub async fn start_with(more: &[String]) -> Result<Self> {
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
        let mut started = Self {
            members: Vec::new(),
            flags: Vec::new(),
            urls: clients.to_vec(),
            folder,
        };
        for (n, (client, peer)) in clients.iter().zip(peers).enumerate() {
            let mut flags = vec![
                format!("--name={}", name(n)),
                format!(
                    "--data-dir={}",
                    started.folder.path().join(name(n)).display()
                ),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster={}", cluster.join(",")),
                "--log-level=warn".to_owned(),
            ];
            flags.extend_from_slice(more);
            let member = started.spawn(n, &flags)?;
            started.members.push(member);
            started.flags.push(flags);
        }
        wait::until("an etcd leads", START_WITHIN, async || {
            Ok(etcd_client::leads(clients).await.is_some())
        })
        .await?;
        Ok(started)
    }

    fn spawn(&self, member: usize, flags: &[String]) -> Result<Child> {
        let program = Cache::from_environment()?.program(&ETCD, "etcd");
        Child::spawn(&name(member), &program, flags, self.folder.path())
    }

    /// Which member leads, if one that answers does.
    pub async fn leader(&self) -> Option<usize> {
        let leader = etcd_client::leads(&self.urls).await?;
        self.urls.iter().position(|url| *url == leader)
    }

    /// Kills a member.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn lose(&mut self, member: usize) -> Result<()> {
        self.members
            .get_mut(member)
            .context("no such member")?
            .kill();
        Ok(())
    }

    /// Starts a member again that was killed, and waits until it serves.
    ///
    /// # Errors
    /// When it does not within half a minute.
    pub async fn bring_back(&mut self, member: usize) -> Result<()> {
        let flags = self.flags.get(member).context("no such member")?;
        let back = self.spawn(member, flags)?;
        if let Some(member) = self.members.get_mut(member) {
            *member = back;
        }
        let url = self.urls.get(member).context("no such member")?;
        let address = url.trim_start_matches("http://");
        wait::until("a member is back", START_WITHIN, async || {
            Ok(TcpStream::connect(address).is_ok())
        })
        .await
    }

    /// Their processes.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.members.iter().map(Child::id).collect()
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
