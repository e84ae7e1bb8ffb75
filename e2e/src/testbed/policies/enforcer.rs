//! Carries the rules into the kernel.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Client;
use kube::api::{Api, ListParams};

use super::super::layout::{Layout, Node};
use super::super::shell::feed;
use super::super::{network, watching};
use super::rules::{World, rules};

/// Name of the enforcer's daemon.
pub const ENFORCER: &str = "policies";

/// Enforces the policies of the test-bed of that layout until the process is killed.
///
/// # Errors
/// When the kubeconfig cannot be used. What fails later is written to the log and tried again.
pub async fn serve(layout: &Layout) -> Result<()> {
    let client = watching::client(layout, ENFORCER).await?;
    let changes = vec![
        watching::changes::<Namespace>(&client),
        watching::changes::<Pod>(&client),
        watching::changes::<NetworkPolicy>(&client),
    ];
    let mut in_force = BTreeMap::new();
    watching::look_on_change(changes, async || {
        let world = look(&client).await?;
        for node in layout.all_nodes() {
            let wanted = rules(&world, &node.name);
            if in_force.get(&node.name) != Some(&wanted) {
                load(&node, &wanted)?;
                in_force.insert(node.name, wanted);
            }
        }
        Ok(false)
    })
    .await
}

async fn look(client: &Client) -> Result<World> {
    let all = ListParams::default();
    let namespaces = Api::<Namespace>::all(client.clone());
    let pods = Api::<Pod>::all(client.clone());
    let policies = Api::<NetworkPolicy>::all(client.clone());
    let (namespaces, pods, policies) =
        tokio::try_join!(namespaces.list(&all), pods.list(&all), policies.list(&all))
            .context("failed to list pods and policies")?;
    Ok(World {
        namespaces: namespaces.items,
        pods: pods.items,
        policies: policies.items,
    })
}

fn load(node: &Node, rules: &str) -> Result<()> {
    let command = ["nft", "--file", "-"].map(str::to_owned);
    let args = network::within(&node.namespace).into_iter().chain(command);
    feed(Path::new("nsenter"), args, rules)
        .with_context(|| format!("failed to load the rules of {}", node.name))?;
    println!("{}: {} lines", node.name, rules.lines().count());
    Ok(())
}
