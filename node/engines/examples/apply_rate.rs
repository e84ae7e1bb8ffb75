//! How many puts of 256 bytes the engines apply in a second, in runs of 64 entries: prints lines of `name value unit`.
#![allow(
    clippy::disallowed_types,
    reason = "a measurement reads the clock; the engines do not"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use node_disk::Disk;
use node_engines::{
    Change, ClusterId, Command, Engines, Entry, LogId, Proposal, Stamp, kv, system,
};
use node_storage::{Memory, Storage};

const ENTRIES: u64 = 300_000;
const KEYS: u64 = 100_000;
const RUN: usize = 64;
const READS: u64 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    measure("memory", Arc::new(Memory::new()))?;
    let dir = tempfile::tempdir()?;
    measure("disk", Arc::new(Disk::open(dir.path())?))
}

fn measure(name: &str, storage: Arc<dyn Storage>) -> Result<(), Box<dyn Error>> {
    let mut engines = Engines::open(storage.clone())?;
    let one = BTreeSet::from([1]);
    let members = Change::Members {
        now: one.clone(),
        voters: one,
        blob: Bytes::new(),
    };
    let genesis = system::Command::Genesis {
        cluster_id: ClusterId([7; 16]),
        voters: 1,
    };
    engines.apply(vec![
        (id(0), members),
        (id(1), entry(1, Command::System(genesis))),
    ])?;

    let mut runs = Vec::new();
    for index in 2..2 + ENTRIES {
        if (index - 2).is_multiple_of(RUN as u64) {
            runs.push(Vec::with_capacity(RUN));
        }
        let put = kv::Command::Put {
            key: key(index),
            value: Bytes::from(vec![b'v'; 256]),
        };
        if let Some(run) = runs.last_mut() {
            run.push((id(index), entry(index, Command::Kv(put))));
        }
    }
    let begin = Instant::now();
    for run in runs {
        engines.apply(run)?;
    }
    storage.persist()?;
    report(&format!("apply_rate_{name}"), ENTRIES, begin, "puts/s");

    let reader = engines.reader();
    let begin = Instant::now();
    for index in 0..READS {
        reader
            .get(&key(index.wrapping_mul(7919)))?
            .ok_or("a key is missing")?;
    }
    report(&format!("read_rate_{name}"), READS, begin, "gets/s");
    let begin = Instant::now();
    Engines::open(storage)?;
    report(&format!("open_rate_{name}"), KEYS, begin, "keys/s");
    Ok(())
}

fn id(index: u64) -> LogId {
    LogId {
        term: 1,
        leader: 1,
        index,
    }
}

fn key(index: u64) -> Bytes {
    Bytes::from(format!("some/key/{:08}", index.wrapping_mul(31) % KEYS))
}

fn entry(index: u64, command: Command) -> Change {
    let stamp = Stamp {
        millis: index,
        logical: 0,
        seed: index,
    };
    let proposal = Proposal {
        request: None,
        commands: vec![command],
    };
    Change::Command(Entry::stamped(proposal, stamp).encode())
}

fn report(name: &str, count: u64, begin: Instant, unit: &str) {
    println!(
        "{name} {:.0} {unit}",
        count as f64 / begin.elapsed().as_secs_f64()
    );
}
