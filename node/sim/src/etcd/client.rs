//! Clients of etcd's API that each do one thing after the other, through nodes drawn by chance; some keep leases.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::PutRequest;
use node_api::etcd::etcdserverpb::request_op::Request;

use super::asks::{self, Ask, Operation, Said};
use super::draws::{Draws, key};
use super::{Record, draws};
use crate::clients::History;
use crate::host::Chance;
use crate::world::World;

/// Those that read and write.
const WRITERS: usize = 4;
/// Those that keep leases.
const LEASERS: usize = 2;
/// Longest rest between two operations, in milliseconds.
const REST_MS: u64 = 600;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(12);

/// All clients of a world.
pub struct Clients {
    moments: History,
    chance: Chance,
    operations: Vec<Operation>,
    clients: Vec<Client>,
    /// The lease that was granted last.
    lease: i64,
    leases: i64,
    /// False once nothing new begins.
    open: bool,
}

/// One client.
struct Client {
    leases: bool,
    lease: Option<Leased>,
    /// Until when it rests.
    rests: Duration,
    under_way: Option<Asked>,
}

/// A lease that a client keeps.
#[derive(Clone, Copy)]
struct Leased {
    id: i64,
    seconds: i64,
    /// How many keys are to be attached to it.
    keys: u64,
    /// How often it is to be kept alive.
    beats: u64,
}

/// An operation under way.
struct Asked {
    number: usize,
    slot: Slot,
    machine: usize,
    life: u64,
    until: Duration,
}

/// What it came to, and when.
type Slot = Arc<Mutex<Option<(u64, Said)>>>;

impl Clients {
    /// Clients that have done nothing yet; moments are those of `moments`.
    pub fn new(chance: Chance, moments: History) -> Clients {
        let client = |number| Client {
            leases: number >= WRITERS,
            lease: None,
            rests: Duration::ZERO,
            under_way: None,
        };
        Clients {
            moments,
            chance,
            operations: Vec::new(),
            clients: (0..WRITERS + LEASERS).map(client).collect(),
            lease: 0,
            leases: 0,
            open: true,
        }
    }

    /// What they did so far.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// From now on nothing new begins.
    pub fn close(&mut self) {
        self.open = false;
    }

    /// Whether nothing is under way.
    pub fn are_idle(&self) -> bool {
        self.clients.iter().all(|client| client.under_way.is_none())
    }

    /// Lets each client do what it is time for.
    pub fn step(&mut self, world: &World, record: &Record) {
        let mut clients = std::mem::take(&mut self.clients);
        for client in &mut clients {
            match client.under_way.take() {
                Some(asked) => client.under_way = self.hear(world, client, asked),
                None if self.open && world.age() >= client.rests => {
                    client.under_way = self.begin(world, record, client);
                }
                None => {}
            }
        }
        self.clients = clients;
    }

    fn begin(&mut self, world: &World, record: &Record, client: &mut Client) -> Option<Asked> {
        let machine = self.chance.below(world.size() as u64) as usize;
        let Some(node) = world.node(machine) else {
            // Nobody is there to take it.
            client.rests = world.age() + Duration::from_millis(100);
            return None;
        };
        let ask = match client.leases {
            true => self.of_lease(client),
            false => self.draw(record),
        };
        let now = (self.moments.moment(), world.age());
        let number = self.operations.len();
        self.operations.push(Operation {
            ask: ask.clone(),
            invoked: now,
            returned: (u64::MAX, Duration::MAX),
            said: Said::Unknown,
        });
        let slot = Slot::default();
        let (filled, moments) = (slot.clone(), self.moments.clone());
        world.spawn(machine, async move {
            let said = asks::tell(node, ask).await;
            *filled
                .lock()
                .expect("invariant: nobody panics while answering") =
                Some((moments.moment(), said));
        });
        Some(Asked {
            number,
            slot,
            machine,
            life: world.lives(machine),
            until: world.age() + PATIENCE,
        })
    }

    fn draw(&self, record: &Record) -> Ask {
        let mut draws = Draws {
            chance: &self.chance,
            record,
            lease: self.lease,
            name: format!("v{}", self.operations.len()),
            values: 0,
        };
        draws.ask()
    }

    fn of_lease(&mut self, client: &mut Client) -> Ask {
        let Some(leased) = &mut client.lease else {
            self.leases += 1;
            let leased = Leased {
                id: 1000 + self.leases,
                seconds: 2 + self.chance.below(3) as i64,
                keys: 1 + self.chance.below(3),
                beats: self.chance.below(16),
            };
            client.lease = Some(leased);
            return Ask::Grant(leased.id, leased.seconds);
        };
        if leased.keys > 0 {
            leased.keys -= 1;
            return Ask::Step(Request::RequestPut(PutRequest {
                key: key(self.chance.below(draws::KEYS)),
                value: format!("v{}", self.operations.len()).into(),
                lease: leased.id,
                ..PutRequest::default()
            }));
        }
        if leased.beats > 0 {
            leased.beats -= 1;
            return Ask::KeepAlive(leased.id);
        }
        let id = leased.id;
        client.lease = None;
        match self.chance.below(4) {
            0 => Ask::Revoke(id),
            // Left alone: it ends by itself.
            _ => Ask::KeepAlive(id),
        }
    }

    fn hear(&mut self, world: &World, client: &mut Client, asked: Asked) -> Option<Asked> {
        let told = asked
            .slot
            .lock()
            .expect("invariant: nobody panics while answering")
            .take();
        let gone = world.lives(asked.machine) != asked.life
            || !world.is_running(asked.machine)
            || world.age() >= asked.until;
        let (moment, said) = match told {
            Some((moment, said)) => (moment, said),
            None if gone => (self.moments.moment(), Said::Unknown),
            None => return Some(asked),
        };
        let rest = Duration::from_millis(self.chance.below(REST_MS));
        client.rests = world.age() + rest;
        let operation = self.operations.get_mut(asked.number)?;
        let kind = match &said {
            Said::Step(_) | Said::Done(_) => "done",
            Said::Alive(true) => "it lives",
            Said::Alive(false) => "it is gone",
            Said::Refused(why) => why,
            Said::Unknown => "nobody knows",
        };
        let what = format!(
            "etcd request {} through n{}: {kind}",
            asked.number, asked.machine
        );
        world.trace().note(world.age(), what);
        let over = said == Said::Alive(false)
            || matches!(&said, Said::Refused(why) if why == Error::LeaseNotFound.message() || why == Error::NotCapable.message());
        if over {
            client.lease = None;
        }
        if let (Ask::Grant(id, _), Said::Done(_)) = (&operation.ask, &said) {
            self.lease = *id;
        }
        if said != Said::Unknown {
            operation.returned = (moment, world.age());
        }
        operation.said = said;
        None
    }
}
