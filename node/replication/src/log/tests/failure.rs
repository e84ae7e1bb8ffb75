//! A disk that fails: nobody is told that something is durable, nothing is tried again, and what was durable stays.

use std::io::ErrorKind;
use std::sync::Arc;

use node_host::Host;

use super::super::errors::{LogFailed, OpenError};
use super::super::record::Vote;
use super::super::wal::Wal;
use super::kit::*;

#[tokio::test]
async fn after_a_failed_sync_nothing_is_tried_again() {
    let (host, disk) = Faulty::host();
    let folder = Folder::new();
    let (wal, _) = Wal::open(&host, folder.path(), SMALL).await.unwrap();
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    disk.hold_syncs(true);
    disk.fail(ErrorKind::Other, |call| matches!(call, Call::Sync(_)));
    let told = start_append(&wal, vec![entry(1, 1)]);
    let queued = start_append(&wal, vec![entry(1, 2)]);
    let (vote, _) = tokio::join!(wal.save_vote(Vote::default()), async {
        disk.hold_syncs(false)
    });
    for outcome in [told.await.unwrap(), queued.await.unwrap(), vote] {
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("failed to sync"), "{error}");
    }
    let calls = disk.calls();
    disk.heal();
    assert!(append(&wal, vec![entry(1, 3)]).await.is_err());
    assert!(wal.save_vote(Vote::default()).await.is_err());
    assert!(wal.truncate_after(Some(id(1, 0))).await.is_err());
    assert!(wal.purge(id(1, 0)).await.is_err());
    assert!(wal.close().await.is_err());
    wal.room().await;
    assert_eq!(disk.calls(), calls, "the disk is left alone");
    assert!(wal.stats().poisoned.unwrap().contains("failed to sync"));
    assert_eq!(*wal.durable().borrow(), Some(id(1, 0)));
    assert!(folder.copy().open().await.1.last >= Some(id(1, 0)));
}

#[tokio::test]
async fn a_full_disk_says_so() {
    let (host, disk) = Faulty::host();
    let folder = Folder::new();
    let (wal, _) = Wal::open(&host, folder.path(), SMALL).await.unwrap();
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    disk.fail(ErrorKind::StorageFull, |call| {
        matches!(call, Call::Create(_))
    });
    let mut index = 1;
    let error = loop {
        match append(&wal, vec![entry(1, index)]).await {
            Ok(()) => index += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogFailed::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(folder.copy().open().await.1.last, Some(id(1, index - 1)));
}

/// Each call on the way fails once: before it everything is durable, at it the log ends, after it nothing happens.
#[tokio::test]
async fn whatever_call_fails_what_was_reported_durable_is_there() {
    for failing in 0..40 {
        let (host, disk) = Faulty::host();
        let folder = Folder::new();
        let (wal, _) = Wal::open(&host, folder.path(), SMALL).await.unwrap();
        let before = disk.calls().len();
        let counted = std::sync::atomic::AtomicUsize::new(0);
        disk.fail(ErrorKind::Other, move |call| {
            // A spare segment that could not be made ahead of time is made when it is needed.
            let forgiven = matches!(call, Call::Create(name) if name == "spare");
            !forgiven && counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == failing
        });
        let mut durable = None;
        let mut index = 0;
        while append(&wal, vec![entry(1, index)]).await.is_ok() {
            durable = Some(id(1, index));
            if index == 12 && wal.purge(id(1, 8)).await.is_err() {
                break;
            }
            index += 1;
            assert!(index < 200, "the fault never came");
        }
        assert!(disk.calls().len() > before);
        let (again, recovered) = folder.copy().open().await;
        assert!(
            recovered.last >= durable,
            "call {failing}: {durable:?} but {recovered:?}"
        );
        let first = recovered.purged.map_or(0, |id| id.index + 1);
        assert_eq!(
            entries(&again).first().map(|record| record.id.index),
            recovered.last.map(|_| first)
        );
    }
}

#[tokio::test]
async fn a_machine_without_a_thread_for_the_log_is_told_of() {
    struct NoThread;
    impl node_host::Workers for NoThread {
        fn spawn(&self, _: &'static str, work: futures::future::BoxFuture<'static, ()>) {
            drop(work);
        }
    }
    let host = Host {
        workers: Arc::new(NoThread),
        ..Host::real()
    };
    let error = Wal::open(&host, Folder::new().path(), SMALL)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Worker), "{error}");
}

#[tokio::test]
async fn a_worker_that_dies_leaves_nobody_waiting() {
    struct Mortal(tokio::sync::watch::Sender<bool>);
    impl node_host::Workers for Mortal {
        fn spawn(&self, _: &'static str, work: futures::future::BoxFuture<'static, ()>) {
            let mut dead = self.0.subscribe();
            tokio::spawn(async move {
                tokio::select! { () = work => (), _ = dead.wait_for(|dead| *dead) => () }
            });
        }
    }
    let (host, disk) = Faulty::host();
    let workers = Arc::new(Mortal(tokio::sync::watch::Sender::new(false)));
    let host = Host {
        workers: Arc::clone(&workers) as Arc<dyn node_host::Workers>,
        ..host
    };
    let folder = Folder::new();
    let (wal, _) = Wal::open(&host, folder.path(), SMALL).await.unwrap();
    disk.hold_syncs(true);
    let (vote, _) = tokio::join!(wal.save_vote(Vote::default()), async {
        workers.0.send_replace(true)
    });
    assert!(matches!(vote, Err(LogFailed::WorkerGone)), "{vote:?}");
    let error = append(&wal, vec![entry(1, 0)]).await.unwrap_err();
    assert!(matches!(error, LogFailed::WorkerGone), "{error}");
}
