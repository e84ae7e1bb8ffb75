//! One change of membership. The leader's guards decide; a change that was decided against an older membership is refused.

use anyhow::{Context, Result, ensure};
use node_api::AdminClient;
use node_api::proto::{ChangeMemberRequest, Member, Membership, NodeStatus};

use crate::output;

/// Lets an empty node join as a learner.
pub async fn add(leader: &AdminClient, node: &AdminClient) -> Result<()> {
    let joining = node.status().await?;
    ensure!(
        joining.cluster_id.is_empty(),
        "the node's disk belongs to a cluster already: only an empty disk joins"
    );
    let now = leader.status().await?;
    leader
        .change_member(ChangeMemberRequest {
            member_id: joining.member_id,
            membership: Membership::Learner.into(),
            peer_address: joining.peer_address,
            key: joining.public_key,
            epoch: 1,
            expected_membership: now.membership,
        })
        .await?;
    output::line(format_args!(
        "{:016x} joins as a learner",
        joining.member_id
    ))?;
    Ok(())
}

/// Makes a member a voter.
pub async fn promote(leader: &AdminClient, member: u64) -> Result<()> {
    change(leader, member, Membership::Voter).await?;
    output::line(format_args!("{member:016x} votes"))?;
    Ok(())
}

/// Removes a member.
pub async fn remove(leader: &AdminClient, member: u64) -> Result<()> {
    change(leader, member, Membership::Removed).await?;
    output::line(format_args!("{member:016x} is removed"))?;
    Ok(())
}

async fn change(leader: &AdminClient, member: u64, to: Membership) -> Result<()> {
    let now = leader.status().await?;
    let known = find(&now, member)?;
    let request = ChangeMemberRequest {
        member_id: member,
        membership: to.into(),
        // Address and credential of a member are in the log already; an absent one means "as it is".
        peer_address: String::new(),
        key: Default::default(),
        epoch: known.epoch + 1,
        expected_membership: now.membership,
    };
    leader.change_member(request).await?;
    Ok(())
}

fn find(status: &NodeStatus, member: u64) -> Result<&Member> {
    let found = status.members.iter().find(|m| m.id == member);
    found.with_context(|| format!("{member:016x} is no member; `klusterctl members` lists them"))
}
