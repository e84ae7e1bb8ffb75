use std::io;

use bytes::Bytes;
use node_engines::TABLES;
use node_storage::{Batch, Memory, Row, Storage, StorageError};

use super::{CHUNK_BYTES, Chunks, Rows};

fn storage() -> Memory {
    let storage = Memory::new();
    let mut batch = Batch::new();
    for (number, table) in TABLES.into_iter().enumerate() {
        for row in 0..200_u32 {
            let value = vec![number as u8; (row as usize * 37) % 9000];
            batch.put(table, row.to_be_bytes().to_vec(), value);
        }
        batch.put(table, b"large".to_vec(), vec![7; 1 << 20]);
        batch.put(table, b"".to_vec(), b"".to_vec());
    }
    storage.commit(batch).unwrap();
    storage
}

fn chunks(storage: &Memory) -> Vec<Bytes> {
    let mut chunks = Chunks::new(storage.view().unwrap());
    std::iter::from_fn(|| chunks.next().unwrap()).collect()
}

fn rows(chunks: Vec<Bytes>) -> Result<Vec<Row>, StorageError> {
    let mut chunks = chunks.into_iter().map(Ok::<_, io::Error>);
    Rows::new(&mut chunks).collect()
}

#[test]
fn a_state_comes_back_whole_through_bounded_chunks() {
    let storage = storage();
    let written: Vec<Row> = storage.view().unwrap().rows().map(Result::unwrap).collect();
    let chunks = chunks(&storage);
    assert!(chunks.len() > 5);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.len() <= CHUNK_BYTES + 4 && chunk.len() <= 1 << 20)
    );
    assert_eq!(rows(chunks).unwrap(), written);
}

#[test]
fn an_empty_state_is_a_state() {
    assert_eq!(rows(chunks(&Memory::new())).unwrap(), []);
}

#[test]
fn a_stream_that_was_cut_garbled_or_continued_is_refused() {
    let good = chunks(&storage());
    for missing in 0..good.len() {
        let mut bad = good.clone();
        bad.remove(missing);
        assert!(rows(bad).is_err(), "without chunk {missing}");
    }
    for at in [0, 4, 5, 9, 10, 100] {
        let mut bad = good.clone();
        let mut chunk = bad[0].to_vec();
        chunk[at] ^= 1;
        bad[0] = chunk.into();
        assert!(rows(bad).is_err(), "byte {at}");
    }
    let mut more = good.clone();
    more.push(good[0].clone());
    assert!(rows(more).is_err());
    assert!(rows(Vec::new()).is_err());
}

#[test]
fn a_format_from_the_future_is_named() {
    let body = b"KLST\x00\x02";
    let mut chunk = crc32c::crc32c(body).to_be_bytes().to_vec();
    chunk.extend_from_slice(body);
    let error = rows(vec![chunk.into()]).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("format 2"), "{cause}");
}

#[test]
fn a_whole_storage_is_replaced_from_chunks() {
    let (from, to) = (storage(), Memory::new());
    let mut given = chunks(&from).into_iter().map(Ok::<_, io::Error>);
    to.replace(&mut Rows::new(&mut given)).unwrap();
    let all = |storage: &Memory| {
        storage
            .view()
            .unwrap()
            .rows()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    };
    assert_eq!(all(&to), all(&from));
}
