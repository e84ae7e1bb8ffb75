//! The chart, rendered by helm and applied object by object.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::commands::Commands;
use e2e::tools::{self, Cache, HELM};
use e2e::wait;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt, discovery};
use serde::Deserialize;
use serde_json::{Value, json};

use super::stand::chart as chart_folder;

/// Name under which a client may speak of the metrics port of one pod; here pods share a network.
const POD_IP: &str = "POD_IP";
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// Installs the chart into the namespace, for Clusters of this namespace alone.
pub async fn chart(client: &Client, namespace: &str) -> Result<()> {
    let rendered = render(namespace, &["--set", "scope=Namespace"])?;
    for document in serde_yaml_ng::Deserializer::from_str(&rendered) {
        let mut object = Value::deserialize(document).context("helm renders YAML")?;
        if object.is_null() {
            continue;
        }
        if object["kind"] == "Deployment" {
            listen_on_own_address(&mut object);
        }
        apply(client, namespace, object).await?;
    }
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for name in ["clusters.kluster.dev", "clusternodes.kluster.dev"] {
        wait::until(
            "the definitions are established",
            ESTABLISHED_WITHIN,
            async || {
                let status = definitions.get(name).await?.status.unwrap_or_default();
                let mut conditions = status.conditions.into_iter().flatten();
                Ok(conditions.any(|c| c.type_ == "Established" && c.status == "True"))
            },
        )
        .await?;
    }
    Ok(())
}

/// What helm makes of the chart with these arguments.
pub fn render(namespace: &str, arguments: &[&str]) -> Result<String> {
    let fixed = ["template", "kluster", "--namespace", namespace];
    helm(&[&fixed, arguments].concat())
}

/// Has helm look over the chart; fails with what it finds.
pub fn lint(arguments: &[&str]) -> Result<()> {
    helm(&[&["lint", "--strict"], arguments].concat()).map(drop)
}

/// Runs helm on the chart. None of this asks an API server, so no kubeconfig is needed.
fn helm(arguments: &[&str]) -> Result<String> {
    let cache = Cache::from_environment()?;
    tools::ensure(&cache, &HELM, HELM.programs)?;
    let chart = chart_folder();
    let chart = chart.to_string_lossy();
    let arguments = [arguments, &[&*chart]].concat();
    Commands::new(Path::new("/dev/null").to_owned())?.ask("helm", &arguments)
}

/// The chart's operators listen on all addresses, each in a network of its own. Here they share one.
fn listen_on_own_address(deployment: &mut Value) {
    let variables = &mut deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let variables = variables
        .as_array_mut()
        .expect("the operator has variables");
    for variable in variables.iter_mut() {
        if variable["name"] == "METRICS_ADDRESS" {
            variable["value"] = json!(format!("$({POD_IP}):2112"));
        }
    }
    let own = json!({"name": POD_IP, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}});
    variables.insert(0, own);
}

async fn apply(client: &Client, namespace: &str, object: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    let types = object.types.clone().context("an object has a kind")?;
    let kind = GroupVersionKind::try_from(&types)?;
    let (resource, capabilities) = discovery::pinned_kind(client, &kind)
        .await
        .with_context(|| format!("failed to find {}", types.kind))?;
    let api: Api<DynamicObject> = match capabilities.scope {
        discovery::Scope::Cluster => Api::all_with(client.clone(), &resource),
        discovery::Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let name = object.name_any();
    api.patch(
        &name,
        &PatchParams::apply("helm").force(),
        &Patch::Apply(&object),
    )
    .await
    .with_context(|| format!("failed to install {} {name}", types.kind))?;
    Ok(())
}
