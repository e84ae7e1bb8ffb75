//! What the node pods are to the API server, and what they may do there: look at their own Cluster's objects by
//! name, and write the status of its ClusterNodes. (That a node writes only its own is pinned by a policy of the
//! chart, since a Role cannot tell pods of one ServiceAccount apart.)

use crds::names;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject as Grantee};

use super::all::Wanted;

/// The ServiceAccount.
pub fn service_account(wanted: &Wanted) -> ServiceAccount {
    ServiceAccount {
        metadata: wanted.metadata(names::node_account(&wanted.subject.name)),
        ..ServiceAccount::default()
    }
}

/// The Role.
pub fn role(wanted: &Wanted) -> Role {
    let cluster = &wanted.subject.name;
    let nodes: Vec<String> = wanted.node_names().map(str::to_owned).collect();
    let rule = |group: &str, resource: &str, verbs: &[&str], named: Vec<String>| PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        resource_names: Some(named),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        non_resource_urls: None,
    };
    let look = ["get", "list", "watch"];
    let mut rules = vec![rule(
        "",
        "configmaps",
        &look,
        vec![names::config_map(cluster)],
    )];
    // Without names a rule would mean every ClusterNode there is.
    if !nodes.is_empty() {
        rules.push(rule("kluster.dev", "clusternodes", &look, nodes.clone()));
        rules.push(rule(
            "kluster.dev",
            "clusternodes/status",
            &["patch"],
            nodes,
        ));
    }
    Role {
        metadata: wanted.metadata(names::node_account(cluster)),
        rules: Some(rules),
    }
}

/// The tie between the two.
pub fn role_binding(wanted: &Wanted) -> RoleBinding {
    let name = names::node_account(&wanted.subject.name);
    RoleBinding {
        metadata: wanted.metadata(name.clone()),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "Role".to_owned(),
            name: name.clone(),
        },
        subjects: Some(vec![Grantee {
            api_group: None,
            kind: "ServiceAccount".to_owned(),
            name,
            namespace: Some(wanted.subject.namespace.clone()),
        }]),
    }
}
