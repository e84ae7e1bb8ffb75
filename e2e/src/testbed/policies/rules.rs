//! The translation of policies into the rules of one node.

use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer,
};
use kube::ResourceExt;

use super::ports;
use super::selector::{Labels, selects};

/// Name of the table of our rules.
const TABLE: &str = "kluster-policies";

/// What the rules follow from.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// All namespaces.
    pub namespaces: Vec<Namespace>,
    /// All pods.
    pub pods: Vec<Pod>,
    /// All policies.
    pub policies: Vec<NetworkPolicy>,
}

/// The rules of the node of that name, as `nft --file` reads them: they replace all earlier ones at once.
///
/// A pod that a policy selects gets a chain that ends with a drop; the others are not mentioned.
pub fn rules(world: &World, node: &str) -> String {
    let mut jumps = String::new();
    let mut chains = String::new();
    for pod in world.pods.iter().filter(|pod| runs_on(pod, node)) {
        let policies: Vec<_> = world
            .policies
            .iter()
            .filter(|it| isolates(it, pod))
            .collect();
        let (Some(address), false) = (address(pod), policies.is_empty()) else {
            continue;
        };
        let chain = format!("pod-{}", address.replace('.', "-"));
        jumps += &format!("    ip daddr {address} goto {chain}\n");
        chains += &format!("  chain {chain} {{\n    ip saddr {address} accept\n");
        for policy in policies {
            let namespace = policy.namespace().unwrap_or_default();
            let spec = policy.spec.iter();
            for rule in spec.flat_map(|spec| spec.ingress.iter().flatten()) {
                chains += &accepts(world, &namespace, rule, pod);
            }
        }
        chains += "    drop\n  }\n";
    }
    // The hook comes after kube-proxy has put a pod's address in the place of a Service's.
    format!(
        "table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{chains}  chain forward {{\n    \
         type filter hook forward priority 10; policy accept;\n    ct state established,related accept\n{jumps}  }}\n}}\n"
    )
}

/// One line for each combination of sources and ports of a rule.
fn accepts(world: &World, namespace: &str, rule: &NetworkPolicyIngressRule, pod: &Pod) -> String {
    let sources = match &rule.from {
        Some(peers) if !peers.is_empty() => peers
            .iter()
            .filter_map(|peer| source(world, namespace, peer))
            .collect(),
        _ => vec![String::new()],
    };
    let ports = ports::matches(rule.ports.as_ref(), pod);
    let lines = sources.iter().flat_map(|source| {
        ports
            .iter()
            .map(move |port| format!("    {source}{port}accept\n"))
    });
    lines.collect()
}

/// The match of one peer; nothing where nobody is meant.
fn source(world: &World, namespace: &str, peer: &NetworkPolicyPeer) -> Option<String> {
    if let Some(block) = &peer.ip_block {
        let except = block.except.iter().flatten();
        let except: String = except.map(|net| format!("ip saddr != {net} ")).collect();
        return Some(format!("ip saddr {} {except}", block.cidr));
    }
    let in_namespace = |pod: &Pod| {
        let of_pod = pod.namespace().unwrap_or_default();
        match &peer.namespace_selector {
            None => of_pod == namespace,
            Some(selector) => world
                .namespaces
                .iter()
                .any(|it| it.name_any() == of_pod && selects(selector, it.labels())),
        }
    };
    let selected = |pod: &Pod| {
        let selector = peer.pod_selector.as_ref();
        selector.is_none_or(|selector| selects(selector, labels(pod)))
    };
    let pods = world
        .pods
        .iter()
        .filter(|pod| in_namespace(pod) && selected(pod));
    let addresses: Vec<&str> = pods.filter_map(address).collect();
    (!addresses.is_empty()).then(|| format!("ip saddr {{ {} }} ", addresses.join(", ")))
}

/// Whether `policy` says who may reach `pod`.
fn isolates(policy: &NetworkPolicy, pod: &Pod) -> bool {
    let Some(spec) = &policy.spec else {
        return false;
    };
    let of_ingress = spec
        .policy_types
        .as_ref()
        .is_none_or(|types| types.iter().any(|kind| kind == "Ingress"));
    let selector = spec.pod_selector.clone().unwrap_or_default();
    of_ingress && policy.namespace() == pod.namespace() && selects(&selector, labels(pod))
}

fn labels(pod: &Pod) -> &Labels {
    pod.labels()
}

fn runs_on(pod: &Pod, node: &str) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node)
}

/// The address of a pod with a network of its own that has not ended.
fn address(pod: &Pod) -> Option<&str> {
    let on_host = pod.spec.as_ref()?.host_network == Some(true);
    let status = pod.status.as_ref()?;
    let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    status.pod_ip.as_deref().filter(|_| !on_host && !ended)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(namespace: &str, app: &str, node: &str, address: &str) -> Value {
        json!({
            "metadata": {"name": app, "namespace": namespace, "labels": {"app": app}},
            "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"phase": "Running", "podIP": address},
        })
    }

    /// The lines of the chain of the pod `db` on node1 under one policy with these ingress rules.
    fn chain(ingress: &Value) -> Vec<String> {
        let list = |value: Value| serde_json::from_value(value).unwrap();
        let world = World {
            namespaces: serde_json::from_value(json!([
                {"metadata": {"name": "home", "labels": {"team": "us"}}}, {"metadata": {"name": "away"}},
            ]))
            .unwrap(),
            pods: list(json!([
                pod("home", "db", "node1", "10.0.1.2"),
                pod("home", "web", "node2", "10.0.2.2"),
                pod("away", "web", "node2", "10.0.2.3"),
            ])),
            policies: serde_json::from_value(json!([{
                "metadata": {"name": "p", "namespace": "home"},
                "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": ingress},
            }]))
            .unwrap(),
        };
        assert!(!rules(&world, "node2").contains("goto"), "db is on node1");
        let text = rules(&world, "node1");
        assert!(
            text.contains("ip daddr 10.0.1.2 goto pod-10-0-1-2\n"),
            "{text}"
        );
        let lines = text.lines().map(str::trim);
        let start = lines.skip_while(|line| !line.starts_with("chain pod-10-0-1-2"));
        let own = start.skip(2).take_while(|line| *line != "drop");
        own.map(str::to_owned).collect()
    }

    #[test]
    fn who_may_come_is_listed_and_the_rest_is_dropped() {
        let web = json!({"podSelector": {"matchLabels": {"app": "web"}}});
        assert!(chain(&json!([])).is_empty());
        assert_eq!(chain(&json!([{}])), ["accept"]);
        assert_eq!(
            chain(
                &json!([{"from": [web], "ports": [{"port": 1}, {"port": "http"}, {"port": "none"}]}])
            ),
            [
                "ip saddr { 10.0.2.2 } tcp dport 1 accept",
                "ip saddr { 10.0.2.2 } tcp dport 8080 accept"
            ]
        );
        assert_eq!(
            chain(&json!([{"ports": [{"port": 5, "endPort": 7, "protocol": "UDP"}]}])),
            ["udp dport 5-7 accept"]
        );
    }

    #[test]
    fn namespaces_and_networks_are_peers_too() {
        let of = |peer: Value| chain(&json!([{"from": [peer]}]));
        assert_eq!(
            of(json!({"namespaceSelector": {}})),
            ["ip saddr { 10.0.1.2, 10.0.2.2, 10.0.2.3 } accept"]
        );
        let ours = json!({"namespaceSelector": {"matchLabels": {"team": "us"}}, "podSelector": {"matchLabels": {"app": "web"}}});
        assert_eq!(of(ours), ["ip saddr { 10.0.2.2 } accept"]);
        assert_eq!(
            of(json!({"ipBlock": {"cidr": "10.9.0.0/16", "except": ["10.9.1.0/24"]}})),
            ["ip saddr 10.9.0.0/16 ip saddr != 10.9.1.0/24 accept"]
        );
        assert!(of(json!({"podSelector": {"matchLabels": {"app": "nobody"}}})).is_empty());
    }
}
