//! All objects of one Cluster, in the order in which they are written.

use std::collections::BTreeMap;

use crds::labels;
use kube::api::ObjectMeta;

use super::pod::Template;
use super::{claim, clusternode, configmap, networkpolicy, pdb, pod, rbac, service, statefulset};
use crate::plan::{ClaimWanted, View};
use crate::resource::{Kind, Resource};
use crate::validate::{Subject, Validated, ZoneWanted};

/// The pod template of each zone.
pub type Templates = BTreeMap<String, Template>;

/// What pod templates are rendered from: nothing that was observed ever restarts a pod.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The Cluster.
    pub subject: &'a Subject,
    /// Its spec.
    pub validated: &'a Validated,
}

impl Origin<'_> {
    /// The zone of that name; one that the spec does not list, whose volumes were retained, has no rules of its own.
    pub(super) fn zone(&self, name: &str) -> ZoneWanted {
        let listed = self.validated.zones.iter().find(|zone| zone.name == name);
        listed.cloned().unwrap_or_else(|| ZoneWanted {
            name: name.to_owned(),
            node_selector: BTreeMap::new(),
            storage_class: None,
        })
    }
}

/// The pod template of each of `zones`.
pub fn templates<'a>(origin: Origin, zones: impl Iterator<Item = &'a String>) -> Templates {
    let config = configmap::node_config(origin);
    zones
        .map(|name| {
            let template = pod::template(origin, &origin.zone(name), &config);
            (name.clone(), template)
        })
        .collect()
}

/// What objects are rendered from.
pub struct Wanted<'a> {
    /// The Cluster.
    pub subject: &'a Subject,
    /// Its spec.
    pub validated: &'a Validated,
    /// What was observed: sizes of volumes that can no longer change.
    pub view: &'a View<'a>,
    /// Nodes of each zone.
    pub layout: &'a BTreeMap<String, crate::plan::ZoneLayout>,
    /// What each ClusterNode says.
    pub wishes: &'a BTreeMap<String, crds::ClusterNodeSpec>,
    /// What the claims' annotations say.
    pub claims: &'a [ClaimWanted],
    /// The pod template of each zone.
    pub templates: &'a Templates,
}

impl Wanted<'_> {
    /// Metadata of an object of this Cluster: name, labels, owner.
    pub(super) fn metadata(&self, name: String) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.subject.namespace.clone()),
            labels: Some(labels::owned(&self.subject.name)),
            owner_references: Some(vec![self.subject.owner_reference()]),
            ..ObjectMeta::default()
        }
    }

    fn origin(&self) -> Origin<'_> {
        Origin {
            subject: self.subject,
            validated: self.validated,
        }
    }

    /// Names of all nodes.
    pub(super) fn node_names(&self) -> impl Iterator<Item = &str> {
        self.wishes.keys().map(String::as_str)
    }
}

/// Renders everything but the key.
pub fn all(wanted: &Wanted) -> Vec<Resource> {
    let origin = wanted.origin();
    let config = configmap::node_config(origin);
    let mut resources = vec![
        Resource::seal(Kind::ServiceAccount, &rbac::service_account(wanted)),
        Resource::seal(Kind::Role, &rbac::role(wanted)),
        Resource::seal(Kind::RoleBinding, &rbac::role_binding(wanted)),
        Resource::seal(Kind::ConfigMap, &configmap::config_map(wanted, &config)),
        Resource::seal(Kind::Service, &service::clients(wanted)),
        Resource::seal(Kind::Service, &service::peers(wanted)),
    ];
    resources.extend(
        networkpolicy::network_policy(wanted)
            .map(|policy| Resource::seal(Kind::NetworkPolicy, &policy)),
    );
    resources.extend(
        pdb::budget(wanted).map(|budget| Resource::seal(Kind::PodDisruptionBudget, &budget)),
    );
    resources.extend(
        wanted
            .claims
            .iter()
            .map(|claim| claim::annotations(wanted.subject, claim)),
    );
    resources.extend(
        wanted
            .wishes
            .iter()
            .map(|(name, wish)| clusternode::cluster_node(wanted, name, wish)),
    );
    let sets = wanted.layout.iter().filter_map(|(name, layout)| {
        let template = wanted.templates.get(name)?;
        let zone = origin.zone(name);
        Some(statefulset::stateful_set(
            wanted,
            &zone,
            layout.replicas,
            template,
        ))
    });
    resources.extend(sets);
    resources
}
