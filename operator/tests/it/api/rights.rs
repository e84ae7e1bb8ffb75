//! What a node may say to the API server: its Role names the objects of its own Cluster, and the chart's admission policy
//! pins a status to the token of the pod it is about.

use anyhow::Result;
use crds::{ClusterNode, names};
use e2e::wait;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::stage::{Stage, WITHIN, manifest};
use crate::bed::{self, OPERATOR};

#[tokio::test]
async fn a_node_reports_on_itself_alone_and_sees_its_own_cluster_alone() -> Result<()> {
    let stage = Stage::set("rights").await?;
    let operator = stage.operator("one").await?;
    stage.apply(&bed::manifest("demo", 3)).await?;
    stage.apply(&manifest("other", 1)).await?;
    stage.play_until_ready("demo").await?;
    stage.play_until_ready("other").await?;
    let everything = Api::<ClusterNode>::namespaced(stage.client.clone(), &stage.namespace);
    until_the_policy_holds(&everything).await?;

    let pods = Api::<Pod>::namespaced(stage.client.clone(), &stage.namespace);
    let agent = stage.agent("demo", &pods.get("demo-a-0").await?).await?;
    report(&agent, "demo-a-0", true).await?;
    let elsewhere = report(&agent, "demo-b-0", true).await;
    expect_forbidden(elsewhere, "written by the pod of that name alone");

    // The same ServiceAccount, but no pod.
    let account = names::node_account("demo");
    let access = stage.control_plane.config_as(&stage.namespace, &account);
    let unbound =
        Api::<ClusterNode>::namespaced(Client::try_from(access.await?)?, &stage.namespace);
    let no_pod = report(&unbound, "demo-a-0", true).await;
    expect_forbidden(no_pod, "written by the pod of that name alone");

    // What the Role does not name is neither written nor seen, and a wish is not a node's to write.
    let foreign = "other-default-0";
    everything.get(foreign).await?;
    expect_forbidden(report(&agent, foreign, true).await, foreign);
    expect_forbidden(agent.get(foreign).await, foreign);
    expect_forbidden(agent.list(&ListParams::default()).await, "cannot list");
    let named = ListParams::default().fields("metadata.name=demo-b-0");
    assert_eq!(agent.list(&named).await?.items.len(), 1);
    let wish = Patch::Merge(json!({ "spec": { "fenced": true } }));
    let params = PatchParams::default();
    let wished = agent.patch("demo-a-0", &params, &wish).await;
    expect_forbidden(wished, "cannot patch");
    operator.stop().await
}

/// Whether the operator may do `verb` to `resource` of `group` in its namespace.
async fn may(stage: &Stage, verb: &str, group: &str, resource: &str) -> Result<bool> {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, sub)) => (resource, Some(sub.to_owned())),
        None => (resource, None),
    };
    let asked = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!(
                "system:serviceaccount:{}:{OPERATOR}",
                stage.namespace
            )),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(stage.namespace.clone()),
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews = Api::<SubjectAccessReview>::all(stage.client.clone());
    let answer = reviews.create(&PostParams::default(), &asked).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[tokio::test]
async fn the_operator_cannot_destroy_data_nor_write_what_a_person_wants() -> Result<()> {
    let stage = Stage::set("operators-rights").await?;
    for (verb, group, resource) in [
        ("patch", "", "persistentvolumeclaims"),
        ("delete", "", "pods"),
        ("delete", "apps", "statefulsets"),
        ("patch", "kluster.dev", "clusters/status"),
    ] {
        assert!(
            may(&stage, verb, group, resource).await?,
            "{verb} {resource}"
        );
    }
    for (verb, group, resource) in [
        ("delete", "", "persistentvolumeclaims"),
        ("deletecollection", "", "persistentvolumeclaims"),
        ("create", "", "persistentvolumeclaims"),
        ("delete", "", "persistentvolumes"),
        ("deletecollection", "", "pods"),
        ("create", "", "pods"),
        ("create", "", "pods/exec"),
        ("deletecollection", "apps", "statefulsets"),
        ("list", "", "secrets"),
        ("patch", "", "secrets"),
        ("update", "", "secrets"),
        ("delete", "", "secrets"),
        ("patch", "kluster.dev", "clusters"),
        ("update", "kluster.dev", "clusters"),
        ("delete", "kluster.dev", "clusters"),
        ("delete", "", "namespaces"),
        (
            "delete",
            "apiextensions.k8s.io",
            "customresourcedefinitions",
        ),
        ("escalate", "rbac.authorization.k8s.io", "roles"),
        ("bind", "rbac.authorization.k8s.io", "roles"),
    ] {
        assert!(
            !may(&stage, verb, group, resource).await?,
            "{verb} {resource}"
        );
    }
    Ok(())
}

/// A new policy takes a moment to reach the API server's admission; until then this writes nothing.
async fn until_the_policy_holds(everything: &Api<ClusterNode>) -> Result<()> {
    wait::until("the policy holds", WITHIN, async || {
        Ok(report(everything, "demo-a-0", false).await.is_err())
    })
    .await?;
    let administrator = report(everything, "demo-a-0", false).await;
    expect_forbidden(administrator, "written by");
    Ok(())
}

/// Writes something into the node's status, or only asks whether it could be.
async fn report(nodes: &Api<ClusterNode>, name: &str, keep: bool) -> kube::Result<ClusterNode> {
    let params = PatchParams {
        dry_run: !keep,
        ..PatchParams::default()
    };
    let status = Patch::Merge(json!({ "status": { "version": "9.9.9" } }));
    nodes.patch_status(name, &params, &status).await
}

fn expect_forbidden<T: std::fmt::Debug>(outcome: kube::Result<T>, why: &str) {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            assert!(status.message.contains(why), "{}", status.message);
        }
        other => panic!("not forbidden: {other:?}"),
    }
}
