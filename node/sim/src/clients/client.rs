//! Clients that each do one thing after the other, through nodes drawn by chance.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use node_engines::kv::{self, Revision};
use node_engines::{Command, Position, Reply, RequestId};
use node_server::{Consistency, Failure, Node};

use super::history::{Action, Answer, History};
use crate::host::Chance;
use crate::world::World;

/// Times that a request is sent until its outcome is called unknown.
const ATTEMPTS_MAX: u32 = 5;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long it waits before it sends a request once more.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How much clients do, and of what.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Clients.
    pub clients: u64,
    /// Keys that they share.
    pub keys: u64,
    /// Longest rest between two operations of a client.
    pub rest: Duration,
}

impl Default for Load {
    fn default() -> Load {
        Load {
            clients: 8,
            keys: 5,
            rest: Duration::from_millis(500),
        }
    }
}

/// All clients of a world.
pub struct Clients {
    load: Load,
    history: History,
    chance: Chance,
    clients: Vec<Client>,
    next_value: u64,
    /// False once nothing new begins.
    open: bool,
}

/// One client.
#[derive(Default)]
struct Client {
    state: State,
    /// Where it was when it last heard of a node.
    position: Option<Position>,
    /// The latest revision it saw of each key.
    seen: BTreeMap<u64, Revision>,
}

#[derive(Default)]
enum State {
    #[default]
    New,
    /// Until the world is so old.
    Resting(Duration),
    Asking(Asked),
}

/// An operation under way.
struct Asked {
    number: usize,
    key: u64,
    action: Action,
    request: Option<RequestId>,
    attempts: u32,
    /// It may have been done by an attempt that was not answered.
    in_doubt: bool,
    attempt: Option<Attempt>,
    /// When it is sent once more.
    again_at: Duration,
}

/// One sending of it.
struct Attempt {
    slot: Slot,
    machine: usize,
    life: u64,
    until: Duration,
}

/// What an attempt came to, and when.
type Slot = Arc<Mutex<Option<(u64, Told)>>>;

/// What a node told.
enum Told {
    Wrote(Revision, bool, Position),
    Read(Option<(u64, Revision)>, Position),
    Refused,
    Unknown,
}

impl Clients {
    /// Clients that have done nothing yet.
    pub fn new(load: Load, chance: Chance) -> Clients {
        let clients = (0..load.clients).map(|_| Client::default()).collect();
        Clients {
            load,
            history: History::default(),
            chance,
            clients,
            next_value: 0,
            open: true,
        }
    }

    /// What they did so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// From now on nothing new begins, and no request is given up.
    pub fn close(&mut self) {
        self.open = false;
    }

    /// Whether nothing is under way.
    pub fn are_idle(&self) -> bool {
        let asks = |client: &Client| matches!(client.state, State::Asking(_));
        !self.clients.iter().any(asks)
    }

    /// Lets each client do what it is time for.
    pub fn step(&mut self, world: &World) {
        for number in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(number) else {
                continue;
            };
            let mut client = std::mem::take(client);
            client.state = match std::mem::take(&mut client.state) {
                State::New => self.rest(world),
                State::Resting(until) if world.age() < until => State::Resting(until),
                State::Resting(_) if !self.open => State::Resting(world.age()),
                State::Resting(_) => State::Asking(self.begin()),
                State::Asking(asked) => self.go_on(world, &mut client, asked),
            };
            if let Some(place) = self.clients.get_mut(number) {
                *place = client;
            }
        }
    }

    fn rest(&self, world: &World) -> State {
        let millis = self.chance.below(self.load.rest.as_millis() as u64 + 1);
        State::Resting(world.age() + Duration::from_millis(millis))
    }

    fn begin(&mut self) -> Asked {
        let key = self.chance.below(self.load.keys);
        let action = match self.chance.below(10) {
            0..=4 => {
                self.next_value += 1;
                Action::Put(self.next_value)
            }
            5 => Action::Delete,
            _ => Action::Get,
        };
        let has_request = action != Action::Get && self.chance.below(5) > 0;
        let number = self.history.begin(key, action, has_request);
        let name = format!("request-{number}");
        Asked {
            number,
            key,
            action,
            request: RequestId::new(name).ok().filter(|_| has_request),
            attempts: 0,
            in_doubt: false,
            attempt: None,
            again_at: Duration::ZERO,
        }
    }

    fn go_on(&self, world: &World, client: &mut Client, mut asked: Asked) -> State {
        let Some(attempt) = &asked.attempt else {
            if world.age() >= asked.again_at {
                self.send(world, client, &mut asked);
            }
            return State::Asking(asked);
        };
        let told = attempt
            .slot
            .lock()
            .expect("invariant: nobody panics while answering")
            .take();
        let gone = world.lives(attempt.machine) != attempt.life
            || !world.is_running(attempt.machine)
            || world.age() >= attempt.until;
        let (moment, told) = match told {
            Some(told) => told,
            None if gone => (self.history.moment(), Told::Unknown),
            None => return State::Asking(asked),
        };
        self.hear(world, client, asked, moment, told)
    }

    fn send(&self, world: &World, client: &Client, asked: &mut Asked) {
        let machine = self.chance.below(world.size() as u64) as usize;
        let Some(node) = world.node(machine) else {
            // Nobody was there to take it.
            asked.again_at = world.age() + AGAIN_AFTER;
            return;
        };
        asked.attempts += 1;
        if asked.attempts > 1 {
            self.history.note_repeated();
        }
        let slot = Slot::default();
        let (filled, history) = (slot.clone(), self.history.clone());
        let (key, action, request) = (asked.key, asked.action, asked.request.clone());
        let at_least = client.position.filter(|_| self.chance.below(3) == 0);
        world.spawn(machine, async move {
            let told = tell(&node, key, action, request).await;
            *filled
                .lock()
                .expect("invariant: nobody panics while answering") =
                Some((history.moment(), told));
            if let Some(at_least) = at_least {
                check_session(&node, key, at_least, &history).await;
            }
        });
        asked.attempt = Some(Attempt {
            slot,
            machine,
            life: world.lives(machine),
            until: world.age() + PATIENCE,
        });
    }

    fn hear(
        &self,
        world: &World,
        client: &mut Client,
        mut asked: Asked,
        moment: u64,
        told: Told,
    ) -> State {
        let answer = match told {
            Told::Wrote(revision, existed, position) => {
                self.history.acknowledge(position.index.0);
                client.sees(asked.key, revision, position);
                Answer::Wrote {
                    revision,
                    existed: Some(existed),
                }
            }
            Told::Read(read, position) => {
                if let Some((_, revision)) = read {
                    client.sees(asked.key, revision, position);
                }
                Answer::Read(read)
            }
            told => {
                asked.in_doubt |= matches!(told, Told::Unknown);
                let repeatable = asked.request.is_some() || !asked.in_doubt;
                let patient = asked.attempts < ATTEMPTS_MAX || !self.open;
                if repeatable && patient && asked.action != Action::Get {
                    asked.attempt = None;
                    asked.again_at = world.age() + AGAIN_AFTER;
                    return State::Asking(asked);
                }
                match asked.in_doubt {
                    true => Answer::Unknown,
                    false => Answer::Refused,
                }
            }
        };
        self.history.end(asked.number, moment, answer);
        self.rest(world)
    }
}

impl Client {
    fn sees(&mut self, key: u64, revision: Revision, position: Position) {
        let seen = self.seen.entry(key).or_insert(revision);
        *seen = (*seen).max(revision);
        self.position = self.position.max(Some(position));
    }
}

/// The key of a number.
pub fn key_name(key: u64) -> Bytes {
    format!("key/{key}").into()
}

async fn tell(node: &Node, key: u64, action: Action, request: Option<RequestId>) -> Told {
    let command = match action {
        // To the judge they are alike.
        Action::Get if key.is_multiple_of(2) => return read(node, key, Consistency::Lease).await,
        Action::Get => return read(node, key, Consistency::Linearizable).await,
        Action::Put(value) => kv::Command::Put {
            key: key_name(key),
            value: value.to_string().into(),
        },
        Action::Delete => kv::Command::Delete { key: key_name(key) },
    };
    match node.write(request, vec![Command::Kv(command)]).await {
        Ok(written) => match written.replies.first() {
            Some(Reply::Kv(kv::Reply::Put { revision, created })) => {
                Told::Wrote(*revision, !created, written.position)
            }
            Some(Reply::Kv(kv::Reply::Delete { revision, existed })) => {
                Told::Wrote(*revision, *existed, written.position)
            }
            _ => Told::Unknown,
        },
        Err(Failure::Unknown { .. } | Failure::Fatal { .. }) => Told::Unknown,
        Err(_) => Told::Refused,
    }
}

async fn read(node: &Node, key: u64, consistency: Consistency) -> Told {
    match node.get(&key_name(key), consistency).await {
        Ok((found, position)) => {
            let read = found.and_then(|found| {
                let text = String::from_utf8(found.value.to_vec()).ok()?;
                Some((text.parse().ok()?, found.revision))
            });
            Told::Read(read, position)
        }
        Err(_) => Told::Refused,
    }
}

/// A read at a position is not older than it.
async fn check_session(node: &Node, key: u64, at_least: Position, history: &History) {
    if let Told::Read(_, position) = read(node, key, Consistency::Session(at_least)).await
        && position < at_least
    {
        let what = format!("a read that asked for {at_least} or later was answered at {position}");
        history.note_broken(what);
    }
}
