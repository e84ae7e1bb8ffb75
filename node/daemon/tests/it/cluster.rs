//! A cluster of processes, formed through the admin API as klusterctl and the agents form one.

use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::path::Path;

use node_api::AdminClient;
use node_api::proto::{ChangeMemberRequest, Membership, NodeStatus, Role};
use tempfile::TempDir;

use crate::deadline::{check, eventually};
use crate::process::Node;

/// Processes that make one cluster, in one temporary folder.
pub struct Cluster {
    pub nodes: Vec<Node>,
    dir: TempDir,
    net: [u8; 2],
}

impl Cluster {
    /// Starts `count` nodes that belong to no cluster. Every test has a piece of the loopback net to itself.
    pub fn start(count: usize) -> Cluster {
        let [a, b, ..] = RandomState::new()
            .hash_one(std::process::id())
            .to_be_bytes();
        let mut cluster = Cluster {
            nodes: Vec::new(),
            dir: tempfile::tempdir().unwrap(),
            net: [a | 1, b],
        };
        for _ in 0..count {
            cluster.add();
        }
        cluster
    }

    /// Starts `count` nodes and makes them one cluster that takes data.
    pub async fn form(count: usize) -> Cluster {
        Cluster::start(count).formed().await
    }

    /// Makes one cluster that takes data of the nodes, which belong to none.
    pub async fn formed(self) -> Cluster {
        let count = self.nodes.len();
        let cluster = self;
        let voters = u32::try_from(count).unwrap();
        let first = cluster.status(0).await;
        let admin = cluster.nodes[0].admin().await.unwrap();
        admin.bootstrap(first.member_id, voters).await.unwrap();
        for node in 1..count {
            cluster.join(node).await;
        }
        for node in 0..count {
            cluster.until_ready(node).await;
        }
        cluster
    }

    /// Starts one more node.
    pub fn add(&mut self) -> usize {
        self.add_prepared(|_| {})
    }

    /// Starts one more node; `prepare` is given its data folder before.
    pub fn add_prepared(&mut self, prepare: impl FnOnce(&Path)) -> usize {
        let number = self.add_stopped();
        prepare(&self.nodes[number].data_dir());
        self.nodes[number].start();
        number
    }

    /// One more node, which does not run yet.
    pub fn add_stopped(&mut self) -> usize {
        let number = self.nodes.len();
        let host = Ipv4Addr::new(
            127,
            self.net[0],
            self.net[1],
            u8::try_from(number + 1).unwrap(),
        );
        let node = Node::new(self.dir.path().join(number.to_string()), host.to_string());
        self.nodes.push(node);
        number
    }

    pub async fn status(&self, node: usize) -> NodeStatus {
        eventually("a status", async || self.try_status(node).await).await
    }

    pub async fn try_status(&self, node: usize) -> Result<NodeStatus, String> {
        let admin = self.nodes[node].admin().await?;
        admin.status().await.map_err(|error| error.to_string())
    }

    /// The place of the leader among the nodes.
    pub async fn leader(&self) -> usize {
        eventually("a leader", async || {
            for node in 0..self.nodes.len() {
                if self
                    .try_status(node)
                    .await
                    .is_ok_and(|status| status.role() == Role::Leader)
                {
                    return Ok(node);
                }
            }
            Err("nobody leads".to_owned())
        })
        .await
    }

    /// Makes a node a learner, and when it has caught up a voter.
    pub async fn join(&self, node: usize) {
        self.make(node, Membership::Learner, 1).await;
        self.make(node, Membership::Voter, 2).await;
    }

    /// Asks whoever leads to make a node this, until it is done.
    pub async fn make(&self, node: usize, membership: Membership, epoch: u64) {
        let status = self.status(node).await;
        let request = ChangeMemberRequest {
            member_id: status.member_id,
            membership: membership.into(),
            peer_address: status.peer_address,
            key: status.public_key,
            epoch,
            expected_membership: None,
        };
        self.change(request).await;
    }

    /// Asks whoever leads for a change of membership, until it is done.
    pub async fn change(&self, request: ChangeMemberRequest) {
        eventually("a change of membership", async || {
            let admin = self.leading().await?;
            match admin.change_member(request.clone()).await {
                Ok(_) => Ok(()),
                // An answer that was lost: what was asked for may be there by now.
                Err(_) if is_done(&admin, &request).await => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// The admin API of whoever leads now.
    pub async fn leading(&self) -> Result<AdminClient, String> {
        for node in &self.nodes {
            let Ok(admin) = node.admin().await else {
                continue;
            };
            if admin.confirmed_status().await.is_ok() {
                return Ok(admin);
            }
        }
        Err("nobody leads".to_owned())
    }

    /// Waits until a node is ready to serve, and the cluster takes data as far as it knows.
    pub async fn until_ready(&self, node: usize) {
        eventually("a ready node", async || {
            let status = self.try_status(node).await?;
            check(status.ready && status.open, || {
                format!("open: {}, {}", status.open, status.not_ready_reason)
            })
        })
        .await;
    }

    /// Waits until the nodes have applied the same entries, and all have the same digest.
    pub async fn until_digests_agree(&self, nodes: &[usize]) {
        eventually("equal digests", async || {
            let mut digests = Vec::new();
            for node in nodes {
                digests.push(self.try_status(*node).await?.digest);
            }
            let equal = digests.windows(2).all(|pair| pair[0] == pair[1]) && digests[0].is_some();
            check(equal, || format!("{digests:?}"))
        })
        .await;
    }
}

async fn is_done(admin: &AdminClient, request: &ChangeMemberRequest) -> bool {
    let Ok(status) = admin.confirmed_status().await else {
        return false;
    };
    let member = status
        .members
        .iter()
        .find(|member| member.id == request.member_id);
    match request.membership() {
        Membership::Voter => member.is_some_and(|m| m.voter && m.epoch == request.epoch),
        Membership::Learner => member.is_some_and(|m| !m.voter && m.epoch == request.epoch),
        Membership::Removed => member.is_none(),
        Membership::Unspecified => false,
    }
}
