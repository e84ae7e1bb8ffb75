//! A network between simulated nodes: addresses, delays, cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use node_host::BoxDuplex;
use tokio::sync::mpsc;

use super::pipe::{self, Cut};
use super::random::Chance;

/// Connections that wait to be accepted at one address.
const BACKLOG: usize = 64;
/// The shortest and the longest time a byte travels.
const DELAY_MS: (u64, u64) = (1, 6);

type Incoming = (BoxDuplex, String);

/// The network of a world. Clones are the same network.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    chance: Chance,
}

#[derive(Default)]
struct State {
    listeners: BTreeMap<String, mpsc::Sender<Incoming>>,
    isolated: BTreeSet<String>,
    /// Open connections and the two nodes that each joins.
    open: Vec<(String, String, Cut)>,
}

impl Network {
    /// A network without nodes.
    pub fn new(chance: Chance) -> Self {
        Self {
            state: Arc::default(),
            chance,
        }
    }

    /// The network as the node `name` sees it; its addresses are "name:port".
    pub fn seen_from(&self, name: &str) -> Side {
        Side {
            network: self.clone(),
            name: name.to_owned(),
        }
    }

    /// Cuts `name` off: its connections break and no new ones are made.
    pub fn isolate(&self, name: &str) {
        let mut state = self.state();
        state.isolated.insert(name.to_owned());
        state.open.retain(|(a, b, cut)| {
            let broken = a == name || b == name;
            if broken {
                cut.cut();
            }
            !broken
        });
    }

    /// Joins `name` to the others again.
    pub fn heal(&self, name: &str) {
        self.state().isolated.remove(name);
    }

    /// Forgets what listened at `name`: its node has crashed.
    pub fn forget(&self, name: &str) {
        self.isolate(name);
        let mut state = self.state();
        state
            .listeners
            .retain(|address, _| node_of(address) != name);
        state.isolated.remove(name);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("invariant: nobody panics while holding the network")
    }
}

fn node_of(address: &str) -> &str {
    address.split(':').next().unwrap_or_default()
}

/// The network as one node sees it.
pub struct Side {
    network: Network,
    name: String,
}

impl Side {
    fn open(&self, to: &str) -> io::Result<(BoxDuplex, Incoming, mpsc::Sender<Incoming>)> {
        let mut state = self.network.state();
        let other = node_of(to).to_owned();
        if state.isolated.contains(&self.name) || state.isolated.contains(&other) {
            return Err(ErrorKind::TimedOut.into());
        }
        let listener = state
            .listeners
            .get(to)
            .cloned()
            .ok_or(ErrorKind::ConnectionRefused)?;
        let (least, most) = DELAY_MS;
        let delay = Duration::from_millis(least + self.network.chance.below(most - least + 1));
        let (here, there, cut) = pipe::pair(delay);
        state.open.retain(|(_, _, cut)| !cut.is_cut());
        state.open.push((self.name.clone(), other, cut));
        Ok((
            Box::new(here),
            (Box::new(there), format!("{}:0", self.name)),
            listener,
        ))
    }
}

impl node_host::Network for Side {
    fn connect<'a>(&'a self, to: &'a str) -> BoxFuture<'a, io::Result<BoxDuplex>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(DELAY_MS.0)).await;
            let (here, incoming, listener) = self.open(to)?;
            listener
                .send(incoming)
                .await
                .map_err(|_| ErrorKind::ConnectionRefused)?;
            Ok(here)
        })
    }

    fn listen<'a>(
        &'a self,
        at: &'a str,
    ) -> BoxFuture<'a, io::Result<Box<dyn node_host::Listener>>> {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(BACKLOG);
            self.network.state().listeners.insert(at.to_owned(), sender);
            let listener: Box<dyn node_host::Listener> = Box::new(Listener {
                receiver,
                address: at.to_owned(),
            });
            Ok(listener)
        })
    }
}

struct Listener {
    receiver: mpsc::Receiver<Incoming>,
    address: String,
}

impl node_host::Listener for Listener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        Box::pin(async {
            self.receiver
                .recv()
                .await
                .ok_or_else(|| ErrorKind::NotConnected.into())
        })
    }

    fn local_addr(&self) -> String {
        self.address.clone()
    }
}
