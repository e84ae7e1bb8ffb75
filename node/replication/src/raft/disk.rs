//! What the disk of a member holds, opened and checked.

use std::sync::Arc;

use node_host::Host;

use crate::blocking;
use crate::config::Config;
use crate::contract::Fatal;
use crate::errors::StartError;
use crate::log::{Recovered, Wal};
use crate::raft::machine::MachineHandle;
use crate::raft::snapshots::Snapshots;

/// What a disk holds, opened.
pub struct Disk {
    pub wal: Wal,
    pub recovered: Recovered,
    pub snapshots: Arc<Snapshots>,
    pub machine: MachineHandle,
    /// The folder is this process's alone as long as it is held.
    pub lock: Box<dyn Send + Sync>,
}

impl Disk {
    /// Opens all of it; the state is open already.
    pub async fn open(
        host: &Host,
        config: &Config,
        machine: MachineHandle,
    ) -> Result<Disk, StartError> {
        let files = |action: &'static str| move |source| StartError::Files { action, source };
        let lock = {
            let (files_of, path) = (host.files.clone(), config.data_dir.join("replication.lock"));
            let dir = config.data_dir.clone();
            let lock = async move {
                files_of.create_dir_all(&dir)?;
                files_of.lock(&path)
            };
            let locked = blocking::run(host, "lock", lock)
                .await
                .map_err(files("run a worker"))?;
            locked.map_err(files("lock the data folder: does another process use it?"))?
        };
        let (wal, recovered) = Wal::open(host, &config.data_dir.join("log"), config.limits.log)
            .await
            .map_err(StartError::Log)?;
        let snapshots = {
            let (host, dir) = (host.clone(), config.data_dir.join("snapshots"));
            let opener = host.clone();
            let open = async move { Snapshots::open(&opener, dir) };
            let opened = blocking::run(&host, "snapshot", open)
                .await
                .map_err(files("run a worker"))?;
            opened.map_err(files("open the snapshots"))?
        };
        // With a vote in it, it is a log that never had an entry: a crash came between the member's first snapshot and the
        // next sync of its log. Whatever it acknowledged later would be in there.
        let never_written = recovered.last.is_none() && recovered.vote.is_none();
        if machine.applied().borrow().is_some() && never_written {
            let why = "failed to find the log of this member: its state is there, its log is not. It may have promised \
                       what it no longer knows: start on an empty folder and let it rejoin as a new member";
            return Err(Fatal::new(why).into());
        }
        Ok(Disk {
            wal,
            recovered,
            snapshots,
            machine,
            lock,
        })
    }
}
