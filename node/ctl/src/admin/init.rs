//! Forming a cluster of plain processes, as the operator does it on Kubernetes: bootstrap one node, let the others join
//! as learners, and make each a voter once it is caught up.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use node_api::AdminClient;
use node_api::proto::{ChangeMemberRequest, Membership, NodeStatus};

/// How long the whole may take.
const WITHIN: Duration = Duration::from_secs(60);
/// How often the leader is asked.
const EVERY: Duration = Duration::from_millis(100);
/// The most members that vote.
const VOTERS_MAX: usize = 7;

/// Forms a cluster of the nodes at `addresses`.
pub async fn init(addresses: &[String], key: &[u8]) -> Result<()> {
    let mut nodes = Vec::new();
    for address in addresses {
        let node = AdminClient::connect(address, key).await;
        let node = node.with_context(|| format!("failed to speak to {address}"))?;
        let status = node.status().await?;
        let none = status.cluster_id.is_empty();
        ensure!(
            none,
            "{address} belongs to cluster {} already: nothing was changed",
            hex::encode(&status.cluster_id)
        );
        nodes.push((node, status));
    }
    let Some(((leader, first), others)) = nodes.split_first() else {
        bail!("no nodes were given")
    };
    let voters = nodes.len().min(VOTERS_MAX);
    let cluster = leader.bootstrap(first.member_id, voters as u32).await?;
    println!(
        "cluster {} is formed by {:016x}",
        hex::encode(cluster),
        first.member_id
    );

    let deadline = Instant::now() + WITHIN;
    for (number, (_, joining)) in others.iter().enumerate() {
        bring(leader, joining, Membership::Learner, 1, deadline).await?;
        println!("{:016x} joins", joining.member_id);
        if number + 1 < voters {
            bring(leader, joining, Membership::Voter, 2, deadline).await?;
            println!("{:016x} votes", joining.member_id);
        }
    }
    while !leader.status().await?.open {
        ensure!(
            Instant::now() < deadline,
            "the cluster accepts no writes yet; see `klusterctl members`"
        );
        tokio::time::sleep(EVERY).await;
    }
    println!("the cluster accepts writes");
    Ok(())
}

/// Repeats a wish for a member until the leader carries it out; the epoch makes the repetition harmless.
async fn bring(
    leader: &AdminClient,
    member: &NodeStatus,
    to: Membership,
    epoch: u64,
    deadline: Instant,
) -> Result<()> {
    loop {
        let now = leader.status().await?;
        let request = ChangeMemberRequest {
            member_id: member.member_id,
            membership: to.into(),
            peer_address: member.peer_address.clone(),
            key: member.public_key.clone(),
            epoch,
            expected_membership: now.membership,
        };
        let stands = |m: &node_api::proto::Member| m.id == member.member_id && m.epoch >= epoch;
        if now.members.iter().any(stands) {
            return Ok(());
        }
        if let Err(error) = leader.change_member(request).await
            && Instant::now() > deadline
        {
            return Err(error)
                .with_context(|| format!("failed to bring {:016x} in", member.member_id));
        }
        tokio::time::sleep(EVERY).await;
    }
}
