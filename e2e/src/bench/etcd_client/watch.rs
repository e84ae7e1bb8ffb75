//! Watchers of one key, each on a stream of its own, and one client that puts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::time::{interval, sleep, timeout_at};
use tonic::client::Grpc;
use tonic::transport::Channel;

use super::load::{Answered, VALUE_BYTES, histogram};
use super::wire::{Answer, Conversation, PUT, Put, Told, WATCH, Watch, Watched, call, connections};

const KEY: Bytes = Bytes::from_static(b"watched");
/// Puts that watchers need not have heard of yet, on average, when they are to be kept busy. More would only wait in queues,
/// and servers differ in how much they let wait.
const AHEAD: u64 = 8;
/// How often it is looked at, whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How the key is put.
#[derive(Clone, Copy, Debug)]
pub enum Puts {
    /// So many times a second.
    PerSecond(u32),
    /// As fast as watchers hear of it.
    AsHeard,
}

/// What watchers at whoever leads hear in some seconds: how many events, and how long each took from when its put was asked.
///
/// # Errors
/// When a put is not answered, or a watch ends.
pub async fn watch(urls: &[String], watchers: usize, puts: Puts, seconds: u32) -> Result<Answered> {
    // The last one's connection is the putter's.
    let mut connections = connections(urls, watchers + 10).await?;
    let putter = connections.pop().context("no connection")?;
    let opening = connections.iter().cycle().take(watchers).map(open);
    let watching = try_join_all(opening).await?;
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds.into());
    let heard = Arc::new(AtomicU64::new(0));
    let listening = watching.into_iter().map(|watch| {
        let listen = listen(watch, began, until, heard.clone());
        async { tokio::spawn(listen).await? }
    });
    let putting = put_on(putter, puts, began, until, watchers as u64, &heard);
    let (each, ()) = tokio::try_join!(try_join_all(listening), putting)?;
    let mut all = histogram()?;
    for one in each {
        all.add(&one)?;
    }
    Ok(Answered::of(&all, began))
}

async fn open(connection: &Channel) -> Result<Conversation<Watch, Told>> {
    let create = Some(Watched { key: KEY });
    Conversation::open(connection.clone(), WATCH, Watch { create }).await
}

async fn listen(
    mut watch: Conversation<Watch, Told>,
    began: Instant,
    until: Instant,
    heard: Arc<AtomicU64>,
) -> Result<Histogram<u64>> {
    let mut took = histogram()?;
    while let Ok(told) = timeout_at(until.into(), watch.hear()).await {
        let told = told?;
        ensure!(!told.canceled, "a watch ended: {}", told.cancel_reason);
        heard.fetch_add(told.events.len() as u64, Ordering::Relaxed);
        let now = began.elapsed().as_micros() as u64;
        for event in told.events {
            let kv = event.kv.context("an event without a key")?;
            let asked = kv.value.first_chunk().context("an event of another's")?;
            took.saturating_record(now.saturating_sub(u64::from_le_bytes(*asked)));
        }
    }
    Ok(took)
}

/// Each value begins with the time it was asked for, in microseconds since all began.
async fn put_on(
    connection: Channel,
    puts: Puts,
    began: Instant,
    until: Instant,
    watchers: u64,
    heard: &AtomicU64,
) -> Result<()> {
    let mut grpc = Grpc::new(connection);
    let mut pace = match puts {
        Puts::PerSecond(rate) => Some(interval(Duration::from_secs(1) / rate.max(1))),
        Puts::AsHeard => None,
    };
    for put in 0_u64.. {
        let far_ahead = || put >= AHEAD + heard.load(Ordering::Relaxed) / watchers.max(1);
        match &mut pace {
            Some(pace) => drop(pace.tick().await),
            None => {
                while far_ahead() && Instant::now() < until {
                    sleep(LOOK_EVERY).await;
                }
            }
        }
        if Instant::now() >= until {
            break;
        }
        let mut value = vec![b'v'; VALUE_BYTES];
        let asked = (began.elapsed().as_micros() as u64).to_le_bytes();
        value.splice(..asked.len(), asked);
        let question = Put {
            key: KEY,
            value: value.into(),
        };
        let _answer: Answer = call(&mut grpc, PUT, question).await?;
    }
    Ok(())
}
