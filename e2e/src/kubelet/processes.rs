//! The running processes, by the UID of their pod. Closing kills them all, at once and for good.

use std::collections::HashMap;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::child;

/// All processes of one stand-in.
#[derive(Debug, Default)]
pub(super) struct Processes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    running: HashMap<String, Running>,
    closed: bool,
}

#[derive(Debug)]
struct Running {
    pod: String,
    child: Child,
}

impl Processes {
    /// Starts the process of a pod, as the leader of a process group.
    pub fn spawn(&self, uid: &str, pod: &str, command: Command) -> Result<()> {
        let mut inner = self.lock();
        ensure!(!inner.closed, "the stand-in kubelet has stopped");
        let child = child::spawn_kept(command)
            .with_context(|| format!("failed to start the process of {pod}"))?;
        let running = Running {
            pod: pod.to_owned(),
            child,
        };
        let before = inner.running.insert(uid.to_owned(), running);
        debug_assert!(before.is_none(), "a pod has one process");
        Ok(())
    }

    /// How the pod's process ended, once; nothing while it runs or when there is none.
    pub fn take_exit(&self, uid: &str) -> Result<Option<ExitStatus>> {
        let mut inner = self.lock();
        let Some(running) = inner.running.get_mut(uid) else {
            return Ok(None);
        };
        let exit = running
            .child
            .try_wait()
            .with_context(|| format!("failed to look after {}", running.pod))?;
        if exit.is_some() {
            inner.running.remove(uid);
        }
        Ok(exit)
    }

    /// Whether the pod has a process.
    pub fn has(&self, uid: &str) -> bool {
        self.lock().running.contains_key(uid)
    }

    /// The process id of the pod of this name.
    pub fn id_of(&self, pod: &str) -> Option<u32> {
        let inner = self.lock();
        let mut running = inner.running.values();
        running.find(|r| r.pod == pod).map(|r| r.child.id())
    }

    /// Asks the pod's process to end. Nothing happens when it is gone.
    pub fn terminate(&self, uid: &str) {
        if let Some(running) = self.lock().running.get(uid) {
            // Not reaped yet, so the id is still its own; that it is gone already is what is wanted.
            let _already_gone = kill_process(running.process(), Signal::TERM);
        }
    }

    /// Kills the pod's process and what it started. It is reaped by [`Processes::take_exit`].
    pub fn kill(&self, uid: &str) {
        if let Some(running) = self.lock().running.get(uid) {
            running.kill();
        }
    }

    /// Kills every process, reaps it, and refuses new ones.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        for (_, mut running) in inner.running.drain() {
            running.kill();
            // Fails only for a child that was reaped before.
            let _already_reaped = running.child.wait();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn kill(&self) {
        // Both fail only when nothing is left to kill.
        let _no_group_left = kill_process_group(self.process(), Signal::KILL);
        let _already_gone = kill_process(self.process(), Signal::KILL);
    }
}
