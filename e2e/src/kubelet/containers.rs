//! What a pod asks for, as far as the stand-in can give it: the rest is refused by name.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kube::ResourceExt;

/// Grace of a pod that names none, in seconds, as in Kubernetes.
const GRACE_SECONDS: i64 = 30;

/// A pod that the stand-in can run.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub pod: Pod,
    pub name: String,
    pub uid: String,
    pub spec: PodSpec,
    pub container: Container,
}

/// Who the process is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct User {
    pub user: Option<i64>,
    pub group: Option<i64>,
    /// Group of the pod's volumes.
    pub volumes_group: Option<i64>,
    pub read_only_root: bool,
    pub no_new_privileges: bool,
    pub no_capabilities: bool,
}

impl Wanted {
    /// Takes the pod, or says what in it the stand-in does not do.
    pub fn of(pod: &Pod) -> Result<Self> {
        let spec = pod.spec.clone().context("the pod has no spec")?;
        let beside = spec.init_containers.iter().flatten().count();
        ensure!(beside == 0, "the stand-in runs no init containers");
        let [container] = spec.containers.as_slice() else {
            bail!("the stand-in runs pods of one container");
        };
        ensure!(
            container.lifecycle.is_none(),
            "the stand-in runs no lifecycle hooks"
        );
        ensure!(container.env_from.is_none(), "the stand-in has no envFrom");
        ensure!(
            container.command.as_ref().is_some_and(|c| !c.is_empty()),
            "the stand-in has no images, so the container must name its command"
        );
        Ok(Self {
            name: pod.name_any(),
            uid: pod.uid().context("the pod has no uid")?,
            container: container.clone(),
            pod: pod.clone(),
            spec,
        })
    }

    /// User, groups and privileges, the container's before the pod's.
    pub fn user(&self) -> User {
        let of_pod = self.spec.security_context.clone().unwrap_or_default();
        let own = self.container.security_context.clone().unwrap_or_default();
        let dropped = own.capabilities.and_then(|c| c.drop).unwrap_or_default();
        User {
            user: own.run_as_user.or(of_pod.run_as_user),
            group: own.run_as_group.or(of_pod.run_as_group),
            volumes_group: of_pod.fs_group,
            read_only_root: own.read_only_root_filesystem.unwrap_or(false),
            no_new_privileges: own.allow_privilege_escalation == Some(false),
            no_capabilities: dropped.iter().any(|name| name == "ALL"),
        }
    }
}

/// How long a deleted pod may take to end, in seconds.
pub(super) fn grace_seconds(pod: &Pod) -> u64 {
    let of_deletion = pod.metadata.deletion_grace_period_seconds;
    let of_spec = pod
        .spec
        .as_ref()
        .and_then(|s| s.termination_grace_period_seconds);
    let seconds = of_deletion.or(of_spec).unwrap_or(GRACE_SECONDS);
    u64::try_from(seconds).unwrap_or(0)
}
