//! How long a node's state takes to open with many keys in it, and what it takes of memory: prints lines of `name value unit`.
//!
//! `many_keys FOLDER fill KEYS` writes keys of 16 bytes with values of 256; `many_keys FOLDER open` opens them.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use node_disk::Disk;
use node_engines::{
    COMMANDS_PER_ENTRY_MAX, Change, ClusterId, Command, Engines, Entry, LogId, Proposal, Stamp, kv,
    system,
};
use node_storage::Storage;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VALUE: [u8; 256] = [0x4b; 256];
/// Entries that are applied as one.
const ENTRIES_PER_RUN: usize = 64;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [folder, "fill", keys] => fill(Path::new(folder), keys.parse()?),
        [folder, "open"] => open(Path::new(folder)),
        _ => bail!("usage: many_keys FOLDER fill KEYS, or many_keys FOLDER open"),
    }
}

fn fill(folder: &Path, keys: u64) -> Result<()> {
    let storage = Arc::new(Disk::open(folder)?);
    let mut engines = Engines::open(storage.clone())?;
    let mut index = 0;
    let mut next = |change| {
        let id = LogId {
            term: 1,
            leader: 1,
            index,
        };
        index += 1;
        (id, change)
    };
    let membership = Change::Members {
        now: [1].into(),
        voters: [1].into(),
        blob: Bytes::new(),
    };
    let founding = [
        system::Command::Genesis {
            cluster_id: ClusterId([7; 16]),
            voters: 1,
        },
        system::Command::Raise {
            feature_level: node_server::FEATURE_LEVEL_MAX,
        },
    ];
    let founding = entry(founding.map(Command::System).to_vec());
    engines.apply(vec![next(membership), next(founding)])?;
    let puts = (0..keys).map(|key| {
        Command::Kv(kv::Command::Put {
            key: Bytes::from(format!("key/{:012}", key.wrapping_mul(0x9E37_79B9) % keys)),
            value: Bytes::from_static(&VALUE),
        })
    });
    let mut puts = puts.peekable();
    while puts.peek().is_some() {
        let mut run = Vec::with_capacity(ENTRIES_PER_RUN);
        while run.len() < ENTRIES_PER_RUN && puts.peek().is_some() {
            let commands = puts.by_ref().take(COMMANDS_PER_ENTRY_MAX).collect();
            run.push(next(entry(commands)));
        }
        engines.apply(run)?;
    }
    storage.persist()?;
    Ok(())
}

fn entry(commands: Vec<Command>) -> Change {
    let proposal = Proposal {
        request: None,
        commands,
    };
    Change::Command(Entry::stamped(proposal, Stamp::default()).encode())
}

fn open(folder: &Path) -> Result<()> {
    let before = resident_bytes()?;
    let began = Instant::now();
    let engines = Engines::open(Arc::new(Disk::open(folder)?))?;
    let took = began.elapsed();
    let keys = engines.reader().keys();
    let each = (resident_bytes()? - before) as f64 / keys.max(1) as f64;
    println!("open_keys {keys} keys");
    println!("open_s {:.2} s", took.as_secs_f64());
    println!("memory_bytes_per_key {each:.0} bytes");
    Ok(())
}

/// What this process has in memory.
fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.context("the kernel does not say")?.parse::<u64>()? * 1024)
}
