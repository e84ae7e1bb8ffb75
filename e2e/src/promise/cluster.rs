//! One Cluster under test, in a namespace of its own.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::place::{IMAGE, Place, TAG, make_namespace};
use crate::testbed::processes_of_pod;
use crate::wait;

/// Name of every Cluster under test; the namespace tells them apart.
const NAME: &str = "data";
/// Label of every namespace of a Cluster under test.
const UNDER_TEST: &str = "kluster.dev/under-test";
/// Longest wait for the status to tell of an election.
const ELECTED_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait for a Cluster to become what was asked for.
const READY_WITHIN: Duration = Duration::from_secs(240);

/// True where the Cluster's condition of that name is `True`.
pub fn holds(resource: &Value, condition: &str) -> bool {
    of_condition(resource, condition, "status") == Some("True")
}

/// The reason of the Cluster's condition of that name.
pub fn reason<'a>(resource: &'a Value, condition: &str) -> Option<&'a str> {
    of_condition(resource, condition, "reason")
}

/// The message of the Cluster's condition of that name.
pub fn message<'a>(resource: &'a Value, condition: &str) -> Option<&'a str> {
    of_condition(resource, condition, "message")
}

fn of_condition<'a>(resource: &'a Value, condition: &str, field: &str) -> Option<&'a str> {
    let all = resource.pointer("/status/conditions")?.as_array()?;
    let one = all
        .iter()
        .find(|one| one.get("type").is_some_and(|kind| kind == condition));
    one?.get(field)?.as_str()
}

/// Deletes what an earlier run left, and waits until it is gone: a Cluster that nobody looks after costs time, and its
/// budget keeps machines from being drained.
///
/// # Errors
/// When kubectl says so.
pub fn clear_leftovers(place: &Place) -> Result<()> {
    let delete = ["delete", "namespace", "-l", UNDER_TEST, "--timeout=180s"];
    place.commands.ask("kubectl", &delete)?;
    Ok(())
}

/// One Cluster under test. Its namespace goes when the test calls [`Cluster::clear`]; a failed test leaves it to look at.
pub struct Cluster {
    place: Place,
    namespace: String,
}

impl Cluster {
    /// A fresh namespace for a Cluster; what an earlier run left in it is deleted first.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn in_namespace(place: &Place, namespace: &str) -> Result<Self> {
        let cluster = Self {
            place: place.clone(),
            namespace: namespace.to_owned(),
        };
        cluster.delete_namespace(&["--timeout=120s"])?;
        make_namespace(&place.commands, namespace)?;
        cluster.kubectl(&["label", "namespace", namespace, &format!("{UNDER_TEST}=")])?;
        Ok(cluster)
    }

    /// Has the namespace and all in it go, which takes Kubernetes a quarter of a minute, and nobody waits for.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn clear(&self) -> Result<()> {
        self.delete_namespace(&["--wait=false"])
    }

    fn delete_namespace(&self, more: &[&str]) -> Result<()> {
        let delete = ["delete", "namespace", &self.namespace, "--ignore-not-found"];
        self.place
            .commands
            .ask("kubectl", &[&delete, more].concat())?;
        Ok(())
    }

    /// Namespace of the Cluster.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `kubectl` in the Cluster's namespace.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl_tell(arguments, "")
    }

    /// [`Cluster::kubectl`] with standard input.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn kubectl_tell(&self, arguments: &[&str], input: &str) -> Result<String> {
        let all: Vec<&str> = ["--namespace", &self.namespace]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        self.place.commands.tell("kubectl", &all, input)
    }

    /// Applies the manifest of a Cluster with zones a, b and c.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn apply(&self, replicas: u32) -> Result<()> {
        self.apply_with(replicas, &json!({}))
    }

    /// [`Cluster::apply`], with the fields of the spec that `more` has.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn apply_with(&self, replicas: u32, more: &Value) -> Result<()> {
        let zone = |name: &str| json!({"name": name, "nodeSelector": {"topology.kubernetes.io/zone": name}});
        let mut spec = json!({
            "image": format!("{IMAGE}:{TAG}"), "replicas": replicas, "storage": {"size": "1Gi"},
            "zones": [zone("a"), zone("b"), zone("c")],
        });
        if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
            spec.extend(more.clone());
        }
        let manifest = json!({
            "apiVersion": "kluster.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": NAME}, "spec": spec,
        });
        self.kubectl_tell(&["apply", "-f", "-"], &manifest.to_string())?;
        Ok(())
    }

    /// The resource as it stands.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn resource(&self) -> Result<Value> {
        let text = self.kubectl(&["get", "clusters.kluster.dev", NAME, "-o", "json"])?;
        serde_json::from_str(&text).context("failed to read kubectl's JSON")
    }

    /// Waits until the Cluster is Ready with exactly `nodes` nodes, all of them voters, and nothing is under way.
    ///
    /// # Errors
    /// After four minutes, with the Cluster and its nodes as they then are.
    pub async fn until_ready(&self, nodes: u64) -> Result<()> {
        let what = format!("Ready with {nodes} nodes");
        self.until(&what, |resource| {
            let count = |path: &str| resource.pointer(path).and_then(Value::as_u64);
            holds(resource, "Ready")
                && !holds(resource, "Progressing")
                && count("/status/observedGeneration") == count("/metadata/generation")
                && count("/status/replicas") == Some(nodes)
                && count("/status/readyReplicas") == Some(nodes)
                && count("/status/log/voters") == Some(nodes.min(7))
        })
        .await
    }

    /// Changes the spec, as a merge patch says.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn change(&self, spec: &Value) -> Result<()> {
        let patch = json!({ "spec": spec }).to_string();
        let cluster = format!("clusters.kluster.dev/{NAME}");
        self.kubectl(&["patch", &cluster, "--type=merge", "-p", &patch])?;
        Ok(())
    }

    /// Waits until `condition` holds of the resource as it stands.
    ///
    /// # Errors
    /// After four minutes, with the Cluster and its nodes as they then are.
    pub async fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Result<()> {
        let what = format!("{}: {what}", self.namespace);
        let waited = wait::until(&what, READY_WITHIN, async || {
            Ok(condition(&self.resource()?))
        });
        match waited.await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(self.picture())),
        }
    }

    /// Names of the nodes' pods.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn pods(&self) -> Result<Vec<String>> {
        self.of_pods(".metadata.name")
    }

    /// One field of each of the nodes' pods that has it, in the order of their names.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn of_pods(&self, path: &str) -> Result<Vec<String>> {
        let path = format!("jsonpath={{.items[*]{path}}}");
        let ours = ["get", "pods", "-l", "kluster.dev/cluster=data", "-o"];
        let values = self.kubectl(&[&ours[..], &[&path]].concat())?;
        Ok(values.split_whitespace().map(str::to_owned).collect())
    }

    /// One field of one object, by its JSON path; empty where either is missing.
    ///
    /// # Errors
    /// When kubectl says so.
    pub fn field(&self, object: &str, path: &str) -> Result<String> {
        let path = format!("jsonpath={{{path}}}");
        self.kubectl(&["get", object, "--ignore-not-found", "-o", &path])
    }

    /// What `klusterctl` in one node's pod says to a request of that same node.
    ///
    /// # Errors
    /// When it says so.
    pub fn ask_node(&self, pod: &str, arguments: &[&str]) -> Result<String> {
        let [verb, rest @ ..] = arguments else {
            bail!("no command for the node")
        };
        let start = ["exec", pod, "-c", "node", "--", "klusterctl", verb];
        let own = ["--http", "http://127.0.0.1:8080"];
        self.kubectl(&[&start[..], &own, rest].concat())
    }

    /// The value of a metric of the node in a pod; zero where it has none of that name.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub fn metric(&self, pod: &str, name: &str) -> Result<f64> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{pod}:2112/proxy/metrics",
            self.namespace
        );
        let told = self.kubectl(&["get", "--raw", &path])?;
        let value = told
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(Ok(0.0), |value| {
            value.trim().parse().context("failed to read a metric")
        })
    }

    /// Kills the node in a pod by SIGKILL; returns how many processes that were.
    fn kill_node(&self, pod: &str) -> Result<usize> {
        let uid = self.field(&format!("pod/{pod}"), ".metadata.uid")?;
        let found = processes_of_pod(&uid, "kluster-node")?;
        found.iter().try_for_each(|process| process.kill())?;
        Ok(found.len())
    }

    /// The pod that leads, as the Cluster's status has it.
    ///
    /// # Errors
    /// When there is none.
    pub fn leader(&self) -> Result<String> {
        let resource = self.resource()?;
        let leader = resource
            .pointer("/status/log/leader")
            .and_then(Value::as_str);
        Ok(leader
            .context("the Cluster's status names no leader")?
            .to_owned())
    }

    /// Kills the node that leads, as a crash does, and waits for the election that follows. The killed one may win it: it
    /// is back within a second, and its pod stays. Only where the pods' processes are this machine's.
    ///
    /// # Errors
    /// When nobody leads, nothing was killed, or nobody is elected.
    pub async fn crash_leader(&self) -> Result<()> {
        let (leader, term) = (self.leader()?, self.term()?);
        let killed = self.kill_node(&leader)?;
        ensure!(killed > 0, "no process of {leader} was found to be killed");
        wait::until("a node was elected", ELECTED_WITHIN, async || {
            Ok(self.term().is_ok_and(|now| now > term))
        })
        .await
    }

    /// The term of the leader, as the Cluster's status has it: it rises with each election, whoever wins it.
    fn term(&self) -> Result<u64> {
        let resource = self.resource()?;
        let term = resource.pointer("/status/log/term").and_then(Value::as_u64);
        term.context("the Cluster's status names no term")
    }

    /// The Cluster, its nodes and pods and the end of their logs, for a failure's message.
    fn picture(&self) -> String {
        let parts: [&[&str]; 4] = [
            &[
                "get",
                "clusters.kluster.dev,clusternodes,pods,statefulsets,pvc",
                "-o",
                "wide",
            ],
            &[
                "get",
                "clusters.kluster.dev",
                NAME,
                "-o",
                "jsonpath={.status}",
            ],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &[
                "logs",
                "-l",
                "kluster.dev/cluster=data",
                "--tail=12",
                "--prefix",
            ],
        ];
        let shown = parts.map(|arguments| {
            self.kubectl(arguments)
                .unwrap_or_else(|error| format!("{error:#}"))
        });
        shown.join("\n\n")
    }
}
