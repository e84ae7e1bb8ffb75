//! Who decides what becomes of each request, and remembers every write: shared by all processes of one test.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request};
use tokio::sync::watch;

use super::fault::{Fault, Refusal, WatchFault};

/// How many watches misbehave under one fault: each kind several times, and an end all the same.
const WATCHES_MAX: usize = 60;

/// Decides what becomes of each request.
pub struct Director {
    state: Mutex<State>,
    /// Watches that may still misbehave.
    watches: AtomicUsize,
    /// Who is held, by name; `None` when nobody is.
    held: watch::Sender<Option<Held>>,
}

/// Whose requests do not get through for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// The writes of this process, Leases apart.
    Writes(String),
    /// Everything this process asks from now on.
    Everything(String),
}

struct State {
    fault: Fault,
    /// Writes since the fault was set, Leases apart.
    count: usize,
    /// Paths whose first attempt came to nothing: the next one succeeds.
    owed: BTreeSet<String>,
    cuts: usize,
    writes: Vec<Write>,
    /// Rises with everything that happens to a write.
    clock: u64,
}

/// One write of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The process that asked for it.
    pub process: String,
    /// Its verb.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// What it says.
    pub body: Vec<u8>,
    /// How far it came.
    pub fate: Fate,
    /// When it was sent, on the director's clock.
    pub sent: Option<u64>,
    /// When it was answered.
    pub answered: Option<u64>,
}

impl Write {
    /// Whether it is about the Lease that decides who may write the rest.
    pub fn is_of_lease(&self) -> bool {
        is_of_lease(&self.path)
    }
}

/// How far a write came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was asked for and not sent yet.
    Asked,
    /// It was sent.
    Sent,
    /// The server answered so.
    Answered(u16),
    /// Whoever asked gave it up before it was sent.
    Dropped,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// The process dies instead.
    Die,
    /// It passes, and the process dies before it sees the answer.
    PassAndDie,
    /// It comes to nothing, or its answer does.
    Refuse(Refusal),
    /// The answer is a watch that misbehaves.
    Mangle(WatchFault),
}

impl Director {
    /// A director who lets everything pass.
    pub fn new() -> Arc<Director> {
        Arc::new(Director {
            state: Mutex::new(State {
                fault: Fault::None,
                count: 0,
                owed: BTreeSet::new(),
                cuts: 0,
                writes: Vec::new(),
                clock: 0,
            }),
            watches: AtomicUsize::new(0),
            held: watch::Sender::new(None),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `fault` happens; writes are counted anew.
    pub fn set(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = fault;
        state.count = 0;
        state.cuts = 0;
        state.owed.clear();
        self.watches.store(WATCHES_MAX, Ordering::SeqCst);
    }

    /// Writes since the fault was set.
    pub fn count(&self) -> usize {
        self.state().count
    }

    /// How many processes died by the fault.
    pub fn cuts(&self) -> usize {
        self.state().cuts
    }

    /// Every write so far, those of Leases too.
    pub fn writes(&self) -> Vec<Write> {
        self.state().writes.clone()
    }

    /// From now on the requests of `held` wait.
    pub fn hold(&self, held: Option<Held>) {
        self.held.send_replace(held);
    }

    /// Waits for as long as a request of `process` is held; `number` is that of a write.
    pub async fn until_free(&self, process: &str, number: Option<usize>) {
        let is_write = number.is_some_and(|number| {
            let state = self.state();
            state
                .writes
                .get(number)
                .is_some_and(|write| !write.is_of_lease())
        });
        let mut held = self.held.subscribe();
        let free = |held: &Option<Held>| match held {
            None => true,
            Some(Held::Writes(whose)) => whose != process || !is_write,
            Some(Held::Everything(whose)) => whose != process,
        };
        // The sender lives as long as the director, who is borrowed here.
        let _always_some = held.wait_for(free).await;
    }

    /// Decides about a request. A write gets its number among all writes.
    pub fn judge(&self, process: &str, request: &Request<Vec<u8>>) -> (Option<usize>, Verdict) {
        let mut guard = self.state();
        let state = &mut *guard;
        let path = request.uri().path().to_owned();
        if request.method() == Method::GET {
            let verdict = match state.fault {
                Fault::Watches(fault) if is_watch(request) && self.one_more() => {
                    Verdict::Mangle(fault)
                }
                _ => Verdict::Pass,
            };
            return (None, verdict);
        }
        state.writes.push(Write {
            process: process.to_owned(),
            method: request.method().clone(),
            path: path.clone(),
            body: request.body().clone(),
            fate: Fate::Asked,
            sent: None,
            answered: None,
        });
        let number = state.writes.len() - 1;
        if is_of_lease(&path) {
            return (Some(number), Verdict::Pass);
        }
        state.count += 1;
        let verdict = match state.fault {
            Fault::Cut(write) if state.count == write => Verdict::PassAndDie,
            Fault::Cut(write) if state.count == write + 1 => Verdict::Die,
            Fault::Writes(refusal) if !state.owed.remove(&path) => {
                state.owed.insert(path);
                Verdict::Refuse(refusal)
            }
            _ => Verdict::Pass,
        };
        if matches!(verdict, Verdict::Die | Verdict::PassAndDie) {
            state.cuts += 1;
        }
        (Some(number), verdict)
    }

    fn one_more(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.watches
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
    }

    /// Notes how far a write came. Only one that was not sent can be dropped.
    pub fn note(&self, number: usize, fate: Fate) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.clock += 1;
        let Some(write) = state.writes.get_mut(number) else {
            return;
        };
        match fate {
            Fate::Dropped if write.fate != Fate::Asked => return,
            Fate::Sent => write.sent = Some(state.clock),
            Fate::Answered(_) => write.answered = Some(state.clock),
            Fate::Asked | Fate::Dropped => {}
        }
        write.fate = fate;
    }
}

fn is_of_lease(path: &str) -> bool {
    path.contains("/coordination.k8s.io/")
}

fn is_watch<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|part| part == "watch=true")
}
