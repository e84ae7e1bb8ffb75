//! What runs beside requests: it measures the disk, notices the node's end and its removal, catches up once, finishes a
//! founding, sees that writes commit, cuts the history of the keys and compacts it, tells watchers of it, ends leases, raises
//! the feature level, and makes the first user.

use std::time::Duration;

use node_replication::Proof;

use crate::node::Node;
use crate::{access, commits, compactor, history, leases, levels};

/// Time between two looks at the disk.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Time between two attempts to catch up, or to finish a founding.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Starts the tasks; they end with the node.
pub fn run(node: &Node) {
    tokio::spawn(until_the_end(node.clone(), async |node| {
        watch_disk(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        watch_log(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        catch_up(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        finish_founding(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        commits::watch(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        history::watch(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        compactor::watch(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        leases::watch(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        levels::watch(&node).await
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        if let Some(password) = &node.access().root_password {
            access::make_root(&node, password).await;
        }
    }));
    tokio::spawn(until_the_end(node.clone(), async |node| {
        if let Err(error) = node.watches().publish().await {
            node.read_failed(&error);
        }
    }));
}

async fn until_the_end<F: Future<Output = ()>>(node: Node, task: impl FnOnce(Node) -> F) {
    let ending = node.clone();
    tokio::select! {
        biased;
        () = ending.ending() => {}
        () = task(node) => {}
    }
}

/// A leader without room stops every writer: it gives way, once, to whoever may have some.
async fn watch_disk(node: &Node) {
    let mut gave_way = false;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        node.reserve().look();
        gave_way = node.reserve().is_full() && (gave_way || node.give_way().await);
    }
}

/// A fatal failure of the log ends the node; a removal is noted on disk.
async fn watch_log(node: &Node) {
    let mut status = node.watch();
    let mut noted = false;
    loop {
        let (fatal, removed, lost) = {
            let status = status.borrow_and_update();
            (
                status.fatal.clone(),
                status.self_removed.then_some(status.member),
                status.log_lost.then_some(status.member),
            )
        };
        // First the mark on disk: a node that was left behind ends right after it.
        if let Some(member) = removed.filter(|_| !noted) {
            noted = true;
            node.removed(member).await;
        }
        if let Some(member) = lost {
            return node.log_lost(member).await;
        }
        if let Some(reason) = fatal {
            return node.fail(reason);
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// Ends once the node has shown what every acknowledged write did.
async fn catch_up(node: &Node) {
    loop {
        if node.replication().linearize(Proof::Majority).await.is_ok() {
            return node.caught_up();
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// A crash between the two steps of a bootstrap leaves a cluster without its first entry: its founder goes on.
async fn finish_founding(node: &Node) {
    let mut founding = node.founding();
    loop {
        let voters = *founding.borrow_and_update();
        match voters {
            Some(voters) => {
                tokio::time::sleep(AGAIN_AFTER).await;
                node.go_on_founding(voters).await;
            }
            None => {
                if founding.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}
