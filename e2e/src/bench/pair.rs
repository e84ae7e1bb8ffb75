//! Ours and etcd, three of each beside each other, and what clients of etcd's API show at either.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::etcd::Etcds;
use super::etcd_client::{self, Answered};
use super::local::{Loss, Trio};
use super::process;
use super::turns::{Load, median};
use crate::environment;
use crate::wait;

/// How often the disk is asked what an fdatasync takes, and after how many bytes.
const SYNCS: usize = 32;
const SYNC_BYTES: usize = 4096;
/// Nobody waits longer for a member to be back.
const BACK_WITHIN: Duration = Duration::from_secs(120);

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Ours.
    Kluster,
    /// etcd.
    Etcd,
}

/// Both, in the order of every table.
pub const SIDES: [Side; 2] = [Side::Kluster, Side::Etcd];

impl Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kluster => "kluster",
            Self::Etcd => "etcd",
        })
    }
}

/// Two clusters of three on the same machine and disk. They end when this is dropped.
pub struct Pair {
    trio: Trio,
    etcds: Etcds,
}

impl Pair {
    /// Starts both on empty disks.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start() -> Result<Self> {
        let (trio, etcds) = (Trio::start()?, Etcds::start().await?);
        Ok(Self { trio, etcds })
    }

    /// Our three nodes, for clients of our own interfaces.
    pub fn ours(&self) -> &Trio {
        &self.trio
    }

    /// Where clients of etcd reach the members.
    pub fn urls(&self, side: Side) -> Vec<String> {
        match side {
            Side::Kluster => (0..3).map(|node| self.trio.etcd_url(node)).collect(),
            Side::Etcd => self.etcds.urls().to_vec(),
        }
    }

    /// Their processes.
    pub fn processes(&self, side: Side) -> Vec<u32> {
        match side {
            Side::Kluster => self.trio.processes(),
            Side::Etcd => self.etcds.processes(),
        }
    }

    /// Puts these keys on both.
    ///
    /// # Errors
    /// When a put is not answered.
    pub async fn fill(&self, keys: u64) -> Result<()> {
        for side in SIDES {
            eprintln!("{keys} keys are put at {side}");
            etcd_client::fill(&self.urls(side), keys).await?;
        }
        Ok(())
    }

    /// What clients saw at the URLs of a side, and what its servers and the disk did meanwhile.
    ///
    /// # Errors
    /// When the clients fail, or a member has ended.
    pub async fn load(
        &self,
        side: Side,
        clients: impl AsyncFnOnce(Vec<String>) -> Result<Answered>,
    ) -> Result<Load> {
        let fsync_us = fdatasync_us()?;
        let servers = self.processes(side);
        let before = process::cpu_us(&servers)?;
        let answered = clients(self.urls(side)).await?;
        let used = process::cpu_us(&servers)? - before;
        Ok(Load {
            rate: answered.per_second,
            p50_us: answered.p50_us,
            p99_us: answered.p99_us,
            cpu_us: used as f64 / answered.answers.max(1) as f64,
            fsync_us,
            errors: answered.errors as f64,
        })
    }

    /// Kills a member that follows and starts it again: seconds until it answers a read that a majority vouches for.
    ///
    /// # Errors
    /// When it is not back in time.
    pub async fn restart(&mut self, side: Side) -> Result<f64> {
        let leader = match side {
            Side::Kluster => self.trio.leader(),
            Side::Etcd => self.etcds.leader().await,
        };
        let follower = (leader.context("no member leads")? + 1) % 3;
        match side {
            Side::Kluster => self.trio.lose(follower, Loss::Killed)?,
            Side::Etcd => self.etcds.lose(follower)?,
        }
        let began = Instant::now();
        match side {
            Side::Kluster => self.trio.bring_back(follower, Loss::Killed)?,
            Side::Etcd => self.etcds.bring_back(follower).await?,
        }
        let urls = self.urls(side);
        let url = urls.get(follower).context("no such member")?;
        wait::until("a member is back", BACK_WITHIN, async || {
            Ok(etcd_client::serves(url).await)
        })
        .await?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// The median of what the disk of the cache takes for an fdatasync, in microseconds.
fn fdatasync_us() -> Result<f64> {
    let mut file: File = tempfile::tempfile_in(environment::cache()?)?;
    let mut took = Vec::new();
    for _ in 0..SYNCS {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[0; SYNC_BYTES])?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took))
}
