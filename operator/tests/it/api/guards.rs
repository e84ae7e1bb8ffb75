//! The chart's guards against mistakes of people: definitions that nobody deletes by accident, and a warning where nodes
//! add no safety.

use anyhow::{Context, Result};
use crds::Cluster;
use e2e::wait;
use http::{Method, Request};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::client::Body;
use serde_json::{Value, json};

use super::stage::{Stage, WITHIN, manifest};

#[tokio::test]
async fn a_definition_is_deleted_by_nobody_who_did_not_say_so_first() -> Result<()> {
    let stage = Stage::set("guarded").await?;
    stage.apply(&manifest("demo", 3)).await?;
    let definitions = Api::<CustomResourceDefinition>::all(stage.client.clone());
    // What is asked is never done: other tests need the definitions.
    let only_asked = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    for name in ["clusters.kluster.dev", "clusternodes.kluster.dev"] {
        wait::until("the guard stands", WITHIN, async || {
            Ok(definitions.delete(name, &only_asked).await.is_err())
        })
        .await?;
        let Err(kube::Error::Api(refused)) = definitions.delete(name, &only_asked).await else {
            panic!("{name} could be deleted");
        };
        assert_eq!(refused.code, 403, "{}", refused.message);
        for said in [
            "deletes every Cluster of every namespace",
            &format!("kubectl annotate crd {name} kluster.dev/allow-deletion=true"),
        ] {
            assert!(refused.message.contains(said), "{}", refused.message);
        }
    }

    let one = ListParams::default().fields("metadata.name=clusternodes.kluster.dev");
    let many_at_once = definitions.delete_collection(&only_asked, &one).await;
    let refused = many_at_once.map(drop).unwrap_err().to_string();
    assert!(refused.contains("deletes every Cluster"), "{refused}");

    let name = "clusternodes.kluster.dev";
    for (allowed, deletable) in [(json!("true"), true), (Value::Null, false)] {
        let annotation =
            json!({ "metadata": { "annotations": { "kluster.dev/allow-deletion": allowed } } });
        definitions
            .patch(name, &PatchParams::default(), &Patch::Merge(annotation))
            .await?;
        let outcome = definitions.delete(name, &only_asked).await;
        assert_eq!(outcome.is_ok(), deletable, "{outcome:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_even_number_of_nodes_is_warned_of_and_never_refused() -> Result<()> {
    let stage = Stage::set("advised").await?;
    let four = "spec.replicas: 4 nodes go on taking writes without 1 of them, no more than 3 do; \
                5 go on without 2";
    wait::until("the advice stands", WITHIN, async || {
        Ok(
            !warnings(&stage.client, Method::POST, "", &manifest("advised", 4))
                .await?
                .is_empty(),
        )
    })
    .await?;
    for (nodes, said) in [
        (1, None),
        (2, Some("2 nodes go on taking writes without 0")),
        (3, None),
        (4, Some(four)),
        (8, None),
    ] {
        let warned = warnings(&stage.client, Method::POST, "", &manifest("advised", nodes)).await?;
        assert_eq!(warned.is_empty(), said.is_none(), "{nodes} nodes: {warned}");
        assert!(
            warned.contains(said.unwrap_or_default()),
            "{nodes} nodes: {warned}"
        );
    }
    stage.apply(&manifest("demo", 3)).await?;
    let scaled = json!({ "spec": { "replicas": 4 } });
    let warned = warnings(&stage.client, Method::PATCH, "/demo/scale", &scaled).await?;
    assert!(warned.contains(four), "{warned}");
    Ok(())
}

/// The warnings that the API server answers a request for Clusters with; nothing is done.
async fn warnings(client: &Client, method: Method, path: &str, body: &Value) -> Result<String> {
    let clusters = <Cluster as kube::Resource>::url_path(&(), Some("advised"));
    let merged = method == Method::PATCH;
    let request = Request::builder()
        .method(method)
        .uri(format!("{clusters}{path}?dryRun=All"))
        .header(
            "content-type",
            match merged {
                true => "application/merge-patch+json",
                false => "application/json",
            },
        )
        .body(Body::from(serde_json::to_vec(body)?))?;
    let answer = client.send(request).await?;
    let status = answer.status();
    anyhow::ensure!(status.is_success(), "answered {status}");
    let warnings = answer.headers().get_all("warning").iter();
    let warnings: Result<Vec<&str>, _> = warnings.map(|warning| warning.to_str()).collect();
    Ok(warnings.context("warnings are text")?.join("\n"))
}
