//! Labels and annotations by which Kluster knows its own objects.

use std::collections::BTreeMap;

/// Label: the Cluster that an object belongs to.
pub const CLUSTER: &str = "kluster.dev/cluster";
/// Label: the zone that an object belongs to.
pub const ZONE: &str = "kluster.dev/zone";
/// Label: who made the object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label: what the object is a part of.
pub const NAME: &str = "app.kubernetes.io/name";
/// Label: which instance it is a part of, the Cluster's name.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Value of [`MANAGED_BY`], and the field manager of the operator's writes.
pub const OPERATOR: &str = "kluster-operator";
/// Value of [`NAME`].
pub const APP: &str = "kluster";

/// Annotation: hash of the object as it was rendered.
pub const HASH: &str = "kluster.dev/hash";
/// Annotation of pods: hash of the pod template, the part that only a new pod can take over.
pub const RESTART_HASH: &str = "kluster.dev/restart-hash";
/// Annotation of a volume claim: the cluster whose data it holds.
pub const CLUSTER_ID: &str = "kluster.dev/cluster-id";
/// Annotation of a volume claim: the member whose data it holds.
pub const MEMBER_ID: &str = "kluster.dev/member-id";
/// Annotation of a volume claim: epoch of the last wish for its member, which outlives the ClusterNode.
pub const EPOCH: &str = "kluster.dev/epoch";
/// Annotation of a volume claim: its member was removed, its node is gone.
pub const RETIRED: &str = "kluster.dev/retired";

/// Labels by which the pods of a Cluster are selected.
pub fn selector(cluster: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(CLUSTER.to_owned(), cluster.to_owned())])
}

/// Labels of every object that the operator makes for a Cluster.
pub fn owned(cluster: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (CLUSTER.to_owned(), cluster.to_owned()),
        (INSTANCE.to_owned(), cluster.to_owned()),
        (MANAGED_BY.to_owned(), OPERATOR.to_owned()),
        (NAME.to_owned(), APP.to_owned()),
    ])
}

/// Labels of an object of one zone.
pub fn zoned(cluster: &str, zone: &str) -> BTreeMap<String, String> {
    let mut labels = owned(cluster);
    labels.insert(ZONE.to_owned(), zone.to_owned());
    labels
}
