//! One ClusterNode: the wish for one node.

use crds::{ClusterNode, ClusterNodeSpec, labels, names};

use super::all::Wanted;
use crate::resource::{Kind, Resource};

/// The ClusterNode of the pod `name`.
pub fn cluster_node(wanted: &Wanted, name: &str, wish: &ClusterNodeSpec) -> Resource {
    let cluster = &wanted.subject.name;
    let mut metadata = wanted.metadata(name.to_owned());
    if let Some((zone, _)) = names::zone_and_ordinal(cluster, name) {
        metadata.labels = Some(labels::zoned(cluster, zone));
    }
    let node = ClusterNode {
        metadata,
        spec: wish.clone(),
        status: None,
    };
    Resource::seal(Kind::ClusterNode, &node)
}
