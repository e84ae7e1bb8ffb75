//! Forming a cluster of plain processes, as the operator does it on Kubernetes: bootstrap one node, let the others join
//! as learners, and make each a voter once it is caught up. What stopped half-way goes on when it is asked for again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use node_api::AdminClient;
use node_api::proto::{ChangeMemberRequest, Member, Membership, NodeStatus, Role};

use crate::output;

/// How long the whole may take.
const WITHIN: Duration = Duration::from_secs(60);
/// How often the leader is asked.
const EVERY: Duration = Duration::from_millis(100);
/// The most members that vote.
const VOTERS_MAX: usize = 7;

/// The nodes of the cluster to be, and until when it must stand.
struct Forming {
    nodes: Vec<(AdminClient, NodeStatus)>,
    voters: usize,
    deadline: Instant,
}

/// Forms a cluster of the nodes at `addresses`. A node that is in it already counts as done.
pub async fn init(addresses: &[String], key: &[u8]) -> Result<()> {
    let mut nodes = Vec::new();
    for address in addresses {
        let node = AdminClient::connect(address, key).await;
        let node = node.with_context(|| format!("failed to speak to {address}"))?;
        let status = node.status().await?;
        nodes.push((node, status));
    }
    let forming = Forming {
        voters: nodes.len().min(VOTERS_MAX),
        nodes,
        deadline: Instant::now() + WITHIN,
    };
    forming.found().await?;
    for (number, (_, joining)) in forming.nodes.iter().enumerate() {
        if forming.bring(joining, Membership::Learner).await? {
            output::line(format_args!("{:016x} joins", joining.member_id))?;
        }
        if number < forming.voters && forming.bring(joining, Membership::Voter).await? {
            output::line(format_args!("{:016x} votes", joining.member_id))?;
        }
    }
    forming.until_open().await?;
    output::line("the cluster accepts writes")?;
    Ok(())
}

impl Forming {
    /// Bootstraps the first node, unless the nodes have a cluster that was begun with as many.
    async fn found(&self) -> Result<()> {
        let found = self.nodes.iter().filter(|(_, s)| !s.cluster_id.is_empty());
        let clusters: BTreeSet<&[u8]> = found.clone().map(|(_, s)| s.cluster_id.as_ref()).collect();
        let names: Vec<String> = clusters.iter().map(hex::encode).collect();
        ensure!(
            names.len() < 2,
            "the nodes belong to several clusters already, {}: nothing was changed",
            names.join(", ")
        );
        if let Some(cluster) = names.first() {
            // A node that has not heard of the cluster's first entry yet says 0.
            let told = found.map(|(_, status)| status.intended_voters as usize);
            if let Some(intended) = told.filter(|intended| *intended > 0).max() {
                ensure!(
                    intended == self.voters,
                    "the nodes belong to cluster {cluster} already, which was formed for {intended} voters, not \
                     {}: nothing was changed",
                    self.voters
                );
            }
            output::line(format_args!(
                "cluster {cluster} was begun before: going on with it"
            ))?;
            return Ok(());
        }
        let Some((first, status)) = self.nodes.first() else {
            bail!("no nodes were given")
        };
        let voters = u32::try_from(self.voters)?;
        let cluster = first.bootstrap(status.member_id, voters).await?;
        output::line(format_args!(
            "cluster {} is formed by {:016x}",
            hex::encode(cluster),
            status.member_id
        ))?;
        Ok(())
    }

    /// The node that leads, and what it says.
    async fn leader(&self) -> Result<(&AdminClient, NodeStatus)> {
        let mut why = anyhow::anyhow!("none of the nodes leads");
        for (node, _) in &self.nodes {
            match node.status().await {
                Ok(status) if status.role() == Role::Leader => return Ok((node, status)),
                Ok(_) => {}
                Err(error) => why = error.into(),
            }
        }
        Err(why)
    }

    /// Repeats a wish for a member until the leader carries it out; `false` if there was nothing to do.
    async fn bring(&self, member: &NodeStatus, to: Membership) -> Result<bool> {
        let mut asked = false;
        loop {
            let tried = self.try_bring(member, to).await;
            match tried {
                Ok(true) => return Ok(asked),
                Ok(false) => asked = true,
                Err(error) if Instant::now() > self.deadline => {
                    let what = format!("failed to bring {:016x} in", member.member_id);
                    return Err(error.context(what));
                }
                Err(_) => {}
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Whether the wish is carried out already; if not, it is asked for once.
    async fn try_bring(&self, member: &NodeStatus, to: Membership) -> Result<bool> {
        let (leader, now) = self.leader().await?;
        let known = now.members.iter().find(|m| m.id == member.member_id);
        let stands = |m: &Member| to == Membership::Learner || m.voter;
        if known.is_some_and(stands) {
            return Ok(true);
        }
        let request = ChangeMemberRequest {
            member_id: member.member_id,
            membership: to.into(),
            peer_address: member.peer_address.clone(),
            key: member.public_key.clone(),
            epoch: known.map_or(1, |m| m.epoch + 1),
            expected_membership: now.membership,
        };
        leader.change_member(request).await?;
        Ok(false)
    }

    async fn until_open(&self) -> Result<()> {
        while !self.leader().await.is_ok_and(|(_, status)| status.open) {
            ensure!(
                Instant::now() < self.deadline,
                "the cluster accepts no writes yet; see `klusterctl members`"
            );
            tokio::time::sleep(EVERY).await;
        }
        Ok(())
    }
}
