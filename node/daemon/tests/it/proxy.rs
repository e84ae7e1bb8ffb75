//! Proxies before the peer ports of nodes, that can be cut.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The only ways between nodes, which are known by their numbers.
pub struct Proxies {
    cuts: watch::Sender<Cuts>,
    /// Connections that were broken or refused because of where they came from.
    kept_in: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

/// What a proxy needs to know of its node.
pub struct Behind {
    /// Where the proxy listens.
    pub proxy: String,
    /// Where the node does.
    pub node: String,
    /// What its process was started with: who calls is known by that.
    pub config: PathBuf,
}

#[derive(Default)]
struct Cuts {
    /// Nobody reaches these; they reach the others.
    unreached: BTreeSet<usize>,
    /// Nobody reaches these, and they reach nobody.
    off: BTreeSet<usize>,
}

impl Cuts {
    fn part(&self, from: usize, to: usize) -> bool {
        self.unreached.contains(&to) || self.off.contains(&to) || self.off.contains(&from)
    }
}

impl Proxies {
    /// Passes everything on.
    pub async fn start(nodes: Vec<Behind>) -> Proxies {
        let (cuts, seen) = watch::channel(Cuts::default());
        let kept_in = Arc::new(AtomicU64::new(0));
        let configs: Arc<[PathBuf]> = nodes.iter().map(|node| node.config.clone()).collect();
        let mut tasks = Vec::new();
        for (number, node) in nodes.into_iter().enumerate() {
            let listener = TcpListener::bind(&node.proxy).await.unwrap();
            let (seen, configs, kept_in) = (seen.clone(), configs.clone(), kept_in.clone());
            tasks.push(tokio::spawn(async move {
                loop {
                    let (stream, from) = listener.accept().await.unwrap();
                    let (to, seen, configs) = (node.node.clone(), seen.clone(), configs.clone());
                    let kept_in = kept_in.clone();
                    tokio::spawn(async move {
                        // A caller that is gone already needs no way.
                        let to_us = stream.local_addr().unwrap();
                        if let Some(caller) = caller(from, to_us, &configs).unwrap() {
                            pass(stream, to, seen.clone(), (caller, number)).await;
                            if seen.borrow().off.contains(&caller) {
                                kept_in.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                }
            }));
        }
        Proxies {
            cuts,
            kept_in,
            tasks,
        }
    }

    /// Breaks what goes to a node and lets nothing more through. It goes on reaching the others.
    pub fn cut_way_to(&self, node: usize) {
        self.cuts.send_modify(|cuts| cuts.unreached.extend([node]));
    }

    /// The same, of what goes to a node and what comes from it.
    pub fn cut_off(&self, node: usize) {
        self.cuts.send_modify(|cuts| cuts.off.extend([node]));
    }

    /// Lets everything through again.
    pub fn mend(&self, node: usize) {
        self.cuts.send_modify(|cuts| {
            cuts.unreached.remove(&node);
            cuts.off.remove(&node);
        });
    }

    /// Connections that were broken or refused because of where they came from.
    pub fn kept_in(&self) -> u64 {
        self.kept_in.load(Ordering::Relaxed)
    }
}

impl Drop for Proxies {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn pass(
    mut stream: TcpStream,
    to: String,
    mut cuts: watch::Receiver<Cuts>,
    (from, node): (usize, usize),
) {
    if cuts.borrow().part(from, node) {
        return;
    }
    let Ok(mut to) = TcpStream::connect(to).await else {
        return;
    };
    tokio::select! {
        // Either end may break at any time; both are closed then.
        _ = copy_bidirectional(&mut stream, &mut to) => {}
        _ = cuts.wait_for(|cuts| cuts.part(from, node)) => {}
    }
}

/// Which node's process has a connection from `from` to `to`, as the kernel knows it.
fn caller(from: SocketAddr, to: SocketAddr, configs: &[PathBuf]) -> io::Result<Option<usize>> {
    let named = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => format!(
            "{:08X}:{:04X}",
            u32::from_ne_bytes(ip.octets()),
            address.port()
        ),
        IpAddr::V6(_) => unreachable!("these tests are on IPv4"),
    };
    let ends = [named(from), named(to)];
    let table = fs::read_to_string("/proc/net/tcp")?;
    let inode = table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let these = [fields.next()?, fields.next()?] == ends;
        these.then(|| fields.nth(6))?
    });
    let Some(inode) = inode else {
        return Ok(None);
    };
    let socket = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc")? {
        let process = process?.path();
        // Processes, and what they hold, come and go while they are looked at.
        let Ok(command) = fs::read_to_string(process.join("cmdline")) else {
            continue;
        };
        let node = configs
            .iter()
            .position(|config| command.split('\0').any(|word| word == config.as_os_str()));
        let Some(node) = node else { continue };
        let Ok(held) = fs::read_dir(process.join("fd")) else {
            continue;
        };
        let mut held = held.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        if held.any(|file| file.as_os_str() == socket.as_str()) {
            return Ok(Some(node));
        }
    }
    Ok(None)
}
