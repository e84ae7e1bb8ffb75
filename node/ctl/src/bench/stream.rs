//! One client's load over a stream: as many writes under way as it may have.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use node_api::{DataError, WriteOptions, WriteStream};

use super::load::{Chance, REST_AFTER_ERROR, Tally, key};
use crate::arguments::Load;

/// Writes until then, on a new stream where one has ended.
pub async fn work(number: u64, url: &str, load: &Load, until: Instant) -> Result<Tally> {
    let mut tally = Tally::new()?;
    let mut chance = Chance::of(number);
    while Instant::now() < until {
        let ended = match WriteStream::open(url, load.in_flight as usize).await {
            Ok(mut stream) => write(&mut stream, load, until, &mut chance, &mut tally).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tally.error(&error);
            tokio::time::sleep(REST_AFTER_ERROR).await;
        }
    }
    Ok(tally)
}

async fn write(
    stream: &mut WriteStream,
    load: &Load,
    until: Instant,
    chance: &mut Chance,
    tally: &mut Tally,
) -> Result<(), DataError> {
    let value = Bytes::from(vec![b'v'; load.value_bytes as usize]);
    let mut under_way = VecDeque::with_capacity(load.in_flight as usize);
    loop {
        while under_way.len() < load.in_flight as usize && Instant::now() < until {
            let key = Bytes::from(key(chance.next(), load));
            under_way.push_back(Instant::now());
            let options = WriteOptions::default();
            stream.put(key, value.clone(), &options).await?;
        }
        let Some(sent) = under_way.pop_front() else {
            return Ok(());
        };
        match stream.reply().await {
            Some(Ok(_)) => {
                let took_us = sent.elapsed().as_micros() as u64;
                tally.writes.saturating_record(took_us);
            }
            Some(Err(error)) => tally.error(&error),
            None => {
                let message = "the stream has ended".to_owned();
                return Err(DataError::Unknown { message });
            }
        }
    }
}
