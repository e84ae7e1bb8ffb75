//! The commands on nodes and members, and their way to the node.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use node_api::AdminClient;
use node_api::proto::RecoverRequest;

use super::{change, init, show};
use crate::arguments::KeyFile;
use crate::output;

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub enum AdminAction {
    /// Say what a node knows of itself.
    Status {
        #[command(flatten)]
        node: Node,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the members of the cluster, as a node knows them.
    Members {
        #[command(flatten)]
        node: Node,
    },
    /// Form a cluster of nodes with empty disks: the first is bootstrapped, the others join and vote. Repeated, it goes on.
    Init {
        /// Admin listeners of all nodes.
        #[arg(long = "admin", value_name = "HOST:PORT", required = true)]
        nodes: Vec<String>,
    },
    /// Let a node with an empty disk join as a learner.
    Add {
        #[command(flatten)]
        leader: Node,
        /// Admin listener of the node that joins.
        #[arg(long, value_name = "HOST:PORT")]
        node: String,
    },
    /// Make a learner that is caught up a voter.
    Promote {
        #[command(flatten)]
        leader: Node,
        /// Its member id, as `members` shows it.
        member: String,
    },
    /// Remove a member for ever; its disk is set aside when it comes back.
    Remove {
        #[command(flatten)]
        leader: Node,
        /// Its member id, as `members` shows it.
        member: String,
    },
    /// Hand leadership over.
    #[command(visible_alias = "leadership")]
    Transfer {
        #[command(flatten)]
        leader: Node,
        /// To this member; to the most advanced one when absent.
        member: Option<String>,
    },
    /// Fence a node off from its clients, until `unfence`; restarts do not change it.
    ///
    /// Not on Kubernetes: there the Cluster says who is fenced, and the operator undoes this at once. List the pod in the
    /// Cluster's `spec.operations.fencedNodes` instead, which also takes the node's vote first.
    Fence {
        #[command(flatten)]
        node: Node,
    },
    /// Let a fenced node serve its clients again.
    ///
    /// On Kubernetes take the pod out of the Cluster's `spec.operations.fencedNodes` instead.
    Unfence {
        #[command(flatten)]
        node: Node,
    },
    /// Begin anew from one node's disk, after a majority of the voters was lost for good.
    ///
    /// Only where the lost disks never come back: as long as they may, bring them back instead, and nothing is lost. Choose
    /// the node whose `status` shows the log that has most (the later term, then the higher index), and give its position.
    ///
    /// Everything in that node's log is kept, and it takes writes as the only voter. Writes that only the lost members had
    /// are gone, also acknowledged ones. All other members are removed for ever: a node that comes back with an old disk
    /// sets it aside and joins anew with `add` and `promote`. Positions that clients hold from before are refused.
    ///
    /// Refused while a leader or a majority is there; obeyed once for each position.
    Recover {
        #[command(flatten)]
        node: Node,
        /// The node's own member id, as its `status` shows it.
        #[arg(long, value_name = "ID")]
        member: String,
        /// A position that its log must reach at least, such as the one that its `status` shows.
        #[arg(long, value_name = "POSITION")]
        position: String,
        /// Say that what only the lost members had is given up.
        #[arg(long)]
        acknowledge_loss: bool,
    },
    /// Build a snapshot file now.
    Snapshot {
        #[command(flatten)]
        node: Node,
    },
}

/// Which node to ask.
#[derive(Debug, Args)]
pub struct Node {
    /// Admin listener of the node; to add, promote, remove and transfer, that of the leader.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6357")]
    admin: String,
}

/// Does it.
///
/// # Errors
/// With what the node said.
pub async fn act(action: AdminAction, key: &KeyFile) -> Result<ExitCode> {
    let key = key.read()?;
    let key = key.trim_ascii();
    match action {
        AdminAction::Status { node, json } => show::status(&node.connect(key).await?, json).await?,
        AdminAction::Members { node } => show::members(&node.connect(key).await?).await?,
        AdminAction::Init { nodes } => init::init(&nodes, key).await?,
        AdminAction::Add { leader, node } => {
            change::add(
                &leader.connect(key).await?,
                &AdminClient::connect(&node, key).await?,
            )
            .await?;
        }
        AdminAction::Promote { leader, member } => {
            change::promote(&leader.connect(key).await?, id(&member)?).await?;
        }
        AdminAction::Remove { leader, member } => {
            change::remove(&leader.connect(key).await?, id(&member)?).await?;
        }
        AdminAction::Transfer { leader, member } => {
            let to = member.as_deref().map(id).transpose()?;
            leader.connect(key).await?.transfer_leadership(to).await?;
        }
        AdminAction::Fence { node } => node.connect(key).await?.set_fence(true).await?,
        AdminAction::Unfence { node } => node.connect(key).await?.set_fence(false).await?,
        AdminAction::Recover {
            node,
            member,
            position,
            acknowledge_loss,
        } => {
            let request = RecoverRequest {
                member_id: id(&member)?,
                position,
                acknowledge_loss,
            };
            let incarnation = node.connect(key).await?.recover(request).await?;
            output::line(format_args!(
                "incarnation {incarnation} begins with {member} as the only member; the others join anew"
            ))?;
        }
        AdminAction::Snapshot { node } => {
            let last = node.connect(key).await?.trigger_snapshot().await?;
            output::line(format_args!("snapshot up to index {}", last.index))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Node {
    async fn connect(&self, key: &[u8]) -> Result<AdminClient> {
        let connected = AdminClient::connect(&self.admin, key).await;
        connected.with_context(|| format!("failed to speak to {}", self.admin))
    }
}

fn id(text: &str) -> Result<u64> {
    u64::from_str_radix(text, 16)
        .with_context(|| format!("{text:?} is no member id: 16 hexadecimal digits"))
}
