//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::admin::AdminAction;
use crate::data::DataAction;
use crate::kv::KvAction;

/// The HTTP listener that is asked unless another is named.
pub const HTTP_DEFAULT: &str = "http://127.0.0.1:8080";

/// A person's and a Job's hand on a Kluster node.
#[derive(Debug, Parser)]
#[command(name = "klusterctl", version, about, long_about = None)]
pub struct Arguments {
    #[command(flatten)]
    pub key: KeyFile,
    #[command(subcommand)]
    pub action: Action,
}

/// Where the cluster key is.
#[derive(Debug, Args)]
pub struct KeyFile {
    /// File with the cluster key, which the admin commands must prove.
    #[arg(
        long = "key-file",
        env = "KLUSTER_KEY_FILE",
        value_name = "FILE",
        default_value = "/etc/kluster/key/cluster-key",
        global = true
    )]
    pub path: PathBuf,
}

impl KeyFile {
    /// What is in it.
    ///
    /// # Errors
    /// When it cannot be read, with what to do then.
    pub fn read(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.path).with_context(|| {
            format!(
                "failed to read the cluster key file {} (name another with --key-file, or run this in a pod: \
                 `kubectl exec <pod> -c node -- klusterctl ...`)",
                self.path.display()
            )
        })
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    #[command(flatten)]
    Admin(AdminAction),
    #[command(flatten)]
    Data(DataAction),
    /// All keys at once: move those of an etcd here.
    #[command(subcommand)]
    Kv(KvAction),
    /// Load a node with writes and reads, and say how fast it was. Its keys, `bench/<number>`, stay.
    Bench(Load),
    /// Write without ever stopping; at the end, check that every node has every acknowledged write.
    Soak(Soak),
}

/// A load.
#[derive(Clone, Debug, Args)]
pub struct Load {
    /// HTTP listeners to load, in turn.
    #[arg(long = "http", value_name = "URL", default_value = HTTP_DEFAULT)]
    pub urls: Vec<String>,
    /// Clients that work at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub clients: u32,
    /// Requests that each client has under way, each on a connection of its own unless --streams is given.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub in_flight: u32,
    /// Each client writes over one stream (gRPC), and has all its requests under way there.
    #[arg(long, conflicts_with = "read_percent")]
    pub streams: bool,
    /// Bytes of each value.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub value_bytes: u32,
    /// How long the load lasts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// Percentage of requests that are linearizable reads.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub read_percent: u32,
    /// How many different keys are written.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub keys: u32,
    /// Folder on the disk whose fdatasync latency stands beside the figures; in a pod /data.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A writer that never stops.
#[derive(Clone, Debug, Args)]
pub struct Soak {
    /// HTTP listener to write through; best the client Service.
    #[arg(long = "http", value_name = "URL")]
    pub url: String,
    /// What its keys begin with.
    #[arg(long, default_value = "soak/")]
    pub prefix: String,
    /// Writes a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// It stops writing when this key exists.
    #[arg(long, default_value = "soak-stop")]
    pub stop_key: String,
    /// It stops writing after this long at the latest.
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds_max: u32,
    /// Print the report as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_goes_where_all_else_goes_unless_told() {
        for (more, urls) in [
            (&[][..], vec![HTTP_DEFAULT]),
            (&["--http", "a:1", "--http", "b:2"], vec!["a:1", "b:2"]),
        ] {
            let given = [&["klusterctl", "bench"], more].concat();
            match Arguments::try_parse_from(given).unwrap().action {
                Action::Bench(load) => assert_eq!(load.urls, urls),
                other => unreachable!("{other:?} is no load"),
            }
        }
    }
}
