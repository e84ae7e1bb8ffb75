//! The status of a pod, as a kubelet reports it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::core::v1::PodStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::containers::Wanted;
use super::shared::Shared;

/// What the container is doing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Waiting {
        reason: &'static str,
        message: String,
    },
    Running {
        since: Time,
        started: bool,
        ready: bool,
        complaint: Option<String>,
    },
    Terminated(Exit),
}

/// How the container ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exit {
    pub code: i32,
    pub signal: Option<i32>,
    pub started: Time,
    pub finished: Time,
}

/// Reports the status of one pod, and only what changed.
pub(super) struct Reporter {
    start: Time,
    sent: Option<(State, i32)>,
    conditions: BTreeMap<&'static str, (bool, Time)>,
}

impl Reporter {
    pub fn new() -> Self {
        Self {
            start: now(),
            sent: None,
            conditions: BTreeMap::new(),
        }
    }

    /// Sends the state unless it was sent already. A pod that is gone needs no report.
    pub async fn report(
        &mut self,
        shared: &Shared,
        wanted: &Wanted,
        state: &State,
        last: Option<&Exit>,
        restarts: i32,
    ) -> kube::Result<()> {
        if self.sent.as_ref() == Some(&(state.clone(), restarts)) {
            return Ok(());
        }
        let status = self.status(shared, wanted, state, last, restarts);
        let patch = json!({"metadata": {"uid": wanted.uid}, "status": status});
        let pods = Api::<Pod>::namespaced(shared.client.clone(), &shared.namespace);
        let patched: kube::Result<Pod> = pods
            .patch_status(
                &wanted.name,
                &PatchParams::default(),
                &Patch::Strategic(patch),
            )
            .await;
        match patched {
            Ok(_) => {}
            // Deleted by force, or even replaced: the uid is another's. Its watch event is on the way.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => return Err(error),
        }
        self.sent = Some((state.clone(), restarts));
        Ok(())
    }

    fn status(
        &mut self,
        shared: &Shared,
        wanted: &Wanted,
        state: &State,
        last: Option<&Exit>,
        restarts: i32,
    ) -> Value {
        let (started, ready) = match state {
            State::Running { started, ready, .. } => (*started, *ready),
            State::Waiting { .. } | State::Terminated(_) => (false, false),
        };
        let created = restarts > 0 || !matches!(state, State::Waiting { .. });
        let message = match state {
            State::Running {
                complaint,
                ready: false,
                ..
            } => complaint.clone(),
            _ => None,
        };
        let conditions: Vec<Value> = [
            ("PodReadyToStartContainers", created),
            ("Initialized", true),
            ("ContainersReady", ready),
            ("Ready", ready),
        ]
        .into_iter()
        .map(|(type_, holds)| self.condition(type_, holds, message.as_deref()))
        .collect();
        let address = shared.addresses.of(&wanted.name).ok();
        let address = address.filter(|_| created).map(|a| a.to_string());
        json!({
            "phase": if created { "Running" } else { "Pending" },
            "conditions": conditions,
            "hostIP": shared.addresses.node().to_string(),
            "podIP": address,
            "podIPs": address.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(),
            "startTime": self.start,
            "containerStatuses": [{
                "name": wanted.container.name,
                "image": wanted.container.image,
                "imageID": "",
                "ready": ready,
                "started": started,
                "restartCount": restarts,
                "state": state.render(),
                "lastState": last.map_or(json!({}), Exit::render),
            }],
        })
    }

    fn condition(&mut self, type_: &'static str, holds: bool, message: Option<&str>) -> Value {
        let entry = self.conditions.entry(type_).or_insert((holds, now()));
        if entry.0 != holds {
            *entry = (holds, now());
        }
        let ready = type_ == "Ready" || type_ == "ContainersReady";
        json!({
            "type": type_,
            "status": if holds { "True" } else { "False" },
            "lastTransitionTime": entry.1,
            "reason": (ready && !holds).then_some("ContainersNotReady"),
            "message": message.filter(|_| ready && !holds),
        })
    }
}

impl State {
    fn render(&self) -> Value {
        match self {
            Self::Waiting { reason, message } => {
                json!({"waiting": {"reason": reason, "message": message}, "running": null, "terminated": null})
            }
            Self::Running { since, .. } => {
                json!({"running": {"startedAt": since}, "waiting": null, "terminated": null})
            }
            Self::Terminated(exit) => exit.render(),
        }
    }
}

impl Exit {
    fn render(&self) -> Value {
        json!({"terminated": {
            "exitCode": self.code,
            "signal": self.signal,
            "reason": if self.code == 0 { "Completed" } else { "Error" },
            "startedAt": self.started,
            "finishedAt": self.finished,
        }, "waiting": null, "running": null})
    }
}

/// One line about a pod, for people.
pub(super) fn line(name: &str, status: &PodStatus) -> String {
    let container = status.container_statuses.iter().flatten().next();
    let ready = container.is_some_and(|c| c.ready);
    let restarts = container.map_or(0, |c| c.restart_count);
    let state = container.and_then(|c| c.state.as_ref());
    let waiting = state.and_then(|s| s.waiting.as_ref());
    let why = waiting.map(|w| {
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        format!(" {} {}", part(&w.reason), part(&w.message))
    });
    let unready: Vec<_> = status
        .conditions
        .iter()
        .flatten()
        .filter(|c| c.status != "True")
        .filter_map(|c| c.message.clone())
        .collect();
    format!(
        "{name}: {} ready={ready} restarts={restarts} {}{} {}",
        status.phase.as_deref().unwrap_or("?"),
        status.pod_ip.as_deref().unwrap_or("-"),
        why.unwrap_or_default(),
        unready.join("; "),
    )
}

/// The time as Kubernetes writes it.
pub(super) fn now() -> Time {
    Time(Timestamp::now())
}
