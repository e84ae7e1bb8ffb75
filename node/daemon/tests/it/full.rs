//! Disks that fill up: writes are refused clearly, reads go on, nobody stops, and room heals it.

use std::time::Duration;

use bytes::Bytes;
use node_api::{Consistency, DataError, ErrorCode};

use crate::cluster::Cluster;
use crate::deadline::{check, eventually};
use crate::requests::ask;
use crate::small_disk::SmallDisk;
use crate::writer::{Writer, assert_all_there};

const MIB: u64 = 1 << 20;

/// A cluster of three, each node on a disk of so many MiB.
async fn on_disks(sizes: [u64; 3]) -> (Cluster, Vec<SmallDisk>) {
    let (mut cluster, mut disks) = (Cluster::start(0), Vec::new());
    for mib in sizes {
        cluster.add_prepared(|dir| disks.push(SmallDisk::mount(dir, mib)));
    }
    (cluster.formed().await, disks)
}

fn all_run(cluster: &mut Cluster) {
    for node in &mut cluster.nodes {
        assert!(node.is_running(), "{}", node.log());
    }
}

/// Writes large values, from this number on, until one is refused for want of room; gives the number that was.
async fn fill(cluster: &Cluster, from: u64) -> u64 {
    let mut clients: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| node.data().with_timeout(Duration::from_secs(20)))
        .collect();
    for number in from..10_000 {
        let value = Bytes::from(vec![number as u8; 256 << 10]);
        let key = format!("large/{number:08}");
        let client = &mut clients[number as usize % 3];
        match client.put(key.as_bytes(), value, &Default::default()).await {
            Ok(_) => {}
            Err(DataError::Unavailable {
                code: Some(ErrorCode::DiskFull),
                message,
            }) => {
                assert!(message.contains("disk is nearly full"), "{message}");
                return number;
            }
            Err(error) => panic!("{key}: {error}"),
        }
    }
    panic!("the disks take everything");
}

async fn leader_says(cluster: &Cluster, disk_full: bool, commits: bool) -> Result<(), String> {
    let status = cluster.try_status(cluster.leader().await).await?;
    let says = (status.disk_full, status.commits);
    check(says == (disk_full, Some(commits)), || format!("{says:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disks_refuse_writes_and_growth_heals_them() {
    let (mut cluster, disks) = on_disks([700; 3]).await;
    // What a node merges or gives up makes room again, for a while; and every leader gives way once, as another may have
    // room.
    let mut written = 0;
    eventually("disks that stay full", async || {
        written = fill(&cluster, written).await;
        leader_says(&cluster, true, false).await?;
        let leader = cluster.leader().await;
        let put = ask(&cluster.nodes[leader].bound.http, "PUT", "/db/k").await;
        let refused = put.starts_with("HTTP/1.1 503") && put.contains("\"disk_full\"");
        check(refused, || put)
    })
    .await;
    assert!(written > 100, "only {written}");

    for node in &cluster.nodes {
        let mut data = node.data();
        for number in [0, written - 1] {
            let key = format!("large/{number:08}");
            let found = data.get(key.as_bytes(), &Consistency::Linearizable).await;
            assert_eq!(found.unwrap().unwrap().value.len(), 256 << 10);
        }
    }
    all_run(&mut cluster);

    for disk in &disks {
        disk.grow(1400);
    }
    let mut data = cluster.nodes[0].data();
    eventually("a write", async || {
        let put = data.put(b"k", "v".into(), &Default::default()).await;
        put.map(|_| ()).map_err(|error| error.to_string())
    })
    .await;
    eventually("a leader that takes writes", async || {
        leader_says(&cluster, false, true).await
    })
    .await;
    for node in 0..3 {
        cluster.until_ready(node).await;
    }
    cluster.until_digests_agree(&[0, 1, 2]).await;
    all_run(&mut cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_follower_lags_without_stopping_and_catches_up_with_room() {
    let (mut cluster, disks) = on_disks([700; 3]).await;
    let leader = cluster.leader().await;
    let full = (leader + 1) % 3;
    let writer = Writer::start(&cluster, "small/");
    writer.until_more(50).await;
    // Somebody else takes all that is left but a little.
    disks[full].leave(4 * MIB);
    eventually("it to notice", async || {
        let status = cluster.try_status(full).await?;
        check(status.disk_full, || format!("{:?}", status.disk))
    })
    .await;
    // Past a snapshot: the log that it lacks is given up.
    writer.until_more(1200).await;
    let written = writer.stop().await;
    let behind = cluster.status(full).await;
    let ahead = cluster.status(leader).await;
    assert!(behind.last_log_index < ahead.last_log_index, "{behind:?}");
    assert!(behind.fatal.is_empty(), "{}", behind.fatal);
    all_run(&mut cluster);

    disks[full].free();
    cluster.until_ready(full).await;
    cluster.until_digests_agree(&[0, 1, 2]).await;
    assert_all_there(&mut cluster.nodes[full].data(), &written).await;
    all_run(&mut cluster);
}
