//! Who a Cluster is, whatever its spec says.

use crds::{Cluster, ClusterStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

/// Who a Cluster is, and what was last said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID: a Cluster of the same name made later is another.
    pub uid: String,
    /// Generation of its spec.
    pub generation: i64,
    /// True when it is being deleted.
    pub deleting: bool,
    /// The status it carries.
    pub status: ClusterStatus,
}

impl Subject {
    /// Who `cluster` is.
    pub fn of(cluster: &Cluster) -> Subject {
        Subject {
            name: cluster.name_any(),
            namespace: cluster.namespace().unwrap_or_default(),
            uid: cluster.uid().unwrap_or_default(),
            generation: cluster.metadata.generation.unwrap_or_default(),
            deleting: cluster.metadata.deletion_timestamp.is_some(),
            status: cluster.status.clone().unwrap_or_default(),
        }
    }

    /// The reference by which Kubernetes deletes an object together with this Cluster.
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: Cluster::api_version(&()).into_owned(),
            kind: Cluster::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }
}
