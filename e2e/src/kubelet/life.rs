//! The life of one pod: set up, start, probe, restart, and end when it is deleted.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use tokio::sync::watch;

use super::command::command;
use super::containers::{Wanted, grace_seconds};
use super::environment::environment;
use super::files::volumes;
use super::probes::{Health, Probes};
use super::shared::Shared;
use super::status::{Exit, Reporter, State, now};

/// How often a running container is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long to wait before a failed setup or report is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The first restart is at once; further ones wait this long, doubling (a kubelet's 10 s, shortened).
const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait before a restart (a kubelet's 300 s, shortened).
const BACK_OFF_MAX: Duration = Duration::from_secs(8);
/// A container that ran this long starts with a fresh back-off.
const RAN_WELL: Duration = Duration::from_secs(30);

/// Runs the pod until it is deleted and its process is gone. `pod` turns to nothing when the object is gone.
pub(super) async fn live(shared: Arc<Shared>, pod: watch::Receiver<Option<Arc<Pod>>>) {
    let first = pod.borrow().clone();
    let Some(first) = first else { return };
    let wanted = match Wanted::of(&first) {
        Ok(wanted) => wanted,
        Err(error) => return refuse(&shared, &first, pod, &format!("{error:#}")).await,
    };
    let mut life = Life {
        shared,
        wanted,
        pod,
        reporter: Reporter::new(),
        state: waiting("ContainerCreating", String::new()),
        last: None,
        restarts: 0,
        back_off: Duration::ZERO,
    };
    while !life.is_deleted() {
        life.report().await;
        match life.start().await {
            Ok(probes) => {
                life.run(probes).await;
                if life.is_deleted() {
                    break;
                }
                life.wait_before_restart().await;
            }
            Err(error) => {
                life.state = waiting("CreateContainerError", format!("{error:#}"));
                life.report().await;
                life.pause(RETRY_AFTER).await;
            }
        }
    }
    life.end().await;
}

struct Life {
    shared: Arc<Shared>,
    wanted: Wanted,
    pod: watch::Receiver<Option<Arc<Pod>>>,
    reporter: Reporter,
    state: State,
    last: Option<Exit>,
    restarts: i32,
    back_off: Duration,
}

impl Life {
    fn is_deleted(&self) -> bool {
        let pod = self.pod.borrow();
        pod.as_ref()
            .is_none_or(|pod| pod.metadata.deletion_timestamp.is_some())
    }

    async fn start(&mut self) -> Result<Probes> {
        let environment = environment(&self.shared, &self.wanted).await?;
        let sources = volumes(&self.shared, &self.wanted).await?;
        let command = command(&self.shared, &self.wanted, &sources, &environment)?;
        let address = self.shared.addresses.of(&self.wanted.name)?;
        let probes = Probes::of(&self.wanted.container, address)?;
        let processes = &self.shared.processes;
        processes.spawn(&self.wanted.uid, &self.wanted.name, command)?;
        Ok(probes)
    }

    /// Until the process ends or the pod is deleted.
    async fn run(&mut self, mut probes: Probes) {
        let since = now();
        loop {
            if self.reap(&since) || self.is_deleted() {
                return;
            }
            let health = probes.step().await;
            let ready = health.ready;
            self.state = State::Running {
                since: since.clone(),
                started: health.started,
                ready,
                complaint: probes.complaint.clone().filter(|_| !ready),
            };
            self.report().await;
            if !health.alive {
                self.stop_unhealthy(&since, probes.complaint.as_deref(), health)
                    .await;
                return;
            }
            self.pause(LOOK_EVERY).await;
        }
    }

    /// Takes note of the exit of the process; true if there is none left.
    fn reap(&mut self, since: &Time) -> bool {
        let exit = match self.shared.processes.take_exit(&self.wanted.uid) {
            Ok(Some(exit)) => exit,
            Ok(None) => return !self.shared.processes.has(&self.wanted.uid),
            Err(error) => {
                self.note(&format!("{error:#}"));
                return false;
            }
        };
        self.note(&format!("ended: {exit}"));
        let exit = exit_of(exit, since.clone());
        self.state = State::Terminated(exit.clone());
        self.last = Some(exit);
        true
    }

    async fn stop_unhealthy(&mut self, since: &Time, complaint: Option<&str>, health: Health) {
        let why = complaint.unwrap_or_default();
        self.note(&format!("killed for its health: {health:?} {why}"));
        self.stop(since, grace_seconds(&self.wanted.pod)).await;
    }

    /// SIGTERM, then SIGKILL after `grace` seconds.
    async fn stop(&mut self, since: &Time, grace: u64) {
        self.shared.processes.terminate(&self.wanted.uid);
        let end = Instant::now() + Duration::from_secs(grace);
        while !self.reap(since) {
            if Instant::now() >= end {
                self.shared.processes.kill(&self.wanted.uid);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn wait_before_restart(&mut self) {
        self.report().await;
        let ran = self.last.as_ref().map_or(Duration::ZERO, |exit| {
            let ran = exit.finished.0.duration_since(exit.started.0);
            ran.try_into().unwrap_or(Duration::ZERO)
        });
        if ran >= RAN_WELL {
            self.back_off = Duration::ZERO;
        }
        let pause = self.back_off;
        self.back_off = (self.back_off * 2).clamp(BACK_OFF, BACK_OFF_MAX);
        self.restarts += 1;
        if !pause.is_zero() {
            let message = format!("back-off {} s restarting", pause.as_secs());
            self.state = waiting("CrashLoopBackOff", message);
            self.report().await;
        }
        let end = Instant::now() + pause;
        while Instant::now() < end && !self.is_deleted() {
            self.pause(end - Instant::now()).await;
        }
    }

    /// Stops the process and takes the object away.
    async fn end(&mut self) {
        let grace = self
            .pod
            .borrow()
            .as_ref()
            .map_or_else(|| grace_seconds(&self.wanted.pod), |pod| grace_seconds(pod));
        if self.shared.processes.has(&self.wanted.uid) {
            let since = match &self.state {
                State::Running { since, .. } => since.clone(),
                State::Waiting { .. } | State::Terminated(_) => now(),
            };
            self.stop(&since, grace).await;
            self.report().await;
        }
        self.note("ended for good");
        remove(&self.shared, &self.wanted.pod, &self.pod).await;
        let folder = self.shared.pod_folder(&self.wanted.uid);
        // Never set up, or left for the end of the whole stand-in.
        let _left = std::fs::remove_dir_all(folder);
    }

    async fn report(&mut self) {
        let last = self.last.as_ref();
        let sent = self
            .reporter
            .report(&self.shared, &self.wanted, &self.state, last, self.restarts)
            .await;
        if let Err(error) = sent {
            self.note(&format!("failed to report its status: {error}"));
        }
    }

    /// Waits, but no longer than until the pod changes.
    async fn pause(&mut self, at_most: Duration) {
        tokio::select! {
            () = tokio::time::sleep(at_most) => {}
            changed = self.pod.changed() => {
                if changed.is_err() {
                    // The stand-in is stopping; this task goes with it.
                    tokio::time::sleep(at_most).await;
                }
            }
        }
    }

    fn note(&self, text: &str) {
        self.shared.note(&format!("{}: {text}", self.wanted.name));
    }
}

/// Says in its status why a pod is not run, until it is deleted.
async fn refuse(
    shared: &Shared,
    pod: &Pod,
    mut updates: watch::Receiver<Option<Arc<Pod>>>,
    why: &str,
) {
    let name = pod.metadata.name.clone().unwrap_or_default();
    shared.note(&format!("{name}: refused: {why}"));
    let patch = serde_json::json!({
        "metadata": {"uid": pod.metadata.uid},
        "status": {"phase": "Failed", "reason": "NotSupported", "message": why},
    });
    let pods = Api::<Pod>::namespaced(shared.client.clone(), &shared.namespace);
    let patch = kube::api::Patch::Strategic(patch);
    if let Err(error) = pods.patch_status(&name, &Default::default(), &patch).await {
        shared.note(&format!("{name}: failed to report its status: {error}"));
    }
    let gone = |pod: &Option<Arc<Pod>>| {
        pod.as_ref()
            .is_none_or(|pod| pod.metadata.deletion_timestamp.is_some())
    };
    // An error means that the stand-in is stopping.
    if updates.wait_for(gone).await.is_ok() {
        remove(shared, pod, &updates).await;
    }
}

/// Takes the object away, as a kubelet does when nothing of the pod runs any more.
async fn remove(shared: &Shared, pod: &Pod, updates: &watch::Receiver<Option<Arc<Pod>>>) {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(shared.client.clone(), &shared.namespace);
    let delete = DeleteParams {
        preconditions: Some(Preconditions {
            uid: pod.metadata.uid.clone(),
            ..Preconditions::default()
        }),
        ..DeleteParams::default().grace_period(0)
    };
    while updates.borrow().is_some() {
        match pods.delete(&name, &delete).await.map(drop) {
            Ok(()) => return,
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
            Err(error) => {
                shared.note(&format!("{name}: failed to remove it: {error}"));
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

fn waiting(reason: &'static str, message: String) -> State {
    State::Waiting { reason, message }
}

fn exit_of(status: ExitStatus, started: Time) -> Exit {
    let signal = status.signal();
    Exit {
        code: status
            .code()
            .or(signal.map(|signal| 128 + signal))
            .unwrap_or(-1),
        signal,
        started,
        finished: now(),
    }
}
