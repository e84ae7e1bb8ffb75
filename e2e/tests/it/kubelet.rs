//! The stand-in kubelet does with an ordinary StatefulSet what a kubelet does.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::control_plane::{ControlPlane, Controllers, Options};
use e2e::kubelet::{self, Kubelet};
use e2e::wait;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "default";

/// Counts its starts in its volume, writes down what it sees, and answers probes until SIGTERM.
const PROGRAM: &str = r#"
use IO::Socket::INET;
sub slurp { open my $f, "<", $_[0] or return "no $_[0]"; local $/; my $t = <$f>; $t =~ s/\s+$//; $t }
sub note { open my $f, ">>", $_[0] or die "$_[0]: $!"; print $f $_[1]; close $f }
note("/data/starts", "x");
open my $f, ">", "/data/seen" or die "$!";
my $token = slurp("/var/run/secrets/kubernetes.io/serviceaccount/token");
print $f join "\n", slurp("/etc/app/setting"), slurp("/etc/secret/word"), $ENV{NAME}, $ENV{ADDRESS}, $>,
  length($token) > 100 ? "token" : "no token", slurp("/etc/hosts") =~ /\Q$ENV{ADDRESS}\E/ ? "resolves" : "unknown",
  (open(my $x, ">", "/etc/app/new") ? "writable" : "read-only"), "";
close $f;
$SIG{TERM} = sub { note("/data/stopped", "x"); exit 0 };
my $s = IO::Socket::INET->new(LocalAddr => $ENV{KLUSTER_BIND_HOST}, LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die "$!";
while (my $c = $s->accept) {
  my $line = <$c>;
  my $good = -e "/data/sick" ? 0 : 1;
  print $c $good ? "HTTP/1.1 200 OK\r\n\r\nok" : "HTTP/1.1 503 Sick\r\n\r\nnot well"; close $c;
}
"#;

fn stateful_set() -> StatefulSet {
    serde_json::from_value(json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "serviceName": "web-peers",
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "nodeSelector": {"topology.kubernetes.io/zone": "b"},
                    "terminationGracePeriodSeconds": 5,
                    "securityContext": {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001},
                    "containers": [{
                        "name": "web",
                        "image": "none",
                        "command": ["perl", "-e", PROGRAM],
                        "env": [
                            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            {"name": "ADDRESS", "value": "$(NAME).web-peers.default.svc"},
                        ],
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1},
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": [
                            {"name": "data", "mountPath": "/data"},
                            {"name": "app", "mountPath": "/etc/app"},
                            {"name": "secret", "mountPath": "/etc/secret", "readOnly": true},
                        ],
                    }],
                    "volumes": [
                        {"name": "app", "configMap": {"name": "web"}},
                        {"name": "secret", "secret": {"secretName": "web", "defaultMode": 0o440}},
                    ],
                },
            },
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }],
        },
    }))
    .unwrap()
}

struct Bed {
    _control_plane: ControlPlane,
    kubelet: Kubelet,
    client: Client,
    pods: Api<Pod>,
}

impl Bed {
    async fn start() -> Result<Self> {
        let options = Options {
            controllers: Controllers::All,
            ..Options::default()
        };
        let control_plane = ControlPlane::start(options).await?;
        let client = control_plane.client().await?;
        let options = kubelet::Options {
            namespace: NAMESPACE.to_owned(),
            zones: vec!["a".to_owned(), "b".to_owned()],
            programs: Vec::new(),
        };
        Ok(Self {
            kubelet: Kubelet::start(&control_plane, options).await?,
            _control_plane: control_plane,
            pods: Api::namespaced(client.clone(), NAMESPACE),
            client,
        })
    }

    async fn until(&self, what: &str, condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let waited = wait::until(what, WITHIN, condition).await;
        match waited {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(self.kubelet.describe().await)),
        }
    }

    async fn ready(&self, name: &str, wanted: bool) -> Result<bool> {
        let Some(pod) = self.pods.get_opt(name).await? else {
            return Ok(false);
        };
        Ok(wanted == is_ready(&pod))
    }

    async fn create_all(&self) -> Result<()> {
        let map = json!({"metadata": {"name": "web"}, "data": {"setting": "on"}});
        let secret = json!({"metadata": {"name": "web"}, "stringData": {"word": "hush"}});
        let create = PostParams::default();
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), NAMESPACE);
        maps.create(&create, &serde_json::from_value(map)?).await?;
        let secrets = Api::<Secret>::namespaced(self.client.clone(), NAMESPACE);
        secrets
            .create(&create, &serde_json::from_value(secret)?)
            .await?;
        let sets = Api::<StatefulSet>::namespaced(self.client.clone(), NAMESPACE);
        sets.create(&create, &stateful_set()).await?;
        Ok(())
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    conditions
        .filter(|c| c.type_ == "Ready")
        .any(|c| c.status == "True")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn kubelet_runs_an_ordinary_stateful_set() -> Result<()> {
    let bed = Bed::start().await?;
    bed.create_all().await?;
    bed.until("both pods are ready", async || {
        Ok(bed.ready("web-0", true).await? && bed.ready("web-1", true).await?)
    })
    .await?;

    // What the program saw.
    let data = bed.kubelet.data_dir("web-1").await?;
    let seen = read(&data.join("seen"));
    let wanted =
        "on\nhush\nweb-1\nweb-1.web-peers.default.svc\n10001\ntoken\nresolves\nread-only\n";
    assert_eq!(seen, wanted, "{}", bed.kubelet.describe().await);
    let pod = bed.pods.get("web-1").await?;
    let (spec, status) = (pod.spec.clone().unwrap(), pod.status.clone().unwrap());
    assert_eq!(spec.node_name.as_deref(), Some("default-b"));
    let address = bed.kubelet.address("web-1")?.to_string();
    assert_eq!(status.pod_ip, Some(address));
    assert_ne!(data, bed.kubelet.data_dir("web-0").await?);

    // A sick program is not ready; a killed one is started again, on the same volume.
    std::fs::write(data.join("sick"), "")?;
    bed.until("web-1 is unready", async || bed.ready("web-1", false).await)
        .await?;
    std::fs::remove_file(data.join("sick"))?;
    bed.until("web-1 is ready", async || bed.ready("web-1", true).await)
        .await?;
    bed.kubelet.kill_pod("web-1")?;
    bed.until("web-1 runs again", async || {
        let status = bed.pods.get("web-1").await?.status.unwrap_or_default();
        let restarts = status.container_statuses.iter().flatten();
        Ok(restarts.map(|c| c.restart_count).sum::<i32>() == 1
            && bed.ready("web-1", true).await?
            && read(&data.join("starts")) == "xx")
    })
    .await?;

    // A deleted pod is asked to end, goes, and comes back to its volume and its address.
    let uid = pod.uid();
    bed.pods.delete("web-1", &DeleteParams::default()).await?;
    bed.until("web-1 came back", async || {
        let now = bed.pods.get_opt("web-1").await?;
        let other = now.is_some_and(|pod| pod.uid() != uid && is_ready(&pod));
        Ok(other && read(&data.join("starts")) == "xxx")
    })
    .await?;
    assert_eq!(read(&data.join("stopped")), "x");
    assert_eq!(bed.kubelet.data_dir("web-1").await?, data);
    Ok(())
}

#[tokio::test]
async fn kubelet_removes_what_is_deleted_and_leaves_no_process() -> Result<()> {
    let bed = Bed::start().await?;
    bed.create_all().await?;
    bed.until("web-1 is ready", async || bed.ready("web-1", true).await)
        .await?;
    let data = bed.kubelet.data_dir("web-1").await?;
    let processes: Vec<u32> = ["web-0", "web-1"]
        .iter()
        .filter_map(|name| bed.kubelet.process_id(name))
        .collect();
    let alive = |process: &u32| Path::new(&format!("/proc/{process}")).exists();
    assert_eq!(processes.iter().filter(|p| alive(p)).count(), 2);

    // A volume goes with its claim, and only with it.
    let sets = Api::<StatefulSet>::namespaced(bed.client.clone(), NAMESPACE);
    let down = Patch::Merge(json!({"spec": {"replicas": 1}}));
    sets.patch("web", &PatchParams::default(), &down).await?;
    bed.until("web-1 is gone", async || {
        Ok(bed.pods.get_opt("web-1").await?.is_none())
    })
    .await?;
    assert!(
        data.join("stopped").exists(),
        "{}",
        bed.kubelet.describe().await
    );
    let claims = Api::<PersistentVolumeClaim>::namespaced(bed.client.clone(), NAMESPACE);
    claims
        .delete("data-web-1", &DeleteParams::default())
        .await?;
    let volumes = Api::<PersistentVolume>::all(bed.client.clone());
    bed.until("the volume is gone", async || {
        Ok(volumes.list(&Default::default()).await?.items.len() == 1 && !data.exists())
    })
    .await?;

    let Bed {
        kubelet,
        _control_plane,
        ..
    } = bed;
    kubelet.stop().await.context("failed to stop")?;
    assert_eq!(processes.iter().filter(|p| alive(p)).count(), 0);
    Ok(())
}
