//! Members that start, stop and start again on the same folders and addresses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use node_replication::{
    AdminError, ClusterId, ClusterKey, Config, Identity, Limits, LogId, Member, MemberChange,
    MemberId, MemberRole, Proof, Replication, Role, StartError, Status, Timing,
};

use crate::held::Gate;
use crate::machine::{Ledger, Plain, Storage};

pub const CLUSTER: ClusterId = ClusterId([7; 16]);
/// Long: the machine of the test may be busy with other things.
pub const WITHIN: Duration = Duration::from_secs(60);
pub const TIMING: Timing = Timing {
    heartbeat_ms: 100,
    election_min_ms: 500,
    election_max_ms: 1000,
};

/// A member, running or not.
pub struct TestNode {
    dir: PathBuf,
    address: String,
    limits: Limits,
    pub storage: Storage,
    /// Whether its disk takes entries of a leader.
    pub room: Arc<AtomicBool>,
    /// Where the syncs of its disk can be held up.
    pub disk: Gate,
    running: Option<Replication>,
    _folder: tempfile::TempDir,
}

impl TestNode {
    /// A member on an empty disk, running.
    pub async fn start(limits: Limits) -> TestNode {
        let folder = tempfile::tempdir().unwrap();
        let mut node = TestNode {
            dir: folder.path().to_owned(),
            address: "127.0.0.1:0".to_owned(),
            limits,
            storage: Storage::default(),
            room: Arc::new(AtomicBool::new(true)),
            disk: Gate::default(),
            running: None,
            _folder: folder,
        };
        node.restart().await;
        node
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub async fn try_start(&mut self) -> Result<(), StartError> {
        let host = self.disk.host();
        let config = Config {
            data_dir: self.dir.clone(),
            listen: self.address.clone(),
            advertise: self.address.clone(),
            cluster_key: ClusterKey::new(vec![5; 32]).unwrap(),
            timing: TIMING,
            limits: self.limits.clone(),
        };
        let identity = Identity::load_or_draw(&host, &self.dir).await.unwrap();
        let machine = Box::new(Ledger(self.storage.clone()));
        let room = self.room.clone();
        let stamper = Arc::new(Plain { room });
        let running = node_replication::start(host, config, identity, machine, stamper).await?;
        self.address = running.local_addr().to_owned();
        self.running = Some(running);
        Ok(())
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.try_start().await.unwrap();
    }

    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown().await;
        }
    }

    pub fn log(&self) -> &Replication {
        self.running.as_ref().expect("the node runs")
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub fn id(&self) -> MemberId {
        self.log().status().member
    }

    /// What the log is to hold about this member.
    pub fn member(&self, epoch: u64) -> Member {
        let status = self.log().status();
        Member {
            peer_address: status.peer_address,
            key: status.public_key,
            epoch,
        }
    }

    /// Waits until the status is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.log().watch();
        let reached = tokio::time::timeout(WITHIN, status.wait_for(|status| wanted(status))).await;
        match reached {
            Ok(status) => status.unwrap().clone(),
            Err(_) => panic!("not in time: {what}; {:#?}", self.log().status()),
        }
    }

    pub async fn propose(&self, command: impl Into<Bytes>) -> LogId {
        self.log().propose(command.into()).await.unwrap().0
    }

    pub fn commands(&self) -> Vec<Bytes> {
        self.storage.state().commands
    }
}

pub fn set(id: MemberId, member: Member, role: MemberRole) -> MemberChange {
    MemberChange {
        set: BTreeMap::from([(id, (member, role))]),
        ..MemberChange::default()
    }
}

pub fn remove(id: MemberId) -> MemberChange {
    MemberChange {
        remove: [id].into(),
        ..MemberChange::default()
    }
}

/// Several members, all voters once formed.
pub struct Cluster {
    pub nodes: Vec<TestNode>,
}

impl Cluster {
    pub async fn of(count: usize) -> Cluster {
        Cluster::with(count, Limits::default()).await
    }

    pub async fn with(count: usize, limits: Limits) -> Cluster {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(TestNode::start(limits.clone()).await);
        }
        let cluster = Cluster { nodes };
        let first = &cluster.nodes[0];
        first.log().bootstrap(CLUSTER).await.unwrap();
        first
            .until("leads", |status| status.role == Role::Leader)
            .await;
        for node in &cluster.nodes[1..] {
            cluster.join(node).await;
        }
        cluster
    }

    /// Makes a node a learner, and a voter once it has caught up.
    pub async fn join(&self, node: &TestNode) {
        self.learn(node).await;
        let id = node.id();
        self.leader()
            .await
            .until("the learner has caught up", |status| {
                status
                    .members
                    .iter()
                    .any(|member| member.id == id && member.caught_up)
            })
            .await;
        self.change(set(id, node.member(2), MemberRole::Voter))
            .await;
    }

    pub async fn learn(&self, node: &TestNode) {
        self.change(set(node.id(), node.member(1), MemberRole::Learner))
            .await;
    }

    /// Carries out a change on whoever leads.
    pub async fn change(&self, change: MemberChange) -> LogId {
        loop {
            match self
                .leader()
                .await
                .log()
                .change_members(None, change.clone())
                .await
            {
                Ok(at) => return at,
                Err(AdminError::NotLeader { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn running(&self) -> impl Iterator<Item = &TestNode> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    /// The one node that leads, and that all voters among the running follow.
    pub async fn leader(&self) -> &TestNode {
        let deadline = tokio::time::Instant::now() + WITHIN;
        loop {
            let leading = |node: &&TestNode| node.log().status().role == Role::Leader;
            if let Some(leader) = self.running().find(leading) {
                return leader;
            }
            assert!(tokio::time::Instant::now() < deadline, "no leader in time");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn leader_at(&self) -> usize {
        let leader = self.leader().await.id();
        let at = self
            .nodes
            .iter()
            .position(|node| node.is_running() && node.id() == leader);
        at.expect("the leader is one of them")
    }

    pub async fn a_follower(&self) -> usize {
        let leader = self.leader_at().await;
        (0..self.nodes.len())
            .find(|at| *at != leader)
            .expect("there is more than one")
    }

    /// Waits until every running node has applied what the leader had committed, then compares what they have.
    pub async fn agree(&self) -> Vec<Bytes> {
        let index = self
            .leader()
            .await
            .log()
            .linearize(Proof::Majority)
            .await
            .unwrap();
        for node in self.running() {
            node.log().wait_applied(index, WITHIN).await.unwrap();
        }
        let commands = self.leader().await.commands();
        for node in self.running() {
            assert_eq!(
                node.commands(),
                commands,
                "{} has something else",
                node.id()
            );
        }
        commands
    }

    pub async fn stop(mut self) {
        for node in &mut self.nodes {
            node.stop().await;
        }
    }
}
