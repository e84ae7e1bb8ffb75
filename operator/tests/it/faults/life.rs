//! One namespace with one Cluster, hands that play its nodes, and an operator that is started again when it dies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use crds::Cluster;
use e2e::control_plane::ControlPlane;
use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use kube::Client;
use kube::api::Api;
use operator::config::{Config, LeaseConfig, Pace};
use serde_json::Value;

use super::director::{Director, Write};
use super::end;
use super::fault::Fault;
use super::play::World;
use super::scenes::Scene;
use super::supervisor::Supervised;
use super::theatre::{House, Theatre};
use crate::bed::OPERATOR;

/// How long anything may take on a busy machine.
pub const WITHIN: Duration = Duration::from_secs(120);
/// Lease of an operator that is not to lose it.
const LEASE: Duration = Duration::from_secs(15);
const EVERY: Duration = Duration::from_millis(50);

/// Name of every Cluster.
pub const CLUSTER: &str = "demo";

/// How long one may still wait for something. (A closure that waits cannot be sent to another thread.)
pub struct Deadline {
    what: &'static str,
    start: Instant,
}

impl Deadline {
    /// The wait for the end of `what` begins.
    pub fn start(what: &'static str) -> Deadline {
        Deadline {
            what,
            start: Instant::now(),
        }
    }

    /// Waits a little; an error once it was too long.
    pub async fn wait(&self) -> Result<()> {
        ensure!(
            self.start.elapsed() < WITHIN,
            "{}: waited {} s in vain",
            self.what,
            WITHIN.as_secs()
        );
        tokio::time::sleep(EVERY).await;
        Ok(())
    }
}

/// The life of one Cluster.
pub struct Life {
    /// Its namespace.
    pub namespace: String,
    /// A client that may do everything.
    pub client: Client,
    /// The Clusters of the namespace.
    pub clusters: Api<Cluster>,
    /// Who decides what becomes of the operator's requests.
    pub director: Arc<Director>,
    world: World,
    operator: Supervised,
    /// UIDs of the volume claims seen so far, by name.
    volumes: BTreeMap<String, String>,
}

/// Never a volume, never more than the one object that was looked at, and nobody waits for what hangs on it.
fn check_deletion(write: &Write) -> Result<()> {
    let path = &write.path;
    ensure!(
        !path.contains("/persistentvolumeclaims"),
        "the operator deletes a volume: {path}"
    );
    let options: DeleteOptions = serde_json::from_slice(&write.body)?;
    let uid = options
        .preconditions
        .and_then(|preconditions| preconditions.uid);
    ensure!(uid.is_some(), "{path} is deleted whoever it is");
    let wanted = match path.contains("/statefulsets/") {
        true => &["Orphan", "Background"][..],
        false => &["Background"],
    };
    let propagation = options.propagation_policy.unwrap_or_default();
    ensure!(
        wanted.contains(&propagation.as_str()),
        "{path} is deleted with {propagation:?}"
    );
    Ok(())
}

/// What one scene came to.
#[derive(Clone, Debug)]
pub struct Played {
    /// The operator's writes, Leases apart.
    pub writes: usize,
    /// How many processes died.
    pub cuts: usize,
    /// What was there at the end.
    pub end: Value,
}

/// An operator's configuration for one namespace: no debounce to speak of, and short delays after a failure.
pub fn config(namespace: &str, identity: &str, ttl: Duration) -> Config {
    Config {
        watch_namespace: Some(namespace.to_owned()),
        metrics_address: None,
        lease: Some(LeaseConfig::lasting(ttl, namespace, OPERATOR)),
        identity: identity.to_owned(),
        pace: Pace {
            debounce: Duration::from_millis(20),
            retry_min: Duration::from_millis(20),
            retry_max: Duration::from_millis(500),
            // A whole second for each of some hundred writes would make the life of that refusal a long one.
            asked_max: Duration::from_millis(500),
        },
    }
}

impl Life {
    /// Begins a life: a namespace of this name and an operator, and no Cluster yet.
    pub async fn begin(theatre: &Theatre, namespace: &str) -> Result<Life> {
        Life::begin_with(theatre, namespace, LEASE).await
    }

    /// Begins one whose operator has a lease of this duration.
    pub async fn begin_with(theatre: &Theatre, namespace: &str, ttl: Duration) -> Result<Life> {
        Life::begin_in(&theatre.house, theatre.control_plane, namespace, ttl).await
    }

    /// Begins one in a house of its own.
    pub async fn begin_in(
        house: &House,
        control_plane: &ControlPlane,
        namespace: &str,
        ttl: Duration,
    ) -> Result<Life> {
        house.furnish(namespace).await?;
        let client = house.client.clone();
        let director = Director::new();
        let access = control_plane.config_as(namespace, OPERATOR).await?;
        let config = config(namespace, "operator", ttl);
        Ok(Life {
            world: World::start(&client, namespace),
            operator: Supervised::start(access, config, director.clone()),
            clusters: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            client,
            director,
            volumes: BTreeMap::new(),
        })
    }

    /// Plays one scene under a fault, until it is over and looks like `wanted` where that is given.
    pub async fn play(
        &mut self,
        scene: Scene,
        fault: Fault,
        wanted: Option<&Value>,
    ) -> Result<Played> {
        let said = format!("{}: {scene:?}, {fault}", self.namespace);
        let played = self.play_silently(scene, fault, wanted).await;
        match played {
            Ok(played) => Ok(played),
            Err(error) => bail!("{said}: {error:#}\n{}", self.describe().await),
        }
    }

    async fn play_silently(
        &mut self,
        scene: Scene,
        fault: Fault,
        wanted: Option<&Value>,
    ) -> Result<Played> {
        self.director.set(fault);
        scene.act(self).await.context("failed to begin the scene")?;
        let deadline = Deadline::start("the scene is not over, or not as it should be");
        let end = loop {
            self.check()?;
            if scene.is_over(self).await? {
                let end = end::of(self).await?;
                let done = match wanted {
                    Some(wanted) => end::differences(wanted, &end).is_empty(),
                    None => self.is_silent().await,
                };
                if done {
                    break end;
                }
            }
            if let Err(late) = deadline.wait().await {
                let end = end::of(self).await?;
                let differences = wanted.map(|wanted| end::differences(wanted, &end));
                return Err(late.context(format!("differences: {differences:#?}")));
            }
        };
        // A write that was under way while its Cluster was deleted may be the last: Kubernetes collects what it made.
        let collected = Deadline::start("something stays without an owner");
        while let Err(orphaned) = end::check_nothing_is_orphaned(self).await {
            collected
                .wait()
                .await
                .with_context(|| format!("{orphaned:#}"))?;
        }
        end::check_volumes(self).await.and_then(|volumes| {
            let lost = self
                .volumes
                .iter()
                .find(|(name, uid)| volumes.get(*name) != Some(uid));
            ensure!(lost.is_none(), "a volume claim is gone: {lost:?}");
            self.volumes = volumes;
            Ok(())
        })?;
        Ok(Played {
            writes: self.director.count(),
            cuts: self.director.cuts(),
            end,
        })
    }

    /// True when the operator wrote nothing for a while.
    pub async fn is_silent(&self) -> bool {
        let before = self.director.count();
        tokio::time::sleep(EVERY * 20).await;
        self.director.count() == before
    }

    /// An error where somebody has ended who must not, or did what nobody may.
    pub fn check(&self) -> Result<()> {
        self.world.check()?;
        ensure!(self.operator.runs(), "the operator ended by itself");
        let writes = self.director.writes();
        let mut deletions = writes.iter().filter(|write| write.method == Method::DELETE);
        deletions.try_for_each(check_deletion)
    }

    /// What it looks like, for the message of a failed test.
    pub async fn describe(&self) -> String {
        let status = match self.clusters.get_opt(CLUSTER).await {
            Ok(cluster) => format!("{:#?}", cluster.and_then(|cluster| cluster.status)),
            Err(error) => format!("(failed to read the Cluster: {error})"),
        };
        let writes = self.director.writes();
        let last: Vec<String> = writes
            .iter()
            .rev()
            .take(60)
            .map(|write| {
                format!(
                    "{} {} {} {:?}",
                    write.process, write.method, write.path, write.fate
                )
            })
            .collect();
        format!("status: {status}\nlatest writes first: {last:#?}")
    }

    /// Ends it: the operator stops in good order.
    pub async fn end(self) -> Result<()> {
        self.director.set(Fault::None);
        let stopped = self.operator.stop().await;
        stopped.context("the operator did not stop in good order")
    }
}
