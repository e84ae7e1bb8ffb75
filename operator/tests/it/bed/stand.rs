//! The bed of one test: its namespace, the chart installed in it, and the kubelet that runs its pods.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use crds::{Cluster, ClusterNode};
use e2e::control_plane::{ControlPlane, Controllers, Options};
use e2e::kubelet::{self, Kubelet};
use e2e::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod};
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use super::{describe, install};

/// How long an operator may take until it is ready, on a busy machine.
const OPERATOR_WITHIN: Duration = Duration::from_secs(60);
/// Name of the operator's Deployment, ServiceAccount and Lease, as the chart has it.
pub const OPERATOR: &str = "kluster-operator";

/// Label of a namespace by which the API server refuses pods.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
/// Five nodes and their fsyncs fill a small machine: one bed at a time.
static TURN: Semaphore = Semaphore::const_new(1);

/// What one test stands on. Its processes die with it.
pub struct Bed {
    /// A client that may do everything.
    pub client: Client,
    /// The namespace of this test.
    pub namespace: String,
    /// The Clusters of the namespace.
    pub clusters: Api<Cluster>,
    /// The ClusterNodes of the namespace.
    pub nodes: Api<ClusterNode>,
    /// The pods of the namespace.
    pub pods: Api<Pod>,
    /// The volume claims of the namespace.
    pub claims: Api<PersistentVolumeClaim>,
    /// What runs the pods.
    pub kubelet: Kubelet,
    _turn: SemaphorePermit<'static>,
}

/// The shared control plane, started by the first test.
pub async fn control_plane() -> Result<&'static ControlPlane> {
    let options = Options {
        controllers: Controllers::All,
        ..Options::default()
    };
    CONTROL_PLANE
        .get_or_try_init(|| ControlPlane::start(options))
        .await
}

impl Bed {
    /// A namespace of this name with the chart installed and the operator ready.
    pub async fn start(namespace: &str) -> Result<Self> {
        let turn = TURN.acquire().await.context("the turns never end")?;
        let control_plane = control_plane().await?;
        let client = control_plane.client().await?;
        let named = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace.to_owned()),
                // A pod that asks for more than the strictest profile gives is refused.
                labels: Some([(ENFORCE.to_owned(), "restricted".to_owned())].into()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let namespaces = Api::<Namespace>::all(client.clone());
        namespaces.create(&PostParams::default(), &named).await?;
        install::chart(&client, namespace).await?;
        let mut options = kubelet::Options::for_nodes(namespace)?;
        options.programs.push(kubelet::program(OPERATOR)?);
        let bed = Self {
            kubelet: Kubelet::start(control_plane, options).await?,
            namespace: namespace.to_owned(),
            clusters: Api::namespaced(client.clone(), namespace),
            nodes: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            claims: Api::namespaced(client.clone(), namespace),
            client,
            _turn: turn,
        };
        let deployments = Api::<Deployment>::namespaced(bed.client.clone(), namespace);
        bed.until("both operators are ready", OPERATOR_WITHIN, async || {
            let status = deployments.get(OPERATOR).await?.status.unwrap_or_default();
            Ok(status.ready_replicas == Some(2))
        })
        .await?;
        Ok(bed)
    }

    /// Waits for a condition; a failure says what everything looked like then.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        condition: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        match wait::until(what, within, condition).await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(describe::everything(self).await)),
        }
    }

    /// Ends the processes and takes the nodes away.
    pub async fn stop(self) -> Result<()> {
        self.kubelet.stop().await
    }
}

/// The chart of this checkout.
pub fn chart() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/kluster")
}
