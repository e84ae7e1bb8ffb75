//! What only the inside of a member can bring about.

use std::io;
use std::path::Path;

use bytes::Bytes;
use node_host::Host;
use openraft::{EntryPayload, Membership};

use super::*;
use crate::config::{ClusterKey, Config, Limits, Timing};
use crate::contract::{Applied, Committed, Export, Fatal, Machine, Payload, Rejected, Stamper};
use crate::identity::Identity;
use crate::raft::Lives;
use crate::raft::convert;
use crate::raft::node::Node;
use crate::status::{Role, Status};

const CLUSTER: ClusterId = ClusterId([6; 16]);
const WITHIN: Duration = Duration::from_secs(30);

/// Knows how far it came and nothing else.
#[derive(Default)]
struct Counter(Option<Applied>);

impl Machine for Counter {
    fn applied(&self) -> Result<Option<Applied>, Fatal> {
        Ok(self.0.clone())
    }

    fn apply(&mut self, run: Vec<Committed>) -> Result<Vec<Bytes>, Fatal> {
        let count = run.len();
        let applied = self.0.get_or_insert_default();
        for Committed { id, payload } in run {
            applied.last = id;
            if let Payload::Membership { bytes, .. } = payload {
                (applied.membership, applied.membership_at) = (bytes, Some(id));
            }
        }
        Ok(vec![Bytes::new(); count])
    }

    fn persist(&self) -> Result<(), Fatal> {
        Ok(())
    }

    fn export(&self) -> Result<Box<dyn Export>, Fatal> {
        Err(Fatal::new("failed to export: there is nothing"))
    }

    fn import(&mut self, _: &mut dyn Iterator<Item = io::Result<Bytes>>) -> Result<(), Fatal> {
        Err(Fatal::new("failed to import: there is nothing"))
    }
}

struct Plain;

impl Stamper for Plain {
    fn stamp(&self, proposal: &[u8]) -> Result<Bytes, Rejected> {
        Ok(Bytes::copy_from_slice(proposal))
    }
}

async fn start(dir: &Path) -> Arc<Node> {
    let host = Host::real();
    let config = Config {
        data_dir: dir.to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        advertise: "127.0.0.1:0".to_owned(),
        cluster_key: ClusterKey::new(vec![5; 32]).unwrap(),
        timing: Timing::default(),
        limits: Limits::default(),
    };
    let identity = Identity::load_or_draw(&host, dir).await.unwrap();
    let lives = Lives::start(
        host,
        config,
        identity,
        Box::new(Counter::default()),
        Arc::new(Plain),
    )
    .await
    .unwrap();
    lives.node()
}

async fn until(node: &Node, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = node.observer().status.subscribe();
    let reached = tokio::time::timeout(WITHIN, status.wait_for(|status| wanted(status))).await;
    reached.expect("in time").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joint_change_that_was_left_behind_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path()).await;
    node.changes().bootstrap(CLUSTER).await.unwrap();
    let before = until(&node, |s| s.role == Role::Leader && s.applied.is_some()).await;

    let raft = &node.changes().raft;
    let nodes: BTreeMap<u64, Member> = before
        .members
        .iter()
        .map(|member| (member.id.0, member.member.clone()))
        .collect();
    let voters: std::collections::BTreeSet<u64> = nodes.keys().copied().collect();
    let joint = Membership::new(vec![voters.clone(), voters], nodes).unwrap();
    let joint = raft
        .append_membership(joint, EntryPayload::Blank, [])
        .await
        .unwrap();
    let at = convert::log_id(&joint.log_id);

    let after = until(&node, |s| s.membership_at > Some(at) && !s.membership_joint).await;
    assert_eq!(after.members.len(), 1);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_cut_short_by_a_crash_is_finished_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::real();
    let mut identity = Identity::load_or_draw(&host, dir.path()).await.unwrap();
    identity.cluster = Some(CLUSTER);
    identity.founding = true;
    identity.store(&host, dir.path()).await.unwrap();

    let node = start(dir.path()).await;
    let status = until(&node, |status| status.role == Role::Leader).await;
    assert_eq!((status.cluster, status.members.len()), (Some(CLUSTER), 1));
    node.shutdown().await;
    let stored = Identity::load_or_draw(&host, dir.path()).await.unwrap();
    assert!(!stored.founding, "it is founded once");
}
