//! The loop of the stand-in: what the API server says, turned into pods that live.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::command::write_hosts;
use super::shared::Shared;
use super::{life, nodes, scheduler, volumes};

/// How often pods without a node are looked at again.
const TICK: Duration = Duration::from_millis(100);
/// How often volumes without a claim are looked for.
const RECLAIM_EVERY: Duration = Duration::from_secs(2);

/// Works until it is dropped.
pub(super) async fn work(shared: Arc<Shared>, nodes: Vec<String>) {
    let pods = Api::<Pod>::namespaced(shared.client.clone(), &shared.namespace);
    let (store, writer) = reflector::store();
    let events = watcher(pods, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .touched_objects();
    let mut events = std::pin::pin!(events);
    let mut tick = tokio::time::interval(TICK);
    let mut rounds = Rounds {
        shared,
        nodes,
        lives: HashMap::new(),
        tasks: JoinSet::new(),
        bound: HashSet::new(),
        reclaimed: Instant::now(),
        renewed: Instant::now(),
    };
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(_)) => {}
                Some(Err(error)) => rounds.shared.note(&format!("the watch of pods: {error}")),
                None => return,
            },
            _ = tick.tick() => {}
        }
        if let Err(error) = rounds.round(&store).await {
            rounds.shared.note(&format!("{error:#}"));
        }
    }
}

struct Rounds {
    shared: Arc<Shared>,
    nodes: Vec<String>,
    lives: HashMap<String, watch::Sender<Option<Arc<Pod>>>>,
    tasks: JoinSet<()>,
    bound: HashSet<String>,
    reclaimed: Instant,
    renewed: Instant,
}

impl Rounds {
    async fn round(&mut self, store: &Store<Pod>) -> Result<()> {
        let pods = store.state();
        self.write_hosts(&pods)?;
        self.pass_on(&pods);
        self.schedule(&pods).await?;
        if self.reclaimed.elapsed() > RECLAIM_EVERY {
            volumes::reclaim(&self.shared).await?;
            self.reclaimed = Instant::now();
        }
        if self.renewed.elapsed() > nodes::RENEW_EVERY {
            for node in &self.nodes {
                nodes::renew(&self.shared, node).await?;
            }
            self.renewed = Instant::now();
        }
        Ok(())
    }

    /// Tells each life what its pod is now, and begins the lives of new pods. A life that ended begins no second
    /// time, as its pod stays known until the object is gone.
    fn pass_on(&mut self, pods: &[Arc<Pod>]) {
        while self.tasks.try_join_next().is_some() {}
        let mut present = HashSet::new();
        for pod in pods {
            if !self.is_ours(pod) {
                continue;
            }
            let uid = pod.uid().unwrap_or_default();
            present.insert(uid.clone());
            let sender = self.lives.entry(uid).or_insert_with(|| {
                let (sender, receiver) = watch::channel(Some(pod.clone()));
                self.tasks.spawn(life::live(self.shared.clone(), receiver));
                sender
            });
            sender.send_if_modified(|known| {
                let version = known.as_ref().map(|known| known.resource_version());
                let changed = version != Some(pod.resource_version());
                *known = Some(pod.clone());
                changed
            });
        }
        self.lives.retain(|uid, sender| {
            let there = present.contains(uid);
            if !there {
                sender.send_replace(None);
            }
            there
        });
    }

    fn is_ours(&self, pod: &Pod) -> bool {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
        node.is_some_and(|node| self.nodes.contains(node))
    }

    async fn schedule(&mut self, pods: &[Arc<Pod>]) -> Result<()> {
        let mut load = BTreeMap::new();
        for pod in pods {
            if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()) {
                *load.entry(node).or_insert(0) += 1;
            }
        }
        for pod in pods {
            let uid = pod.uid().unwrap_or_default();
            let placed = pod.spec.as_ref().is_some_and(|s| s.node_name.is_some());
            let deleted = pod.metadata.deletion_timestamp.is_some();
            if placed || deleted || self.bound.contains(&uid) {
                continue;
            }
            match scheduler::step(&self.shared, pod, &load).await {
                Ok(true) => {
                    self.bound.insert(uid);
                    // The load changed: the next pod is placed with the next event, which this one causes.
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => self.shared.note(&format!("{}: {error:#}", pod.name_any())),
            }
        }
        Ok(())
    }

    /// The names that a cluster's DNS would know, where they changed.
    fn write_hosts(&self, pods: &[Arc<Pod>]) -> Result<()> {
        let mut pods: Vec<_> = pods.iter().filter(|pod| self.is_ours(pod)).collect();
        pods.sort_by_key(|pod| pod.name_any());
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for pod in &pods {
            let spec = pod.spec.clone().unwrap_or_default();
            let address = self.shared.addresses.of(&pod.name_any())?;
            if let (Some(host), Some(domain)) = (spec.hostname, spec.subdomain) {
                let name = format!("{host}.{domain}.{}.svc", self.shared.namespace);
                writeln!(text, "{address} {name}.cluster.local {name}")?;
            }
        }
        {
            let mut known = self
                .shared
                .hosts
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if *known == text {
                return Ok(());
            }
            known.clone_from(&text);
        }
        for pod in pods {
            let root = self.shared.pod_folder(&pod.uid().unwrap_or_default());
            let root = root.join("root");
            if root.join("etc").is_dir() {
                write_hosts(&root, &text)?;
            }
        }
        Ok(())
    }
}
