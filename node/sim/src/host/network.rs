//! A network between simulated nodes: addresses, delays, cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use node_host::BoxDuplex;
use tokio::sync::mpsc;

use super::pipe::{self, Direction, Line};
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
    /// From whom to whom nothing arrives.
    silent: BTreeSet<(String, String)>,
    slow: BTreeMap<String, Duration>,
    /// Open connections, from whom to whom.
    open: Vec<(String, String, Line)>,
}

impl State {
    fn is_silent(&self, from: &str, to: &str) -> bool {
        self.silent.contains(&(from.to_owned(), to.to_owned()))
    }

    fn hold_what_is_silent(&self) {
        for (from, to, line) in &self.open {
            line.hold(Direction::There, self.is_silent(from, to));
            line.hold(Direction::Back, self.is_silent(to, from));
        }
    }

    fn delay(&self, a: &str, b: &str) -> Duration {
        let of = |name| self.slow.get(name).copied().unwrap_or_default();
        of(a) + of(b)
    }
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
        self.state().isolated.insert(name.to_owned());
        self.reset(name);
    }

    /// Breaks every connection of `name`; new ones can be made. Of some, what is under way arrives first.
    pub fn reset(&self, name: &str) {
        let mut state = self.state();
        state.open.retain(|(a, b, line)| {
            let broken = a == name || b == name;
            if broken && self.chance.below(2) == 0 {
                line.cut();
            } else if broken {
                line.cut_after_arrival();
            }
            !broken
        });
    }

    /// From now on nothing that `from` sends arrives at `to`; nobody is told.
    pub fn silence(&self, from: &str, to: &str) {
        let mut state = self.state();
        state.silent.insert((from.to_owned(), to.to_owned()));
        state.hold_what_is_silent();
    }

    /// From now on what `name` sends and gets takes so much longer.
    pub fn slow_down(&self, name: &str, by: Duration) {
        let mut state = self.state();
        state.slow.insert(name.to_owned(), by);
        for (a, b, line) in &state.open {
            line.slow_down(state.delay(a, b));
        }
    }

    /// Joins `name` to the others again. What was held back arrives, or its connection breaks.
    pub fn heal(&self, name: &str) {
        let mut state = self.state();
        state.isolated.remove(name);
        state.slow.remove(name);
        let had = state.silent.len();
        state.silent.retain(|(a, b)| a != name && b != name);
        let was_silent = state.silent.len() < had;
        for (a, b, line) in &state.open {
            line.slow_down(state.delay(a, b));
            if was_silent && (a == name || b == name) && self.chance.below(2) == 0 {
                line.cut();
            }
        }
        state.hold_what_is_silent();
    }

    /// Forgets what listened at `name`: its process has ended, and its machine resets what was open.
    pub fn forget(&self, name: &str) {
        let mut state = self.state();
        state.open.retain(|(a, b, line)| {
            let broken = a == name || b == name;
            if broken {
                line.cut();
            }
            !broken
        });
        state
            .listeners
            .retain(|address, _| node_of(address) != name);
    }

    /// Forgets what listened at `name`: its machine is without power, and nobody is told. Its connections are silent
    /// until [`Network::forget`].
    pub fn fall_silent(&self, name: &str) {
        let mut state = self.state();
        for (a, b, line) in &state.open {
            if a == name || b == name {
                line.hold(Direction::There, true);
                line.hold(Direction::Back, true);
            }
        }
        state
            .listeners
            .retain(|address, _| node_of(address) != name);
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
        let reaches = !state.isolated.contains(&self.name)
            && !state.isolated.contains(&other)
            && !state.is_silent(&self.name, &other)
            && !state.is_silent(&other, &self.name);
        if !reaches {
            return Err(ErrorKind::TimedOut.into());
        }
        let listener = state
            .listeners
            .get(to)
            .cloned()
            .ok_or(ErrorKind::ConnectionRefused)?;
        let (least, most) = DELAY_MS;
        let delay = Duration::from_millis(least + self.network.chance.below(most - least + 1));
        let (here, there, line) = pipe::pair(delay);
        line.slow_down(state.delay(&self.name, &other));
        state.open.retain(|(_, _, line)| !line.is_cut());
        state.open.push((self.name.clone(), other, line));
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
