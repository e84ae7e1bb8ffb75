//! One write at a time: fenced by the lease, counted, and named in its error.

use crds::labels;
use k8s_openapi::api::core::v1::{ObjectReference, Pod, Secret};
use kube::Client;
use kube::api::{
    Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::core::DynamicObject;
use kube::runtime::events::{Event, Recorder};
use serde_json::{Value, json};

use crate::lease::Fence;
use crate::metrics::Metrics;
use crate::resource::{Kind, Resource};

/// A write failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another operator may act now: nothing was sent.
    #[error("failed to {verb} {what}: the lease is lost")]
    Fenced {
        /// The verb.
        verb: &'static str,
        /// The object.
        what: String,
    },
    /// The API server refused it, or its answer was lost.
    #[error("failed to {verb} {what}")]
    Refused {
        /// The verb.
        verb: &'static str,
        /// The object.
        what: String,
        /// Its answer.
        #[source]
        source: kube::Error,
    },
}

impl WriteError {
    /// What the API server said, where repeating the same write cannot help: for a person to read.
    pub fn refusal(&self) -> Option<String> {
        match self {
            WriteError::Refused {
                verb,
                what,
                source: kube::Error::Api(status),
            } if matches!(status.code, 400 | 403 | 404 | 422) => {
                Some(format!("failed to {verb} {what}: {}", status.message))
            }
            _ => None,
        }
    }
}

/// A resource version that no object ever had: the first that is written has a later one. With it an apply creates what
/// is not there, and conflicts with whatever is.
const NO_OBJECT: &str = "1";

/// Writes on behalf of the operator that holds the lease.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    fence: Fence,
    metrics: Metrics,
}

impl Writer {
    /// A writer that stops when `fence` no longer holds.
    pub fn new(client: Client, fence: Fence, metrics: Metrics) -> Writer {
        Writer {
            client,
            fence,
            metrics,
        }
    }

    /// The client, for reads.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn dynamic(&self, namespace: &str, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind.api_resource())
    }

    async fn write<T>(
        &self,
        verb: &'static str,
        kind: &str,
        name: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, WriteError> {
        let what = format!("{kind} {name}");
        if !self.fence.holds() {
            return Err(WriteError::Fenced { verb, what });
        }
        self.metrics.wrote(verb, kind);
        call.await
            .map_err(|source| WriteError::Refused { verb, what, source })
    }

    /// Applies all that the operator says about an object: to exactly the one that was `seen` under that name, by its
    /// UID, or to nothing. Whatever took the name since is left alone, and the write is refused as a conflict.
    pub async fn apply(
        &self,
        namespace: &str,
        wanted: &Resource,
        seen: Option<&str>,
    ) -> Result<(), WriteError> {
        let api = self.dynamic(namespace, wanted.kind);
        let forced = PatchParams::apply(labels::OPERATOR).force();
        let mut object = wanted.object.clone();
        let (key, value) = match seen {
            Some(uid) => ("uid", uid),
            None => ("resourceVersion", NO_OBJECT),
        };
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.insert(key.to_owned(), value.into());
        }
        let patch = Patch::Apply(&object);
        let call = api.patch(&wanted.name, &forced, &patch);
        self.write("apply", &wanted.kind.name(), &wanted.name, call)
            .await
            .map(drop)
    }

    /// Creates the key's Secret; one that exists stays as it is.
    pub async fn create_secret(&self, namespace: &str, secret: &Secret) -> Result<(), WriteError> {
        let api = Api::<Secret>::namespaced(self.client.clone(), namespace);
        let name = secret.metadata.name.clone().unwrap_or_default();
        let post = PostParams {
            field_manager: Some(labels::OPERATOR.to_owned()),
            ..PostParams::default()
        };
        match self
            .write("create", "Secret", &name, api.create(&post, secret))
            .await
        {
            Err(WriteError::Refused {
                source: kube::Error::Api(status),
                ..
            }) if status.code == 409 => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Has a volume claim ask for more.
    pub async fn grow(&self, namespace: &str, claim: &str, size: &str) -> Result<(), WriteError> {
        let api = self.dynamic(namespace, Kind::PersistentVolumeClaim);
        let patch = json!({ "spec": { "resources": { "requests": { "storage": size } } } });
        let by = PatchParams {
            field_manager: Some(labels::OPERATOR.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&patch);
        self.write(
            "grow",
            "PersistentVolumeClaim",
            claim,
            api.patch(claim, &by, &patch),
        )
        .await
        .map(drop)
    }

    /// Deletes exactly the object with that UID, and in the background what hangs on it.
    pub async fn delete(
        &self,
        namespace: &str,
        kind: Kind,
        name: &str,
        uid: &str,
    ) -> Result<(), WriteError> {
        let api = self.dynamic(namespace, kind);
        let params = exactly(uid, PropagationPolicy::Background);
        let call = api.delete(name, &params);
        gone(self.write("delete", &kind.name(), name, call).await)
    }

    /// Deletes exactly the pod with that UID, as gently as its template asks.
    pub async fn delete_pod(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), WriteError> {
        let api = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let params = exactly(uid, PropagationPolicy::Background);
        let call = api.delete(name, &params);
        gone(self.write("delete", "Pod", name, call).await)
    }

    /// Deletes exactly the StatefulSet with that UID, and leaves its pods and volume claims as they are.
    pub async fn orphan(&self, namespace: &str, name: &str, uid: &str) -> Result<(), WriteError> {
        let api = self.dynamic(namespace, Kind::StatefulSet);
        let params = exactly(uid, PropagationPolicy::Orphan);
        let call = api.delete(name, &params);
        gone(self.write("orphan", "StatefulSet", name, call).await)
    }

    /// Tells of `about` what `recorder` then folds into a series where it repeats itself.
    pub async fn tell(
        &self,
        recorder: &Recorder,
        event: &Event,
        about: &ObjectReference,
    ) -> Result<(), WriteError> {
        let call = recorder.publish(event, about);
        self.write("tell", "Event", &event.reason, call).await
    }

    /// Writes the whole status of the Cluster with that UID.
    pub async fn status(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        status: &Value,
    ) -> Result<(), WriteError> {
        let api = Api::<DynamicObject>::namespaced_with(
            self.client.clone(),
            namespace,
            &cluster_resource(),
        );
        let patch = json!({
            "apiVersion": "kluster.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": { "name": name, "uid": uid },
            "status": status,
        });
        let forced = PatchParams::apply(labels::OPERATOR).force();
        let patch = Patch::Apply(&patch);
        self.write(
            "report",
            "Cluster",
            name,
            api.patch_status(name, &forced, &patch),
        )
        .await
        .map(drop)
    }
}

/// Only the object with that UID.
fn exactly(uid: &str, propagation: PropagationPolicy) -> DeleteParams {
    DeleteParams {
        propagation_policy: Some(propagation),
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    }
}

/// What is gone need not be deleted. (Where another object has the name by now, the pass fails and the next one sees it.)
fn gone<T>(outcome: Result<T, WriteError>) -> Result<(), WriteError> {
    match outcome {
        Err(WriteError::Refused {
            source: kube::Error::Api(status),
            ..
        }) if status.code == 404 => Ok(()),
        outcome => outcome.map(drop),
    }
}

fn cluster_resource() -> kube::core::ApiResource {
    kube::core::ApiResource::erase::<crds::Cluster>(&())
}
