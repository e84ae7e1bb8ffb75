//! Where the API server keeps its objects: in an etcd, or in three nodes of ours in its place.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::config_file::write;
use super::daemon::{self, Daemon};
use super::layout::Layout;
use super::shell::finish;
use crate::environment;
use crate::tools::{Cache, ETCD};

/// What keeps the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Store {
    /// An etcd.
    #[default]
    Etcd,
    /// Three nodes of ours, which form a cluster.
    Kluster,
}

/// Our nodes, each on an address of its own: the name of its daemon, and the address.
const NODES: [(&str, &str); 3] = [
    ("store-a", "127.0.0.1"),
    ("store-b", "127.0.0.2"),
    ("store-c", "127.0.0.3"),
];
const ADMIN_PORT: u16 = 2381;
const KEY: &str = "a test-bed's store holds nothing secret";

impl Store {
    /// The one that `KLUSTER_TESTBED_STORE` names: `etcd`, as without it, or `kluster`.
    ///
    /// # Errors
    /// For any other name.
    pub fn from_environment() -> Result<Self> {
        match std::env::var("KLUSTER_TESTBED_STORE").as_deref() {
            Err(_) | Ok("" | "etcd") => Ok(Self::Etcd),
            Ok("kluster") => Ok(Self::Kluster),
            Ok(other) => bail!("KLUSTER_TESTBED_STORE is {other}: it can be etcd or kluster"),
        }
    }

    /// The names of its daemons.
    pub fn daemons(self) -> &'static [&'static str] {
        match self {
            Self::Etcd => &["etcd"],
            Self::Kluster => &["store-a", "store-b", "store-c"],
        }
    }

    /// Where clients reach it.
    pub fn urls(self) -> String {
        match self {
            Self::Etcd => "http://127.0.0.1:2379".to_owned(),
            Self::Kluster => NODES
                .map(|(_, host)| format!("http://{host}:2379"))
                .join(","),
        }
    }

    /// Starts what does not run of it.
    pub(super) fn ensure(self, layout: &Layout, cache: &Cache) -> Result<()> {
        match self {
            Self::Etcd => daemon(
                layout,
                "etcd",
                cache.program(&ETCD, "etcd"),
                etcd(layout),
                None,
            )
            .ensure(layout)
            .map(drop),
            Self::Kluster => ensure_nodes(layout),
        }
    }
}

fn daemon(
    layout: &Layout,
    name: &str,
    program: PathBuf,
    args: Vec<String>,
    config: Option<PathBuf>,
) -> Daemon {
    Daemon {
        name: name.to_owned(),
        namespace: layout.control_namespace(),
        program,
        args,
        path: Vec::new(),
        config,
    }
}

/// Without fsync: what a test-bed holds need not survive the machine's crash, and the disk belongs to the nodes.
fn etcd(layout: &Layout) -> Vec<String> {
    vec![
        "--name=kluster".to_owned(),
        format!("--data-dir={}", layout.state.join("etcd").display()),
        "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-cluster=kluster=http://127.0.0.1:2380".to_owned(),
        "--unsafe-no-fsync=true".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn ensure_nodes(layout: &Layout) -> Result<()> {
    let programs = environment::programs()?;
    let key = layout.state.join("store.key");
    write(&key, KEY)?;
    for (name, host) in NODES {
        let config = layout.state.join(format!("{name}.toml"));
        write(&config, &node(layout, name, host))?;
        let args = vec!["--config".to_owned(), config.display().to_string()];
        let program = programs.join("kluster-node");
        daemon(layout, name, program, args, Some(config)).ensure(layout)?;
    }
    // What is formed already stays as it is.
    let mut init = Command::new("nsenter");
    let namespace = format!("--net=/run/netns/{}", layout.control_namespace());
    init.args([&namespace, "--"])
        .arg(programs.join("klusterctl"))
        .arg("--key-file")
        .arg(&key)
        .arg("init");
    for (name, host) in NODES {
        daemon::check_running(layout, name)?;
        init.args(["--admin", &format!("{host}:{ADMIN_PORT}")]);
    }
    finish(&mut init, None).context("failed to form the store's cluster")?;
    Ok(())
}

fn node(layout: &Layout, name: &str, host: &str) -> String {
    format!(
        "data_dir = {:?}\ncluster_key_file = {:?}\n[listen]\nhost = {host:?}\netcd_port = 2379\npeer_port = 2380\n\
         admin_port = {ADMIN_PORT}\nhttp_port = 2382\nmetrics_port = 2383\n[advertise]\nhost = {host:?}\n",
        layout.state.join(name),
        layout.state.join("store.key"),
    )
}
