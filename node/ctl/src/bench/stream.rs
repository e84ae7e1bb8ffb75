//! One client's load over a stream: as many writes under way as it may have.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use node_api::{WriteOptions, WriteStream};

use super::load::{Chance, REST_AFTER_ERROR, Tally, key};
use crate::arguments::Load;

/// Writes until then, on a new stream where one has ended.
pub async fn work(number: u64, url: &str, load: &Load, until: Instant) -> Result<Tally> {
    let mut tally = Tally::new()?;
    let mut chance = Chance::of(number);
    while Instant::now() < until {
        match WriteStream::open(url, load.in_flight as usize).await {
            Ok(mut stream) => write(&mut stream, load, until, &mut chance, &mut tally).await,
            Err(error) => {
                tally.error(&error);
                tokio::time::sleep(REST_AFTER_ERROR).await;
            }
        }
    }
    Ok(tally)
}

/// Writes until then, or until the stream has ended and each write that was sent is counted.
async fn write(
    stream: &mut WriteStream,
    load: &Load,
    until: Instant,
    chance: &mut Chance,
    tally: &mut Tally,
) {
    let in_flight = load.in_flight as usize;
    let value = Bytes::from(vec![b'v'; load.value_bytes as usize]);
    let options = WriteOptions::default();
    let mut under_way = VecDeque::with_capacity(in_flight);
    loop {
        while under_way.len() < in_flight && Instant::now() < until && !stream.has_ended() {
            let key = Bytes::from(key(chance.next(), load));
            let sent = Instant::now();
            match stream.put(key, value.clone(), &options).await {
                Ok(()) => under_way.push_back(sent),
                Err(error) => tally.error(&error),
            }
        }
        let Some(sent) = under_way.pop_front() else {
            return;
        };
        match stream.reply().await {
            Ok(_) => {
                let took_us = sent.elapsed().as_micros() as u64;
                tally.writes.saturating_record(took_us);
            }
            Err(error) => {
                tally.error(&error);
                if !stream.has_ended() || under_way.is_empty() {
                    tokio::time::sleep(REST_AFTER_ERROR).await;
                }
            }
        }
    }
}
