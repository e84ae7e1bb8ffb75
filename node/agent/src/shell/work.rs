//! The loop around the agent: something happened, it says what is due, that begins.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crds::{ClusterNode, names};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::Api;
use node_api::{AdminClient, CallError};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::StreamMap;

use super::admin;
use super::calls::{self, ReportError};
use super::outage::{Outage, chain};
use super::watches;
use crate::agent::{Acted, Agent, Due};
use crate::config::Config;
use crate::decide::{Action, Reported};
use crate::node::Node;

/// How often the agent looks again although nothing happened: waits end and tokens come back.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Most ClusterNodes that a leader watches; a Cluster has at most 15.
const NODES_MAX: usize = 32;
/// What the log calls the write of a status.
const REPORT: &str = "report";

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

/// An agent with its watches and calls.
pub struct Shell {
    config: Config,
    client: Client,
    admin: AdminClient,
    started: Instant,
    outage: Arc<Outage>,
    streams: StreamMap<Source, BoxStream<'static, Event>>,
    /// At most one report and one action.
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    /// The ClusterNodes of the Cluster; empty where the node does not lead.
    names: Vec<String>,
    agent: Agent,
}

impl Shell {
    /// An agent that has seen nothing yet.
    pub fn new(config: Config, client: Client, admin: AdminClient) -> Self {
        Self {
            admin,
            started: Instant::now(),
            outage: Arc::default(),
            streams: StreamMap::new(),
            calls: FuturesUnordered::new(),
            names: Vec::new(),
            agent: Agent::new(&config.node_name, &config.cluster, &config.pod_uid),
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
            (_, Event::Node(node)) => self.agent.see_node(*node),
            (_, Event::Names(names)) => self.names = names,
            (Source::ClusterNode(name), Event::ClusterNode(object)) => {
                self.agent.see_wish(name, object.as_deref());
            }
            (Source::Node | Source::Names, Event::ClusterNode(_)) => {}
        }
    }

    /// Only a leader watches the others, so that a Cluster of many nodes is few watches.
    fn adjust_watches(&mut self) {
        if !self.agent.leads() {
            self.names.clear();
            self.streams.remove(&Source::Names);
        } else if !self.streams.contains_key(&Source::Names) {
            self.watch_names();
        }
        let own = &self.config.node_name;
        let listed = |name: &str| name == own || self.names.iter().any(|listed| listed == name);
        let gone: Vec<Source> = self
            .streams
            .keys()
            .filter(|source| matches!(source, Source::ClusterNode(name) if !listed(name)))
            .cloned()
            .collect();
        self.agent.keep_wishes(listed);
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

    /// Begins what is due now.
    fn begin(&mut self) {
        for due in self.agent.due(self.now()) {
            match due {
                Due::Report(name, report) => self.begin_report(name, report),
                Due::Act(action) => self.begin_action(action),
            }
        }
    }

    fn begin_report(&mut self, name: String, report: Box<Reported>) {
        let write = calls::report(self.nodes(), name, report.status.clone());
        let call = async move { Done::Reported(report, write.await) };
        self.calls.push(Box::pin(call));
    }

    fn begin_action(&mut self, action: Action) {
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
        match &result {
            Ok(()) => self.outage.answered(REPORT),
            Err(error) => self.outage.failed(REPORT, error),
        }
        self.agent.reported(report, result.is_ok(), self.now());
    }

    fn finish_action(&mut self, action: Action, result: Result<Acted, CallError>) {
        let (now, told) = (self.now(), action.to_string());
        match result {
            Ok(acted) => {
                tracing::info!(action = told, "done");
                self.agent.acted(action, Ok(acted), now);
            }
            Err(error) => {
                let reason = chain(&error);
                if self.agent.acted(action, Err(reason.clone()), now) {
                    tracing::warn!(action = told, reason, "failed; it will be tried again");
                }
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
