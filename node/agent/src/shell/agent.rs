//! What the agent knows, and its loop: something happened, decide, begin what was decided.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crds::{ClusterNode, ClusterNodeStatus, names};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::Api;
use node_api::{AdminClient, CallError};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::StreamMap;

use super::admin::{self, Acted};
use super::backoff::Backoff;
use super::calls::{self, ReportError};
use super::outage::{Outage, chain};
use super::watches;
use crate::config::Config;
use crate::decide::{Acting, Action, Confirmed, Observed, Reported, Reporting, decide};
use crate::node::Node;
use crate::wish::Wish;

/// How often the agent looks again although nothing happened: waits end and tokens come back.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Most ClusterNodes that a leader watches; a Cluster has at most 15.
const NODES_MAX: usize = 32;
/// What the log calls the write of a status.
const REPORT: &str = "report";
/// First and longest wait after a report that failed.
const REPORT_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
/// First and longest wait after an action that failed.
const ACT_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
/// After a success: the time in which the node's status must show it.
const SETTLE: Duration = Duration::from_secs(2);

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// The node's admin API.
    Node,
    /// The ConfigMap that lists the ClusterNodes.
    Names,
    /// One ClusterNode.
    ClusterNode(String),
}

/// What a watch shows.
enum Event {
    Node(Box<Node>),
    Names(Vec<String>),
    ClusterNode(Option<Box<ClusterNode>>),
}

/// What came of a call.
enum Done {
    Reported(Box<Reported>, Result<(), ReportError>),
    Acted(Action, Result<Acted, CallError>),
}

/// One agent.
pub struct Agent {
    config: Config,
    client: Client,
    admin: AdminClient,
    started: Instant,
    outage: Arc<Outage>,
    streams: StreamMap<Source, BoxStream<'static, Event>>,
    /// At most one report and one action.
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    node: Option<Node>,
    names: Vec<String>,
    wishes: BTreeMap<String, Wish>,
    reporting: Reporting,
    report_backoff: Backoff,
    acting: Acting,
    act_backoff: Backoff,
}

impl Agent {
    /// An agent that has seen nothing yet.
    pub fn new(config: Config, client: Client, admin: AdminClient) -> Self {
        let backoff = |(first, longest): (_, _)| Backoff::new(first, longest, &config.node_name);
        Self {
            admin,
            started: Instant::now(),
            outage: Arc::default(),
            streams: StreamMap::new(),
            calls: FuturesUnordered::new(),
            node: None,
            names: Vec::new(),
            wishes: BTreeMap::new(),
            reporting: Reporting::default(),
            report_backoff: backoff(REPORT_RETRY),
            acting: Acting::default(),
            act_backoff: backoff(ACT_RETRY),
            config,
            client,
        }
    }

    /// Works until it is dropped.
    pub async fn work(mut self) -> Infallible {
        let node = admin::watch(self.admin.clone()).map(|node| Event::Node(Box::new(node)));
        self.streams.insert(Source::Node, node.boxed());
        self.watch_node(self.config.node_name.clone());
        let mut look_again = tokio::time::interval(LOOK_AGAIN);
        look_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some((source, event)) = self.streams.next() => self.see(source, event),
                Some(done) = self.calls.next() => self.finish(done),
                _ = look_again.tick() => {}
            }
            self.adjust_watches();
            self.begin();
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn see(&mut self, source: Source, event: Event) {
        match (source, event) {
            (_, Event::Node(node)) => self.see_node(*node),
            (_, Event::Names(names)) => self.names = names,
            (Source::ClusterNode(name), Event::ClusterNode(object)) => {
                let wish = object.and_then(|object| Wish::read(&object, &self.config.cluster));
                match wish {
                    Some(wish) => self.wishes.insert(name, wish),
                    None => self.wishes.remove(&name),
                };
            }
            (Source::Node | Source::Names, Event::ClusterNode(_)) => {}
        }
    }

    /// A status that was on its way while a younger one came (the answer to a confirmation) is dropped.
    fn see_node(&mut self, node: Node) {
        let progress = |node: &Node| (node.term, node.committed_index, node.applied_index);
        let older = self.node.as_ref().is_some_and(|known| {
            known.member == node.member
                && known.role == crds::Role::Leader
                && node.role == crds::Role::Leader
                && progress(&node) < progress(known)
        });
        if !older {
            self.node = Some(node);
        }
    }

    /// Only a leader watches the others, so that a Cluster of many nodes is few watches.
    fn adjust_watches(&mut self) {
        if !self.node.as_ref().is_some_and(Node::leads) {
            self.names.clear();
            self.streams.remove(&Source::Names);
        } else if !self.streams.contains_key(&Source::Names) {
            self.watch_names();
        }
        let own = &self.config.node_name;
        let listed = |name: &String| name == own || self.names.contains(name);
        let gone: Vec<Source> = self
            .streams
            .keys()
            .filter(|source| matches!(source, Source::ClusterNode(name) if !listed(name)))
            .cloned()
            .collect();
        self.wishes.retain(|name, _| listed(name));
        for source in gone {
            self.streams.remove(&source);
        }
        for name in self.names.clone() {
            if !self
                .streams
                .contains_key(&Source::ClusterNode(name.clone()))
            {
                self.watch_node(name);
            }
        }
    }

    fn watch_names(&mut self) {
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), &self.config.namespace);
        let name = names::config_map(&self.config.cluster);
        let listed = watches::object(maps, &name, self.outage.clone())
            .map(|map| Event::Names(listed_names(map.as_ref())));
        self.streams.insert(Source::Names, listed.boxed());
    }

    fn watch_node(&mut self, name: String) {
        let node = watches::object(self.nodes(), &name, self.outage.clone())
            .map(|object| Event::ClusterNode(object.map(Box::new)));
        self.streams.insert(Source::ClusterNode(name), node.boxed());
    }

    fn nodes(&self) -> Api<ClusterNode> {
        Api::namespaced(self.client.clone(), &self.config.namespace)
    }

    /// Begins what is decided now.
    fn begin(&mut self) {
        let Some(node) = self.node.clone() else {
            return;
        };
        let observed = Observed {
            now: self.now(),
            pod_uid: self.config.pod_uid.clone(),
            node,
            own: self.wishes.get(&self.config.node_name).cloned(),
            wishes: self.wishes.values().cloned().collect(),
            reporting: self.reporting.clone(),
            acting: self.acting.clone(),
        };
        for action in decide(&observed) {
            match (action, &observed.own) {
                (Action::ReportStatus(status), Some(own)) => self.begin_report(own, *status),
                (Action::ReportStatus(_), None) => {}
                (action, _) => self.begin_action(action),
            }
        }
    }

    fn begin_report(&mut self, own: &Wish, status: ClusterNodeStatus) {
        let now = self.now();
        self.reporting.bucket.take(now);
        self.reporting.in_flight = true;
        let write = calls::report(self.nodes(), own.name.clone(), status.clone());
        let report = Reported {
            uid: own.uid.clone(),
            status,
            at: now,
        };
        let call = async move {
            let result = write.await;
            Done::Reported(Box::new(report), result)
        };
        self.calls.push(Box::pin(call));
    }

    fn begin_action(&mut self, action: Action) {
        self.acting.in_flight = true;
        let admin = self.admin.clone();
        let call = async move {
            let result = admin::act(admin, action.clone()).await;
            Done::Acted(action, result)
        };
        self.calls.push(Box::pin(call));
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Reported(report, result) => self.finish_report(*report, result),
            Done::Acted(action, result) => self.finish_action(action, result),
        }
    }

    fn finish_report(&mut self, report: Reported, result: Result<(), ReportError>) {
        self.reporting.in_flight = false;
        match result {
            Ok(()) => {
                self.outage.answered(REPORT);
                self.report_backoff.reset();
                self.reporting.last = Some(report);
            }
            Err(error) => {
                self.outage.failed(REPORT, &error);
                self.reporting.held_until = self.now() + self.report_backoff.fail();
            }
        }
    }

    fn finish_action(&mut self, action: Action, result: Result<Acted, CallError>) {
        let now = self.now();
        match result {
            Ok(acted) => {
                tracing::info!(%action, "done");
                if let (Acted::Confirmed(node, term), Action::ConfirmLeadership { operation }) =
                    (acted, &action)
                {
                    self.node = Some(*node);
                    self.acting.confirmed = Some(Confirmed {
                        operation: operation.clone(),
                        term,
                    });
                }
                self.acting.succeeded(action, now + SETTLE);
            }
            Err(error) => {
                let reason = chain(&error);
                let held_until = now + self.act_backoff.delay(self.acting.failures(&action));
                if self.acting.last_refusal(&action) != Some(&reason) {
                    tracing::warn!(%action, reason, "failed; it will be tried again");
                }
                self.acting.failed(action, reason, held_until);
            }
        }
    }
}

/// The ClusterNodes that the operator lists, one a line.
fn listed_names(map: Option<&ConfigMap>) -> Vec<String> {
    let text = map
        .and_then(|map| map.data.as_ref()?.get(names::NODES_KEY))
        .map_or("", String::as_str);
    let names = text.lines().map(str::trim).filter(|name| !name.is_empty());
    names.take(NODES_MAX).map(str::to_owned).collect()
}
