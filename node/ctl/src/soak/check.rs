//! The check at the end: every node is asked for every acknowledged write, and for its digest.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use node_api::{Consistency, Data};
use serde::Serialize;
use serde_json::Value;

use super::writer::{Written, key, value};
use crate::arguments::Soak;

/// Keys asked for at once.
const PAGE: usize = 500;
/// How long a node may take to answer, and all of them to come to one position.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How often they are asked.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// What one node had.
#[derive(Debug, Serialize)]
pub struct NodeReport {
    /// Where it was asked.
    pub address: String,
    /// Acknowledged writes that it lacks, or has with another value.
    pub missing: u64,
}

/// Asks every member of the cluster; whether the digests of all agree comes second.
///
/// # Errors
/// When a member cannot be asked.
pub async fn every_node(soak: &Soak, written: &Written) -> Result<(Vec<NodeReport>, bool)> {
    let addresses = patiently(async || members(soak).await).await?;
    let mut nodes = Vec::new();
    for address in &addresses {
        let missing = patiently(async || missing(address, soak, written).await).await;
        let missing = missing.with_context(|| format!("failed to check {address}"))?;
        nodes.push(NodeReport {
            address: address.clone(),
            missing,
        });
    }
    let agree = patiently(async || digests_agree(&addresses).await).await?;
    Ok((nodes, agree))
}

/// Asks again for a while: a node that was just restarted answers once it has caught up.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match ask().await {
            Err(_) if start.elapsed() < ANSWER_WITHIN => tokio::time::sleep(ASK_EVERY).await,
            answer => return answer,
        }
    }
}

/// HTTP listeners of all members: the hosts their peers know, and the port that we wrote to.
async fn members(soak: &Soak) -> Result<Vec<String>> {
    let port = soak
        .url
        .trim_end_matches('/')
        .rsplit_once(':')
        .map_or("8080", |(_, port)| port);
    let cluster = Data::new(&soak.url)?.cluster().await?;
    let members = cluster
        .get("members")
        .and_then(Value::as_array)
        .context("GET /cluster lists no members")?;
    let host = |member: &Value| {
        let address = member.get("peer_address")?.as_str()?;
        Some(format!("http://{}:{port}", address.rsplit_once(':')?.0))
    };
    let addresses: Option<Vec<String>> = members.iter().map(host).collect();
    addresses.context("GET /cluster lists a member without an address")
}

/// Reads all keys of the writer from one node, at least as fresh as the last acknowledged write.
async fn missing(address: &str, soak: &Soak, written: &Written) -> Result<u64> {
    let mut data = Data::new(address)?;
    let fresh = Consistency::Session(written.position.clone());
    let mut found: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut from = None;
    loop {
        let page = data
            .list(soak.prefix.as_bytes(), from.as_deref(), PAGE, &fresh)
            .await?;
        for item in page.items {
            if let (Some(key), Some(value)) = (item.key.bytes(), item.value.bytes()) {
                found.insert(key, value);
            }
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let has = |number: &&u64| {
        found.get(key(&soak.prefix, **number).as_bytes()) == Some(&value(**number).into_bytes())
    };
    let there = written.acknowledged.iter().filter(has).count() as u64;
    Ok(written.acknowledged.len() as u64 - there)
}

/// Whether all nodes have the same digest at every index that all of them know.
async fn digests_agree(addresses: &[String]) -> Result<bool> {
    let mut values: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for address in addresses {
        for (index, value) in digests(address).await? {
            values.entry(index).or_default().push(value);
        }
    }
    let mut shared = values
        .values()
        .filter(|all| all.len() == addresses.len())
        .peekable();
    ensure!(
        shared.peek().is_some(),
        "the nodes know no digest at a common position: {values:?}"
    );
    Ok(shared.all(|all| all.iter().all(|value| all.first() == Some(value))))
}

/// The digests a node knows, by index.
async fn digests(address: &str) -> Result<BTreeMap<u64, String>> {
    let cluster = Data::new(address)?.cluster().await?;
    let all = cluster
        .get("digests")
        .and_then(Value::as_array)
        .context("GET /cluster lists no digests")?;
    let one = |digest: &Value| {
        Some((
            digest.get("index")?.as_u64()?,
            digest.get("value")?.as_str()?.to_owned(),
        ))
    };
    Ok(all.iter().filter_map(one).collect())
}
