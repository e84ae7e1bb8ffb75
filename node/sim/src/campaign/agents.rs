//! The agents of the nodes, and what they share: ClusterNodes as an API server keeps them.
//!
//! The agent is the real one but for its calls. What it sees is late, what it writes comes late, twice as it thinks or not
//! at all, and at times it cannot reach the API server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crds::{ClusterNode, ClusterNodeSpec, Membership};
use node_agent::{Acted, Action, Agent, Due, Reported};
use node_api::proto;
use node_replication::MemberId;
use node_server::admin::{Roster, member_wish, node_status};
use node_server::{Loss, Node};

use crate::World;
use crate::host::Chance;

/// Name of the Cluster.
const CLUSTER: &str = "sim";
/// How often an agent looks.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// The longest time until a report arrives.
const ARRIVES_AFTER_MS_MAX: u64 = 150;

/// All ClusterNodes, and the agents of the machines.
pub struct Agents {
    chance: Chance,
    /// By machine.
    nodes: Vec<ClusterNode>,
    desks: Vec<Option<Desk>>,
    looks_at: Duration,
    /// Nobody reaches the API server until then.
    away_until: Duration,
}

/// The agent of one life of a machine, and its calls under way.
struct Desk {
    life: u64,
    agent: Agent,
    report: Option<(Reported, Duration)>,
    action: Option<Call>,
}

/// An action under way.
struct Call {
    action: Action,
    outcome: Outcome,
}

type Outcome = Arc<Mutex<Option<Result<Acted, String>>>>;

impl Agents {
    /// Agents of a world that is formed: its nodes are wished to be what they are.
    pub fn new(chance: Chance, world: &World) -> Agents {
        let machines = world.size();
        let node = |n: usize| {
            let member = world.id(n);
            let spec = ClusterNodeSpec {
                cluster: CLUSTER.to_owned(),
                member_id: member.map(|id| id.to_string()),
                membership: match member {
                    Some(_) => Membership::Voter,
                    None => Membership::Learner,
                },
                bootstrap: None,
                recover: None,
                fenced: false,
                leadership: crds::Leadership::Allowed,
                // Above those that the forming of the cluster used.
                epoch: 10,
                operation_id: None,
            };
            let mut node = ClusterNode::new(&name(n), spec);
            node.metadata.uid = Some(format!("uid-{n}"));
            node
        };
        Agents {
            chance,
            nodes: (0..machines).map(node).collect(),
            desks: (0..machines).map(|_| None).collect(),
            looks_at: Duration::ZERO,
            away_until: Duration::ZERO,
        }
    }

    /// The ClusterNodes, for whoever wishes; nothing while the API server is away.
    pub fn nodes(&mut self, age: Duration) -> Option<&mut [ClusterNode]> {
        (age >= self.away_until).then_some(&mut self.nodes)
    }

    /// Nobody reaches the API server until the world is so old.
    pub fn cut_off(&mut self, until: Duration) {
        self.away_until = until;
    }

    /// Has every agent do what is due.
    pub fn step(&mut self, world: &World) {
        if world.age() < self.looks_at {
            return;
        }
        self.looks_at = world.age() + LOOKS_EVERY;
        for n in 0..self.nodes.len() {
            self.look(n, world);
        }
    }

    fn look(&mut self, n: usize, world: &World) {
        let (life, now) = (world.lives(n), world.age());
        let (Some(node), Some(desk)) = (world.node(n), self.desks.get_mut(n)) else {
            return;
        };
        if world.stands_still(n) {
            return;
        }
        // An agent lives and dies with its node.
        let desk = match desk {
            Some(desk) if desk.life == life => desk,
            _ => desk.insert(Desk {
                life,
                agent: Agent::new(&name(n), CLUSTER, &format!("pod-{n}-{life}")),
                report: None,
                action: None,
            }),
        };
        let reachable = now >= self.away_until;
        if let Some((report, _)) = desk.report.take_if(|(_, at)| *at <= now) {
            // Whether it was written and whether its writer hears of it are two things.
            let written = reachable && self.chance.below(20) > 0;
            if let Some(node) = self.nodes.get_mut(n).filter(|_| written) {
                node.status = Some(report.status.clone());
            }
            let told = written && self.chance.below(20) > 0;
            desk.agent.reported(report, told, now);
        }
        if let Some(outcome) = desk.action.as_ref().and_then(Call::outcome)
            && let Some(call) = desk.action.take()
        {
            desk.agent.acted(call.action, outcome, now);
        }
        desk.agent.see_node(node_status(node.status()).into());
        let sees_all = desk.agent.leads();
        for (other, object) in self.nodes.iter().enumerate() {
            let watched = other == n || sees_all;
            if watched && reachable && self.chance.below(4) > 0 {
                desk.agent.see_wish(name(other), Some(object));
            }
        }
        desk.agent.keep_wishes(|seen| sees_all || seen == name(n));
        for due in desk.agent.due(now) {
            match due {
                Due::Report(_, report) => {
                    let late = Duration::from_millis(self.chance.below(ARRIVES_AFTER_MS_MAX));
                    desk.report = Some((*report, now + late));
                }
                Due::Act(action) => desk.action = Some(Call::begin(n, action, node.clone(), world)),
            }
        }
    }
}

fn name(n: usize) -> String {
    format!("n{n}")
}

impl Call {
    fn begin(n: usize, action: Action, node: Node, world: &World) -> Call {
        let outcome = Outcome::default();
        let (told, asked) = (outcome.clone(), action.clone());
        let (trace, age) = (world.trace().clone(), world.age());
        trace.note(age, format!("the agent of n{n} is to {action}"));
        world.spawn(n, async move {
            let done = act(&node, asked).await;
            if let Err(refusal) = &done {
                trace.note(age, format!("that was refused: {refusal}"));
            }
            *told
                .lock()
                .expect("invariant: nobody panics while telling an outcome") = Some(done);
        });
        Call { action, outcome }
    }

    /// What it came to, once it is over.
    fn outcome(&self) -> Option<Result<Acted, String>> {
        let mut told = self
            .outcome
            .lock()
            .expect("invariant: nobody panics while telling an outcome");
        told.take()
    }
}

/// What the admin API does with an action, below its codecs.
async fn act(node: &Node, action: Action) -> Result<Acted, String> {
    let done = match action {
        Action::ReportStatus(_) => Ok(()),
        Action::SetFence { fenced } => node.set_fence(fenced).await,
        Action::Bootstrap { member, voters } => {
            let founded = node.bootstrap(MemberId(member.0), voters).await;
            founded.map(drop)
        }
        Action::Recover { member, position } => {
            let position = position.parse().map_err(|_| "no position".to_owned())?;
            let member = MemberId(member.0);
            let begun = node.recover(member, position, Loss::Acknowledged).await;
            begun.map(drop)
        }
        Action::TransferLeadership { to } => node.transfer_leadership(Some(MemberId(to.0))).await,
        Action::ConfirmLeadership { .. } => {
            let term = node.confirm_leadership().await;
            let term = term.map_err(|error| error.to_string())?;
            let now = node_status(node.status()).into();
            return Ok(Acted::Confirmed(Box::new(now), term));
        }
        Action::ChangeMember(change) => {
            let log = node.status().log;
            let roster = Roster {
                at: log.membership_at,
                members: log.members,
            };
            let request = proto::ChangeMemberRequest::from(change);
            let (member, wish, expected) = member_wish(request, &roster)?;
            node.change_member(member, wish, expected).await.map(drop)
        }
    };
    done.map(|()| Acted::Done)
        .map_err(|error| error.to_string())
}
