//! The arrows between the rooms are those of the plan, and the pure rooms stay pure.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Every arrow that may exist: a room and the rooms it may name. Tests (dev-dependencies) are free.
const ARROWS: &[(&str, &[&str])] = &[
    ("crds", &[]),
    ("e2e", &["crds", "node-api"]),
    ("node-agent", &["crds", "node-api"]),
    ("node-api", &[]),
    ("node-ctl", &["node-api"]),
    (
        "node-daemon",
        &[
            "node-agent",
            "node-api",
            "node-disk",
            "node-host",
            "node-replication",
            "node-server",
            "node-storage",
        ],
    ),
    ("node-disk", &["node-host", "node-storage"]),
    ("node-engines", &["node-storage"]),
    ("node-host", &[]),
    ("node-replication", &["node-host"]),
    (
        "node-server",
        &[
            "node-api",
            "node-engines",
            "node-host",
            "node-replication",
            "node-storage",
        ],
    ),
    (
        "node-sim",
        &[
            "crds",
            "node-agent",
            "node-api",
            "node-engines",
            "node-host",
            "node-replication",
            "node-server",
            "node-storage",
        ],
    ),
    ("node-storage", &[]),
    ("operator", &["crds"]),
];

/// What must not be anywhere below a room, directly or not.
const NEVER_BELOW: &[(&str, &[&str])] = &[
    (
        "node-engines",
        &["tokio", "openraft", "rand", "http", "hyper", "kube"],
    ),
    ("node-storage", &["tokio", "openraft", "kube"]),
    ("node-replication", &["kube", "axum", "tonic"]),
    ("node-server", &["kube"]),
    ("node-ctl", &["kube", "openraft"]),
    ("operator", &["openraft", "tonic"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .exec()
        .expect("cargo metadata answers in a checkout that builds")
}

#[test]
fn rooms_name_only_the_rooms_the_plan_allows() {
    let metadata = metadata();
    let rooms: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    let planned: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(room, to)| (*room, to.iter().copied().collect()))
        .collect();
    assert_eq!(
        rooms,
        planned.keys().copied().collect(),
        "rooms of the workspace against the plan"
    );

    for package in metadata.workspace_packages() {
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal)
        {
            let to = dependency.name.as_str();
            let allowed = !rooms.contains(to) || planned[package.name.as_str()].contains(to);
            assert!(
                allowed,
                "{} must not depend on {to}: the plan has no such arrow",
                package.name
            );
        }
    }
}

#[test]
fn pure_rooms_have_nothing_of_the_world_below_them() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("cargo metadata resolves");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let name = |id| metadata[id].name.as_str();

    for (room, never) in NEVER_BELOW {
        let start = metadata
            .workspace_packages()
            .into_iter()
            .find(|p| p.name.as_str() == *room)
            .unwrap();
        let mut seen = BTreeSet::new();
        let mut queue = vec![&start.id];
        while let Some(id) = queue.pop() {
            if !seen.insert(id) {
                continue;
            }
            assert!(
                !never.contains(&name(id)),
                "{room} must not have {} below it",
                name(id)
            );
            let normal = nodes[id]
                .deps
                .iter()
                .filter(|d| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
            queue.extend(normal.map(|d| &d.pkg));
        }
    }
}
