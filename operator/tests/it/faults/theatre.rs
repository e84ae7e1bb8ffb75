//! Where the plays are given: one control plane for all, with the definitions, a class of growable volumes and a
//! priority class; a namespace with the chart's rights for each.

use anyhow::{Context, Result};
use e2e::control_plane::{ControlPlane, Controllers, Options};
use e2e::wait;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::life::WITHIN;
use crate::bed::render_chart;

/// Lives at the same time, on the one control plane.
pub const AT_ONCE: usize = 4;

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
/// Kinds of the chart that a play needs; the operator itself runs in this process, and definitions are there.
const RIGHTS: [&str; 3] = ["ServiceAccount", "Role", "RoleBinding"];
const PLACE: &str = "place-of-the-play";

/// The control plane of all plays but those that stop it.
#[derive(Clone)]
pub struct Theatre {
    /// The control plane.
    pub control_plane: &'static ControlPlane,
    /// What is in it.
    pub house: House,
}

/// What every namespace of a control plane gets.
#[derive(Clone)]
pub struct House {
    /// A client that may do everything.
    pub client: Client,
    rights: String,
}

impl Theatre {
    /// Opens it; the first caller builds it.
    pub async fn open() -> Result<Theatre> {
        let control_plane = CONTROL_PLANE.get_or_try_init(build).await?;
        Ok(Theatre {
            house: House::of(control_plane).await?,
            control_plane,
        })
    }
}

impl House {
    /// The house of a control plane that was furnished for all.
    pub async fn of(control_plane: &ControlPlane) -> Result<House> {
        Ok(House {
            client: control_plane.client().await?,
            rights: render_chart(PLACE, &["--set", "scope=Namespace"])?,
        })
    }

    /// A namespace of this name in which an operator may work.
    pub async fn furnish(&self, namespace: &str) -> Result<()> {
        let place =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        apply(&self.client, None, place).await?;
        let rights = self.rights.replace(PLACE, namespace);
        let objects: Result<Vec<Value>, _> = serde_yaml_ng::Deserializer::from_str(&rights)
            .map(Value::deserialize)
            .collect();
        for object in objects.context("helm renders YAML")? {
            if RIGHTS.iter().any(|kind| object["kind"] == *kind) {
                apply(&self.client, Some(namespace), object).await?;
            }
        }
        Ok(())
    }
}

async fn build() -> Result<ControlPlane> {
    let control_plane = ControlPlane::start(options()).await?;
    furnish_for_all(&control_plane.client().await?).await?;
    Ok(control_plane)
}

/// The StatefulSet controller makes pods and volume claims, the garbage collector takes away what lost its owner. The
/// controllers of volumes are left out: they are played.
pub fn options() -> Options {
    let controllers = ["statefulset-controller", "garbage-collector-controller"];
    Options {
        controllers: Controllers::Only(controllers.map(str::to_owned).to_vec()),
        ..Options::default()
    }
}

/// What belongs to no namespace.
pub async fn furnish_for_all(client: &Client) -> Result<()> {
    for definition in crds::manifests::all()? {
        apply(client, None, definition.definition).await?;
    }
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": { "name": "played", "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
        "provisioner": "kluster.dev/played", "allowVolumeExpansion": true,
    });
    apply(client, None, class).await?;
    let priority = json!({ "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "played" }, "value": 7 });
    apply(client, None, priority).await?;
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for name in ["clusters.kluster.dev", "clusternodes.kluster.dev"] {
        wait::until("the definitions are served", WITHIN, async || {
            let status = definitions.get(name).await?.status.unwrap_or_default();
            let mut conditions = status.conditions.into_iter().flatten();
            Ok(conditions.any(|known| known.type_ == "Established" && known.status == "True"))
        })
        .await?;
    }
    Ok(())
}

async fn apply(client: &Client, namespace: Option<&str>, object: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    let types = object.types.clone().context("an object has a kind")?;
    let resource = match types.kind.as_str() {
        "StorageClass" | "PriorityClass" => {
            let plural = format!("{}es", types.kind.to_lowercase());
            ApiResource::from_gvk_with_plural(&GroupVersionKind::try_from(&types)?, &plural)
        }
        _ => ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?),
    };
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.clone().unwrap_or_default();
    let forced = PatchParams::apply("helm").force();
    api.patch(&name, &forced, &Patch::Apply(&object))
        .await
        .with_context(|| format!("failed to install {} {name}", types.kind))?;
    Ok(())
}
