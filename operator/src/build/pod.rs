//! The pod template: ours, then the overlay of the spec, then again what must be ours for a node to be a node.

use std::collections::BTreeMap;

use crds::{labels, names};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource,
    HTTPGetAction, KeyToPath, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec,
    Probe, ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext,
    TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::all::Origin;
use super::kv;
use crate::resource::{CONTAINER, hash};
use crate::validate::{ZoneWanted, merge};

/// Clients speak HTTP here.
pub const HTTP_PORT: i32 = 8080;
/// Clients of etcd speak here. No container says so, as those of 0.1.0 did not: a name there would restart every node.
pub const ETCD_PORT: i32 = 2379;
/// The administration of one node.
pub const ADMIN_PORT: i32 = 6357;
/// Nodes speak to each other here.
pub const PEER_PORT: i32 = 6356;
/// Metrics, liveness and readiness.
pub const METRICS_PORT: i32 = 2112;
/// Where the volume is mounted.
pub const DATA_DIR: &str = "/data";
/// Where the config file is mounted.
pub const CONFIG_DIR: &str = "/etc/kluster/config";
/// Where the cluster key is mounted.
pub const KEY_DIR: &str = "/etc/kluster/key";

/// Annotation of pods: `spec.updates.restartedAt`, whose every change makes them anew.
const RESTARTED_AT: &str = "kluster.dev/restarted-at";
const ADVERTISE_HOST: &str = "KLUSTER_ADVERTISE_HOST";
const CONFIG_VOLUME: &str = "config";
const KEY_VOLUME: &str = "key";
const USER: i64 = 65532;
const GRACE_SECONDS: i64 = 30;

/// A rendered pod template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// As it is sent.
    pub object: Value,
    /// Hash of all that only a new pod can take over: the template and the config file.
    pub hash: String,
}

/// The template of the pods of `zone`, which read `config`.
pub fn template(origin: Origin, zone: &ZoneWanted, config: &str) -> Template {
    let ours = own(origin, zone);
    let mut object =
        serde_json::to_value(&ours).expect("a pod template is JSON: its keys are text");
    merge(&mut object, &origin.validated.overlay);
    give_back(origin, &mut object);
    merge(&mut object, &firm(origin, zone));
    let hash = hash(&json!([object, config]));
    merge(
        &mut object,
        &json!({ "metadata": { "annotations": { labels::RESTART_HASH: hash } } }),
    );
    Template { object, hash }
}

/// Takes out of the overlaid template whatever has the name of something of ours, so that [`firm`] puts it back whole.
fn give_back(origin: Origin, object: &mut Value) {
    let secrets = kv::mounted(&origin.validated.kv);
    let volumes: Vec<Value> = [CONFIG_VOLUME, KEY_VOLUME, names::DATA_VOLUME]
        .into_iter()
        .chain(secrets.iter().map(|secret| secret.volume))
        .map(Value::from)
        .collect();
    take(object.pointer_mut("/spec/volumes"), "name", &volumes);
    let containers = object
        .pointer_mut("/spec/containers")
        .and_then(Value::as_array_mut);
    let node = containers.and_then(|all| {
        all.iter_mut()
            .find(|one| one.get("name") == Some(&CONTAINER.into()))
    });
    let Some(node) = node else { return };
    let variables = ["POD_NAME", "POD_UID", ADVERTISE_HOST].map(Value::from);
    let ports = [HTTP_PORT, ADMIN_PORT, PEER_PORT, METRICS_PORT].map(Value::from);
    let folders: Vec<Value> = [DATA_DIR, CONFIG_DIR, KEY_DIR]
        .into_iter()
        .chain(secrets.iter().map(|secret| secret.folder))
        .map(Value::from)
        .collect();
    take(node.get_mut("env"), "name", &variables);
    take(node.get_mut("ports"), "containerPort", &ports);
    take(node.get_mut("volumeMounts"), "mountPath", &folders);
}

fn take(list: Option<&mut Value>, by: &str, keys: &[Value]) {
    if let Some(Value::Array(items)) = list {
        items.retain(|item| !item.get(by).is_some_and(|key| keys.contains(key)));
    }
}

/// What no overlay takes away: labels, identity, volumes, ports.
fn firm(origin: Origin, zone: &ZoneWanted) -> Value {
    let cluster = &origin.subject.name;
    let mut spec = json!({
        "serviceAccountName": names::node_account(cluster),
        "volumes": volumes(origin),
        "containers": [{
            "name": CONTAINER,
            "env": environment(origin),
            "ports": ports(),
            "volumeMounts": mounts(origin),
        }],
    });
    if !zone.node_selector.is_empty() {
        merge(&mut spec, &json!({ "nodeSelector": zone.node_selector }));
    }
    json!({ "metadata": { "labels": labels::zoned(cluster, &zone.name) }, "spec": spec })
}

fn own(origin: Origin, zone: &ZoneWanted) -> PodTemplateSpec {
    let cluster = &origin.subject.name;
    let scheduling = &origin.validated.scheduling;
    let restarted_at = origin.validated.restarted_at.clone();
    let spread = match scheduling.topology_spread_constraints.is_empty() {
        true => vec![spread_over_hosts(cluster)],
        false => scheduling.topology_spread_constraints.clone(),
    };
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::zoned(cluster, &zone.name)),
            annotations: restarted_at.map(|at| BTreeMap::from([(RESTARTED_AT.to_owned(), at)])),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            containers: vec![container(origin)],
            volumes: Some(volumes(origin)),
            service_account_name: Some(names::node_account(cluster)),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(USER),
                run_as_group: Some(USER),
                fs_group: Some(USER),
                fs_group_change_policy: Some("OnRootMismatch".to_owned()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            affinity: scheduling.affinity.clone(),
            tolerations: Some(scheduling.tolerations.clone()).filter(|list| !list.is_empty()),
            priority_class_name: scheduling.priority_class_name.clone(),
            topology_spread_constraints: Some(spread),
            ..PodSpec::default()
        }),
    }
}

fn container(origin: Origin) -> Container {
    let resources = &origin.validated.resources;
    let some = |quantities: &BTreeMap<_, _>| {
        Some(quantities.clone()).filter(|quantities| !quantities.is_empty())
    };
    Container {
        name: CONTAINER.to_owned(),
        image: Some(origin.validated.image.clone()),
        command: Some(vec!["kluster-node".to_owned()]),
        args: Some(vec![
            "--config".to_owned(),
            format!("{CONFIG_DIR}/{}", names::CONFIG_FILE),
        ]),
        env: Some(environment(origin)),
        ports: Some(ports()),
        volume_mounts: Some(mounts(origin)),
        liveness_probe: Some(probe("/livez", 10, 5, 6)),
        readiness_probe: Some(probe("/readyz", 2, 2, 3)),
        startup_probe: Some(probe("/livez", 2, 2, 150)),
        resources: Some(ResourceRequirements {
            requests: some(&resources.requests),
            limits: some(&resources.limits),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn environment(origin: Origin) -> Vec<EnvVar> {
    let from = |name: &str, path: &str| EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
    };
    let service = names::peers_service(&origin.subject.name);
    let host = format!("$(POD_NAME).{service}.{}.svc", origin.subject.namespace);
    vec![
        from("POD_NAME", "metadata.name"),
        from("POD_UID", "metadata.uid"),
        EnvVar {
            name: ADVERTISE_HOST.to_owned(),
            value: Some(host),
            value_from: None,
        },
    ]
}

fn ports() -> Vec<ContainerPort> {
    [
        ("http", HTTP_PORT),
        ("admin", ADMIN_PORT),
        ("peers", PEER_PORT),
        ("metrics", METRICS_PORT),
    ]
    .into_iter()
    .map(|(name, number)| ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    })
    .collect()
}

fn mounts(origin: Origin) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only: Option<bool>| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    };
    let mut mounts = vec![
        mount(names::DATA_VOLUME, DATA_DIR, None),
        mount(CONFIG_VOLUME, CONFIG_DIR, Some(true)),
        mount(KEY_VOLUME, KEY_DIR, Some(true)),
    ];
    let secrets = kv::mounted(&origin.validated.kv);
    let secrets = secrets.iter();
    mounts.extend(secrets.map(|secret| mount(secret.volume, secret.folder, Some(true))));
    mounts
}

/// The volumes besides the data volume, which the StatefulSet adds.
fn volumes(origin: Origin) -> Vec<Volume> {
    let cluster = &origin.subject.name;
    let only = |key: &str| {
        Some(vec![KeyToPath {
            key: key.to_owned(),
            path: key.to_owned(),
            mode: None,
        }])
    };
    let secret = |name: &str, secret: &str, items: Option<Vec<KeyToPath>>| Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            items,
            default_mode: Some(0o440),
            optional: None,
        }),
        ..Volume::default()
    };
    let mut volumes = vec![
        Volume {
            name: CONFIG_VOLUME.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: names::config_map(cluster),
                items: only(names::CONFIG_FILE),
                default_mode: None,
                optional: None,
            }),
            ..Volume::default()
        },
        secret(
            KEY_VOLUME,
            &names::key_secret(cluster),
            only(names::CLUSTER_KEY),
        ),
    ];
    let named = kv::mounted(&origin.validated.kv);
    let named = named.iter();
    volumes.extend(named.map(|named| secret(named.volume, named.secret, None)));
    volumes
}

fn probe(path: &str, period: i32, timeout: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("metrics".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(timeout),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn spread_over_hosts(cluster: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(labels::selector(cluster)),
            match_expressions: None,
        }),
        ..TopologySpreadConstraint::default()
    }
}
