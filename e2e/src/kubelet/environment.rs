//! A container's environment, as a kubelet computes it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{ConfigMap, EnvVarSource, Pod, Secret};
use kube::{Api, ResourceExt};

use super::containers::Wanted;
use super::shared::Shared;

/// The search path of an ordinary image.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Tells our programs which address to listen on, since here all pods share one network.
const BIND_HOST: &str = "KLUSTER_BIND_HOST";

/// The whole environment of the pod's container.
pub(super) async fn environment(
    shared: &Shared,
    wanted: &Wanted,
) -> Result<BTreeMap<String, String>> {
    let (host, port) = shared.api_server.clone();
    let mut found = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOSTNAME".to_owned(), wanted.name.clone()),
        ("KUBERNETES_SERVICE_HOST".to_owned(), host),
        ("KUBERNETES_SERVICE_PORT".to_owned(), port),
    ]);
    for variable in wanted.container.env.iter().flatten() {
        let name = &variable.name;
        let value = match &variable.value_from {
            Some(source) => from_source(shared, wanted, source)
                .await
                .with_context(|| format!("failed to find the value of {name}"))?,
            None => Some(expand(
                variable.value.as_deref().unwrap_or_default(),
                &found,
            )),
        };
        found.extend(value.map(|value| (name.clone(), value)));
    }
    let address = shared.addresses.of(&wanted.name)?;
    found.insert(BIND_HOST.to_owned(), address.to_string());
    Ok(found)
}

async fn from_source(
    shared: &Shared,
    wanted: &Wanted,
    source: &EnvVarSource,
) -> Result<Option<String>> {
    let api = (shared.client.clone(), shared.namespace.as_str());
    if let Some(field) = &source.field_ref {
        return downward(shared, &wanted.pod, &field.field_path).map(Some);
    }
    let (value, what, optional) = if let Some(key) = &source.config_map_key_ref {
        let map = Api::<ConfigMap>::namespaced(api.0, api.1)
            .get_opt(&key.name)
            .await?;
        let value = map.and_then(|map| map.data?.remove(&key.key));
        (value, format!("{}/{}", key.name, key.key), key.optional)
    } else if let Some(key) = &source.secret_key_ref {
        let secret = Api::<Secret>::namespaced(api.0, api.1)
            .get_opt(&key.name)
            .await?;
        let bytes = secret.and_then(|secret| secret.data?.remove(&key.key));
        let value = bytes.map(|bytes| String::from_utf8(bytes.0)).transpose()?;
        (value, format!("{}/{}", key.name, key.key), key.optional)
    } else {
        bail!("the stand-in does not know this source");
    };
    if value.is_none() && optional != Some(true) {
        bail!("{what} does not exist");
    }
    Ok(value)
}

/// The value of a field of the downward API.
pub(super) fn downward(shared: &Shared, pod: &Pod, path: &str) -> Result<String> {
    let spec = pod.spec.clone().unwrap_or_default();
    let quoted = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']");
    Ok(match path {
        "metadata.name" => pod.name_any(),
        "metadata.namespace" => pod.namespace().unwrap_or_default(),
        "metadata.uid" => pod.uid().unwrap_or_default(),
        "spec.nodeName" => spec.node_name.unwrap_or_default(),
        "spec.serviceAccountName" => spec.service_account_name.unwrap_or_default(),
        "status.podIP" | "status.podIPs" => shared.addresses.of(&pod.name_any())?.to_string(),
        "status.hostIP" | "status.hostIPs" => shared.addresses.node().to_string(),
        _ => {
            if let Some(key) = quoted("metadata.labels['") {
                pod.labels().get(key).cloned().unwrap_or_default()
            } else if let Some(key) = quoted("metadata.annotations['") {
                pod.annotations().get(key).cloned().unwrap_or_default()
            } else {
                bail!("the stand-in does not know the field {path}");
            }
        }
    })
}

/// Replaces `$(NAME)` by the value of a variable that is set; `$$` is a `$`, and an unknown name stays as it is.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let reference = after.strip_prefix('(').and_then(|a| a.split_once(')'));
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = reference {
            match variables.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_expand_as_a_kubelet_expands_them() {
        let variables = BTreeMap::from([("NAME".to_owned(), "demo-0".to_owned())]);
        for (text, expanded) in [
            ("$(NAME).peers", "demo-0.peers"),
            ("$$(NAME)", "$(NAME)"),
            ("$(OTHER)-$(NAME)", "$(OTHER)-demo-0"),
            ("a$b$", "a$b$"),
            ("$(NAME", "$(NAME"),
            ("", ""),
        ] {
            assert_eq!(expand(text, &variables), expanded, "{text}");
        }
    }
}
