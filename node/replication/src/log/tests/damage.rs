//! What no crash explains: the log refuses to start, says where, and what to do.

use std::fs;

use super::super::errors::OpenError;
use super::kit::*;

/// A log over several segments; not closed.
async fn log(entries: u64) -> Folder {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    for index in 0..entries {
        append(&wal, vec![entry(1, index)]).await.unwrap();
    }
    folder
}

/// The log refuses to start; returns the file and the offset it names.
async fn refused(folder: &Folder, what: &str) -> (String, u64) {
    let error = folder
        .try_open()
        .await
        .err()
        .unwrap_or_else(|| panic!("started despite {what}"));
    let text = error.to_string();
    assert!(
        text.contains("at offset") && text.contains("empty one"),
        "{what}: {text}"
    );
    let OpenError::Damaged { file, offset, .. } = error else {
        panic!("{what}: {text}");
    };
    (
        file.file_name().unwrap().to_string_lossy().into_owned(),
        offset,
    )
}

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x55;
    bytes
}

#[tokio::test]
async fn a_damaged_batch_with_a_whole_one_behind_it() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    let name = folder.segments()[0].clone();
    let start = used(&folder.read(&name));
    append(&wal, vec![entry(1, 1)]).await.unwrap();
    let end = used(&folder.read(&name));
    append(&wal, vec![entry(1, 2)]).await.unwrap();
    let bytes = folder.read(&name);
    for at in start..end {
        let damaged = folder.with(&name, &flip(&bytes, at));
        let place = refused(&damaged, &format!("a flip at {at}")).await;
        assert_eq!(place, (name.clone(), start as u64));
        assert_eq!(
            damaged.read(&name),
            flip(&bytes, at),
            "a refusal changes nothing"
        );
    }
}

#[tokio::test]
async fn any_damage_in_an_older_segment() {
    let folder = log(30).await;
    let names = folder.segments();
    assert!(names.len() > 2);
    let bytes = folder.read(&names[1]);
    for at in 0..used(&bytes) {
        let damaged = folder.with(&names[1], &flip(&bytes, at));
        // The version's own bytes make it another format; that has a test of its own.
        if (8..10).contains(&at) {
            assert!(damaged.try_open().await.is_err());
        } else {
            assert_eq!(
                refused(&damaged, &format!("a flip at {at}")).await.0,
                names[1]
            );
        }
    }
    for cut in 0..used(&bytes) {
        refused(
            &folder.with(&names[1], &bytes[..cut]),
            &format!("a cut at {cut}"),
        )
        .await;
    }
}

#[tokio::test]
async fn the_first_batch_of_a_segment_is_never_torn() {
    let folder = log(30).await;
    let last = folder.segments().pop().unwrap();
    let bytes = folder.read(&last);
    for at in 0..60 {
        if !(8..10).contains(&at) {
            let damaged = folder.with(&last, &flip(&bytes, at));
            assert_eq!(refused(&damaged, &format!("a flip at {at}")).await.0, last);
        }
    }
}

#[tokio::test]
async fn a_missing_segment() {
    let folder = log(30).await;
    let names = folder.segments();
    for name in &names[..names.len() - 1] {
        let damaged = folder.copy();
        fs::remove_file(damaged.file(name)).unwrap();
        refused(&damaged, name).await;
    }
}

#[tokio::test]
async fn segments_that_changed_places() {
    let folder = log(30).await;
    let names = folder.segments();
    let (first, second) = (folder.read(&names[0]), folder.read(&names[1]));
    let damaged = folder.with(&names[0], &second).with(&names[1], &first);
    assert_eq!(refused(&damaged, "a swap").await, (names[0].clone(), 0));
}

#[tokio::test]
async fn a_segment_of_another_log() {
    let (folder, other) = (log(30).await, log(31).await);
    let names = folder.segments();
    let damaged = folder.with(&names[1], &other.read(&names[1]));
    refused(&damaged, "a foreign segment").await;
}

#[tokio::test]
async fn anything_torn_or_gone_after_a_clean_stop() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    let name = folder.segments()[0].clone();
    let start = used(&folder.read(&name));
    append(&wal, vec![entry(1, 1)]).await.unwrap();
    wal.close().await.unwrap();
    let bytes = folder.read(&name);
    let end = used(&bytes);
    for at in start..end {
        refused(
            &folder.with(&name, &flip(&bytes, at)),
            &format!("a flip at {at}"),
        )
        .await;
        refused(&folder.with(&name, &bytes[..at]), &format!("a cut at {at}")).await;
    }
    refused(
        &folder.with(&name, &flip(&bytes, end)),
        "something behind the end",
    )
    .await;
    let mark = folder.read("stopped");
    for at in (0..mark.len()).filter(|at| !(8..10).contains(at)) {
        refused(
            &folder.with("stopped", &flip(&mark, at)),
            &format!("mark, flip at {at}"),
        )
        .await;
    }
    let gone = folder.copy();
    fs::remove_file(gone.file(&name)).unwrap();
    refused(&gone, "a lost segment").await;
}

#[tokio::test]
async fn a_clean_stop_holds_until_the_next_start_and_no_longer() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    wal.close().await.unwrap();
    assert!(append(&wal, vec![entry(1, 1)]).await.is_err());
    assert_eq!(wal.stats().poisoned, None);

    let (wal, _) = folder.open().await;
    let name = folder.segments()[0].clone();
    let start = used(&folder.read(&name));
    append(&wal, vec![entry(1, 1)]).await.unwrap();
    let torn = folder.with(&name, &flip(&folder.read(&name), start));
    let (_, recovered) = torn.open().await;
    assert_eq!(
        (recovered.last, recovered.torn_tail_cut),
        (Some(id(1, 0)), true)
    );
}

#[tokio::test]
async fn a_format_from_the_future_has_its_own_message() {
    let folder = log(3).await;
    let name = folder.segments()[0].clone();
    let mut bytes = folder.read(&name);
    bytes[9] = 7;
    let error = folder.with(&name, &bytes).try_open().await.err().unwrap();
    let text = error.to_string();
    assert!(
        matches!(error, OpenError::FromTheFuture { found: 7, .. }),
        "{text}"
    );
    assert!(
        text.contains(&name) && text.contains("format 7") && text.contains("newer"),
        "{text}"
    );
}
