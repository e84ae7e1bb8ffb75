//! One namespace with the chart installed, an operator in this process, and hands that play kubelet and agents.

use std::time::Duration;

use anyhow::{Context, Result};
use crds::{Cluster, ClusterNode, Membership, labels, names};
use e2e::control_plane::{ControlPlane, Mark, Request};
use e2e::wait;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject};
use kube::{Client, ResourceExt};
use operator::config::{Config, LeaseConfig, Pace};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::bed::{OPERATOR, control_plane, install_chart};

/// How long anything may take on a busy machine.
pub const WITHIN: Duration = Duration::from_secs(60);

/// A namespace with the chart installed.
pub struct Stage {
    /// Where it is.
    pub control_plane: &'static ControlPlane,
    /// A client that may do everything.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
    /// Its Clusters.
    pub clusters: Api<Cluster>,
}

/// An operator in this process.
pub struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), operator::RunError>>,
}

impl Running {
    /// Has it end in good order.
    pub async fn stop(self) -> Result<()> {
        self.stop
            .send(())
            .ok()
            .context("the operator ended by itself")?;
        Ok(self.task.await??)
    }
}

impl Stage {
    /// A namespace of this name with the chart installed.
    pub async fn set(namespace: &str) -> Result<Stage> {
        let control_plane = control_plane().await?;
        let client = control_plane.client().await?;
        let named = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &named)
            .await?;
        install_chart(&client, namespace).await?;
        Ok(Stage {
            clusters: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            control_plane,
            client,
        })
    }

    /// Starts an operator with the chart's ServiceAccount.
    pub async fn operator(&self, identity: &str) -> Result<Running> {
        let access = self
            .control_plane
            .config_as(&self.namespace, OPERATOR)
            .await?;
        let config = Config {
            watch_namespace: Some(self.namespace.clone()),
            metrics_address: None,
            lease: Some(LeaseConfig::lasting(
                Duration::from_secs(6),
                &self.namespace,
                OPERATOR,
            )),
            identity: identity.to_owned(),
            pace: Pace::default(),
        };
        let (stop, stopped) = oneshot::channel();
        let client = operator::client(access)?;
        let stopped = async move { drop(stopped.await) };
        let task = tokio::spawn(operator::run(client, config, stopped));
        Ok(Running { stop, task })
    }

    /// Applies a manifest as a person does.
    pub async fn apply(&self, manifest: &Value) -> kube::Result<Cluster> {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        self.clusters
            .patch(
                name,
                &PatchParams::apply("kubectl").force(),
                &Patch::Apply(manifest),
            )
            .await
    }

    /// Creates an object as `kubectl create` does.
    pub async fn create(&self, manifest: Value) -> kube::Result<Cluster> {
        let cluster: DynamicObject =
            serde_json::from_value(manifest).map_err(kube::Error::SerdeError)?;
        let api = Api::<DynamicObject>::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &ApiResource::erase::<Cluster>(&()),
        );
        let made = api.create(&PostParams::default(), &cluster).await?;
        made.try_parse()
            .map_err(|error| kube::Error::Service(error.into()))
    }

    /// The ClusterNodes as the agent in this pod reaches them: with the pod's own token and the rights it has.
    pub async fn agent(&self, cluster: &str, pod: &Pod) -> Result<Api<ClusterNode>> {
        let account = names::node_account(cluster);
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &self.namespace);
        let wanted = TokenRequest {
            spec: TokenRequestSpec {
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: Some(pod.name_any()),
                    uid: pod.uid(),
                }),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(&account, &PostParams::default(), &wanted)
            .await?;
        let token = answer
            .status
            .context("a token request is answered with a token")?
            .token;
        let mut access = self
            .control_plane
            .config_as(&self.namespace, &account)
            .await?;
        access.auth_info.token = Some(token.into());
        Ok(Api::namespaced(Client::try_from(access)?, &self.namespace))
    }

    /// Plays kubelet and agents until the Cluster is Ready and nothing is under way.
    pub async fn play_until_ready(&self, name: &str) -> Result<()> {
        let outcome = wait::until("the Cluster is ready", WITHIN, async || {
            self.play(name).await?;
            let cluster = self.clusters.get(name).await?;
            let status = cluster.status.clone().unwrap_or_default();
            let settled =
                condition(&cluster, "Ready").starts_with("True") && status.operation.is_none();
            Ok(settled && status.observed_generation == cluster.metadata.generation)
        });
        match outcome.await {
            Ok(()) => Ok(()),
            Err(error) => {
                Err(error.context(format!("{:#?}", self.clusters.get(name).await?.status)))
            }
        }
    }

    /// What every kubelet and agent would say now; said only where it is news.
    async fn play(&self, name: &str) -> Result<()> {
        let of_cluster = ListParams::default().labels(&format!("{}={name}", labels::CLUSTER));
        let nodes = Api::<ClusterNode>::namespaced(self.client.clone(), &self.namespace);
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        let list = nodes.list(&of_cluster).await?.items;
        let id = |index: usize| format!("{:016x}", index + 1);
        let formed = list.iter().any(|node| {
            let known = node
                .status
                .as_ref()
                .is_some_and(|status| status.cluster_id.is_some());
            known || node.spec.bootstrap.is_some()
        });
        let with = |membership: Membership| -> Vec<String> {
            let told = list
                .iter()
                .filter(|node| node.spec.membership == membership);
            told.filter_map(|node| node.spec.member_id.clone())
                .collect()
        };
        let (voters, learners) = (with(Membership::Voter), with(Membership::Learner));
        let all: Vec<_> = voters.iter().chain(&learners).cloned().collect();
        for (index, node) in list.iter().enumerate() {
            let Some(pod) = pods.get_opt(&node.name_any()).await? else {
                continue;
            };
            let leads = formed && index == 0;
            let mut status = json!({
                "memberId": id(index), "podUid": pod.uid(), "role": "Waiting", "term": 0, "ready": formed,
                "disk": { "usedPercent": 5, "class": "Ok" }, "version": "0.1.0",
            });
            if formed {
                let role = if leads { "Leader" } else { "Follower" };
                let open = voters.len() == list.len();
                let more = json!({
                    "clusterId": "c1".repeat(16), "role": role, "term": 1, "open": open, "commits": (open && role == "Leader").then_some(true),
                    "leaderId": id(0),
                });
                merge(&mut status, more);
            }
            if leads {
                merge(
                    &mut status,
                    json!({ "voters": voters, "learners": learners, "caughtUp": all, "peersReached": all }),
                );
            }
            let before = serde_json::to_value(&node.status)?;
            if status
                .as_object()
                .into_iter()
                .flatten()
                .any(|(key, value)| before.get(key) != Some(value))
            {
                let patch = Patch::Merge(json!({ "status": status }));
                let agent = self.agent(name, &pod).await?;
                agent
                    .patch_status(&node.name_any(), &PatchParams::default(), &patch)
                    .await?;
            }
            self.play_kubelet(&pods, &pod, formed).await?;
        }
        Ok(())
    }

    async fn play_kubelet(&self, pods: &Api<Pod>, pod: &Pod, ready: bool) -> Result<()> {
        let status = if ready { "True" } else { "False" };
        let conditions = pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        if conditions
            .iter()
            .any(|known| known.type_ == "Ready" && known.status == status)
        {
            return Ok(());
        }
        let patch = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": status }] } });
        pods.patch_status(
            &pod.name_any(),
            &PatchParams::default(),
            &Patch::Strategic(patch),
        )
        .await?;
        Ok(())
    }

    /// Waits until a condition of the Cluster reads `<status> <reason>`; returns its message.
    pub async fn until_condition(&self, name: &str, type_: &str, wanted: &str) -> Result<String> {
        let mut last = String::new();
        let what = format!("{type_} is {wanted}");
        let outcome = wait::until(&what, WITHIN, async || {
            last = condition(&self.clusters.get(name).await?, type_);
            Ok(last.starts_with(&format!("{wanted}: ")))
        });
        outcome
            .await
            .with_context(|| format!("{type_} was last {last}"))?;
        Ok(last)
    }

    fn is_operator(&self, request: &Request) -> bool {
        request.user == format!("system:serviceaccount:{}:{OPERATOR}", self.namespace)
    }

    /// The operator's writes since `mark`, the Lease apart.
    pub fn writes_since(&self, mark: Mark) -> Result<Vec<Request>> {
        let audit = self.control_plane.audit();
        audit.writes_since(mark, |request| {
            self.is_operator(request) && !request.is_lease()
        })
    }

    /// Waits until the operator has looked at the Cluster after `mark`, and has come to the end of that pass.
    pub async fn until_looked(&self, mark: Mark, passes: usize) -> Result<()> {
        wait::until("the operator has looked", WITHIN, async || {
            let requests = self.control_plane.audit().requests_since(mark)?;
            let ended = requests
                .iter()
                .filter(|request| self.is_operator(request))
                .filter(|request| {
                    request.verb == "list"
                        && request.resource == "statefulsets"
                        && request.code == Some(200)
                });
            Ok(ended.count() >= passes)
        })
        .await
    }
}

/// A condition as `<status> <reason>: <message>`; empty when it is not there.
pub fn condition(cluster: &Cluster, type_: &str) -> String {
    let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    let mut found = conditions.filter(|condition| condition.type_ == type_);
    found
        .next()
        .map(|found| format!("{} {}: {}", found.status, found.reason, found.message))
        .unwrap_or_default()
}

/// The smallest manifest.
pub fn manifest(name: &str, replicas: i32) -> Value {
    json!({
        "apiVersion": "kluster.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": name },
        "spec": { "image": "kluster:test", "replicas": replicas, "storage": { "size": "1Gi" } },
    })
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
