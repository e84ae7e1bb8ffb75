//! Snapshots: built, kept, sent, installed; and the log that goes because of them.

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use node_replication::Limits;

use crate::cluster::{Cluster, TestNode, WITHIN};

/// Snapshots soon, and hardly any log kept behind them.
fn short() -> Limits {
    Limits {
        snapshot_every_entries: 50,
        keep_entries: 5,
        ..Limits::default()
    }
}

fn files(node: &TestNode) -> Vec<String> {
    let names = fs::read_dir(node.dir().join("snapshots")).unwrap();
    names
        .map(|name| name.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A cluster of one whose log begins behind a snapshot of so many large entries and 120 small ones.
async fn with_snapshot_of(large: u8, limits: Limits) -> Cluster {
    let cluster = Cluster::with(1, limits).await;
    fill_large(&cluster, large).await;
    fill(&cluster, 120).await;
    cluster.nodes[0].log().snapshot().await.unwrap();
    cluster.nodes[0]
        .until("purges", |status| status.purged.is_some())
        .await;
    cluster
}

async fn fill_large(cluster: &Cluster, count: u8) {
    for byte in 0..count {
        cluster.nodes[0]
            .propose(Bytes::from(vec![byte; 900 << 10]))
            .await;
    }
}

async fn fill(cluster: &Cluster, count: usize) {
    for number in 0..count {
        cluster.leader().await.propose(format!("{number}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_goes_behind_a_snapshot_and_one_file_is_kept() {
    let cluster = Cluster::with(1, short()).await;
    fill(&cluster, 400).await;
    let node = &cluster.nodes[0];
    let status = node.until("purges", |status| status.purged.is_some()).await;
    assert!(status.snapshot >= status.purged, "{status:?}");
    let at = node.log().snapshot().await.unwrap();
    assert_eq!(Some(at), node.log().status().snapshot);
    assert_eq!(files(node).len(), 1, "{:?}", files(node));
    // What the log no longer has, the machine has durably.
    node.storage.lose_power();
    let durable = node.storage.state().applied.unwrap().last;
    assert!(Some(durable) >= node.log().status().purged);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_away_for_long_catches_up_by_snapshot() {
    let mut cluster = Cluster::with(3, short()).await;
    let away = cluster.a_follower().await;
    cluster.nodes[away].stop().await;
    fill(&cluster, 200).await;
    cluster.leader().await.log().snapshot().await.unwrap();
    let last = cluster.nodes[away].storage.state().applied.unwrap().last;
    cluster
        .leader()
        .await
        .until("purges what the follower lacks", |status| {
            status.purged > Some(last)
        })
        .await;
    cluster.nodes[away].restart().await;
    cluster.nodes[away]
        .until("installs a snapshot", |status| {
            status.counters.snapshots_installed == 1
        })
        .await;
    fill(&cluster, 10).await;
    assert_eq!(cluster.agree().await.len(), 210);
    // And it goes on from there after a restart.
    cluster.nodes[away].restart().await;
    fill(&cluster, 10).await;
    assert_eq!(cluster.agree().await.len(), 220);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_begins_with_a_large_snapshot() {
    // More than a piece, and more than a chunk.
    let mut cluster = with_snapshot_of(8, short()).await;
    let learner = TestNode::start(short()).await;
    cluster.join(&learner).await;
    assert!(learner.log().status().counters.snapshots_installed > 0);
    cluster.nodes.push(learner);
    assert_eq!(cluster.agree().await.len(), 128);
    assert_eq!(
        files(&cluster.nodes[1])
            .iter()
            .filter(|name| name.ends_with("unfinished"))
            .count(),
        0
    );
    cluster.stop().await;
}

/// Bytes that came of a snapshot that is on its way to a node.
fn came(node: &TestNode) -> u64 {
    let folder = node.dir().join("snapshots");
    let unfinished = files(node)
        .into_iter()
        .filter(|name| name.ends_with("unfinished"));
    // It may have its name by now.
    let sizes = unfinished.filter_map(|name| fs::metadata(folder.join(name)).ok());
    sizes.map(|file| file.len()).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_goes_at_its_pace_and_on_where_a_break_left_it() {
    let limits = Limits {
        snapshot_bytes_per_second: 4 << 20,
        ..short()
    };
    let mut cluster = with_snapshot_of(16, limits.clone()).await;
    let learner = TestNode::start(limits).await;
    let began = Instant::now();
    cluster.learn(&learner).await;
    while came(&learner) < 4 << 20 {
        assert!(began.elapsed() < WITHIN, "{} bytes came", came(&learner));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Who sends ends, and begins again.
    cluster.nodes[0].restart().await;
    cluster.nodes.push(learner);
    assert_eq!(cluster.agree().await.len(), 136);
    assert!(began.elapsed() >= Duration::from_secs(3), "it went faster");
    let counters = cluster.nodes[1].log().status().counters;
    assert_eq!(
        (counters.snapshots_installed, counters.snapshots_resumed),
        (1, 1)
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_a_snapshot_is_on_its_way_needs_no_other() {
    let limits = Limits {
        snapshot_bytes_per_second: 8 << 20,
        ..short()
    };
    let mut cluster = with_snapshot_of(16, limits.clone()).await;
    let learner = TestNode::start(limits).await;
    let began = Instant::now();
    cluster.learn(&learner).await;
    while came(&learner) == 0 {
        assert!(began.elapsed() < WITHIN, "nothing comes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let built = |cluster: &Cluster| cluster.nodes[0].log().status().counters.snapshots_built;
    let before = built(&cluster);
    // Twice as much as a snapshot is built after, and more than is kept behind one.
    fill(&cluster, 120).await;
    assert_eq!(built(&cluster), before);
    cluster.nodes.push(learner);
    assert_eq!(cluster.agree().await.len(), 256);
    let counters = cluster.nodes[1].log().status().counters;
    assert_eq!(counters.snapshots_installed, 1);
    // And then the next one is built, once it is worth it.
    fill_large(&cluster, 17).await;
    fill(&cluster, 120).await;
    cluster.nodes[0]
        .until("builds one", |status| {
            status.counters.snapshots_built > before
        })
        .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_state_is_not_written_again_for_a_few_entries() {
    let cluster = with_snapshot_of(8, short()).await;
    let node = &cluster.nodes[0];
    let built = || node.log().status().counters.snapshots_built;
    // One that was asked for may still be written, though another one came to the same.
    let mut before = built();
    loop {
        fill(&cluster, 100).await;
        match built() {
            now if now == before => break,
            now => before = now,
        }
    }
    // Ten times as many entries as a snapshot is built after, and hardly any bytes.
    fill(&cluster, 500).await;
    assert_eq!(built(), before);
    fill_large(&cluster, 9).await;
    fill(&cluster, 60).await;
    node.until("builds one", |status| {
        status.counters.snapshots_built == before + 1
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_state_is_rebuilt_from_snapshot_and_log() {
    let mut cluster = Cluster::with(1, short()).await;
    fill(&cluster, 230).await;
    let node = &mut cluster.nodes[0];
    node.until("purges", |status| status.purged.is_some()).await;
    node.stop().await;
    node.storage.wipe();
    node.restart().await;
    assert_eq!(cluster.agree().await.len(), 230);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_snapshot_is_cleared_and_a_damaged_one_left_aside() {
    let mut cluster = Cluster::with(1, short()).await;
    fill(&cluster, 20).await;
    let node = &mut cluster.nodes[0];
    node.log().snapshot().await.unwrap();
    node.stop().await;
    let folder = node.dir().join("snapshots");
    let good = files(node).remove(0);
    let mut bytes = fs::read(folder.join(&good)).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    fs::write(folder.join(format!("9{}", &good[1..])), bytes).unwrap();
    fs::write(folder.join("built.unfinished"), b"half").unwrap();
    node.restart().await;
    assert!(!files(node).contains(&"built.unfinished".to_owned()));
    let expected = node.log().status().snapshot.unwrap();
    assert!(good.starts_with(&format!("{:020}", expected.index)));
    assert_eq!(cluster.agree().await.len(), 20);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_too_large_is_cut_at_a_snapshot() {
    let mut limits = Limits {
        log_bytes_max: 4 << 20,
        ..Limits::default()
    };
    limits.log.segment_bytes = 1 << 20;
    let cluster = Cluster::with(1, limits).await;
    for _ in 0..16 {
        cluster.nodes[0].propose(vec![7; 512 << 10]).await;
    }
    let node = &cluster.nodes[0];
    let cut =
        |status: &node_replication::Status| status.purged.is_some() && status.log_bytes <= 6 << 20;
    node.until("cuts its log", cut).await;
    assert_eq!(cluster.agree().await.len(), 16);
    cluster.stop().await;
}
