//! Network namespaces, a bridge between them, and routes: nothing on the host's own addresses, no way to the outside.
//!
//! ```text
//! host 10.200.0.254 ──┐
//! control 10.200.0.1 ─┼─ bridge in the control plane's namespace
//! node1 10.200.0.11 ──┤   pods 10.244.1.0/24
//! node2 10.200.0.12 ──┘   pods 10.244.2.0/24 ...
//! ```

use std::path::Path;

use anyhow::{Context, Result};

use super::layout::{Layout, Node};
use super::shell::{run, run_line};

/// Makes what is missing.
pub fn ensure(layout: &Layout) -> Result<()> {
    load_modules()?;
    let control = layout.control_namespace();
    if !exists(&control) {
        run_line(&format!("ip netns add {control}"))?;
    }
    ensure_bridge(layout, &control)?;
    ensure_host_cable(layout, &control)?;
    for node in layout.all_nodes() {
        ensure_node(layout, &control, &node)
            .with_context(|| format!("failed to connect {}", node.name))?;
    }
    route(layout)
}

/// Removes everything that [`ensure`] may have made.
pub fn remove(layout: &Layout) -> Result<()> {
    if link_exists(None, &layout.host_cable()) {
        run_line(&format!("ip link delete {}", layout.host_cable()))?;
    }
    for namespace in layout
        .namespaces()
        .iter()
        .filter(|namespace| exists(namespace))
    {
        run_line(&format!("ip netns delete {namespace}"))?;
    }
    Ok(())
}

/// What of the network is there, by name.
pub fn present(layout: &Layout) -> Vec<String> {
    let cable = Some(layout.host_cable()).filter(|cable| link_exists(None, cable));
    layout
        .namespaces()
        .into_iter()
        .filter(|namespace| exists(namespace))
        .chain(cable)
        .collect()
}

fn exists(namespace: &str) -> bool {
    Path::new("/run/netns").join(namespace).exists()
}

fn link_exists(namespace: Option<&str>, link: &str) -> bool {
    let within = namespace
        .map(|name| format!("-n {name} "))
        .unwrap_or_default();
    run_line(&format!("ip {within}link show {link}")).is_ok()
}

/// Takes the node's cable out: nothing reaches it, and nobody is told.
pub fn unplug(layout: &Layout, node: &Node) -> Result<()> {
    let control = layout.control_namespace();
    run_line(&format!("ip -n {control} link set {} down", node.cable)).map(drop)
}

/// Puts it back.
pub fn plug(layout: &Layout, node: &Node) -> Result<()> {
    let control = layout.control_namespace();
    run_line(&format!("ip -n {control} link set {} up", node.cable)).map(drop)
}

/// The arguments of `nsenter` that lead into a network namespace.
pub fn within(namespace: &str) -> [String; 2] {
    [format!("--net=/run/netns/{namespace}"), "--".to_owned()]
}

fn ensure_bridge(layout: &Layout, control: &str) -> Result<()> {
    if !link_exists(Some(control), "br0") {
        run_line(&format!("ip -n {control} link add br0 type bridge"))?;
    }
    run_line(&format!(
        "ip -n {control} address replace {}/24 dev br0",
        layout.control_address()
    ))?;
    run_line(&format!("ip -n {control} link set br0 up"))?;
    run_line(&format!("ip -n {control} link set lo up"))?;
    set(control, "ipv4/ip_forward")
}

fn ensure_host_cable(layout: &Layout, control: &str) -> Result<()> {
    let cable = layout.host_cable();
    if !link_exists(None, &cable) {
        run_line(&format!(
            "ip link add {cable} type veth peer name host netns {control}"
        ))?;
    }
    run_line(&format!("ip -n {control} link set host master br0 up"))?;
    run_line(&format!(
        "ip address replace {}/24 dev {cable}",
        layout.machine(254)
    ))?;
    run_line(&format!("ip link set {cable} up"))?;
    Ok(())
}

fn ensure_node(layout: &Layout, control: &str, node: &Node) -> Result<()> {
    let name = &node.namespace;
    if !exists(name) {
        run_line(&format!("ip netns add {name}"))?;
    }
    if !link_exists(Some(name), "eth0") {
        run_line(&format!(
            "ip -n {name} link add eth0 type veth peer name {} netns {control}",
            node.cable
        ))?;
    }
    run_line(&format!(
        "ip -n {control} link set {} master br0 up",
        node.cable
    ))?;
    run_line(&format!(
        "ip -n {name} address replace {}/24 dev eth0",
        node.address
    ))?;
    run_line(&format!("ip -n {name} link set eth0 up"))?;
    run_line(&format!("ip -n {name} link set lo up"))?;
    // Without this route a packet to a Service is refused before kube-proxy's rules give it its true destination.
    run_line(&format!(
        "ip -n {name} route replace {} via {}",
        layout.services(),
        layout.control_address()
    ))?;
    set(name, "ipv4/ip_forward")?;
    // The answer of a pod to its neighbour behind a Service must pass kube-proxy's rules on its way back.
    set(name, "bridge/bridge-nf-call-iptables")
}

/// Pods by static routes; Services, from the host and the control plane, through the first node.
fn route(layout: &Layout) -> Result<()> {
    let control = layout.control_namespace();
    let nodes = layout.all_nodes();
    for node in &nodes {
        run_line(&format!(
            "ip -n {control} route replace {} via {}",
            node.pods, node.address
        ))?;
        for other in nodes.iter().filter(|other| other.name != node.name) {
            run_line(&format!(
                "ip -n {} route replace {} via {}",
                node.namespace, other.pods, other.address
            ))?;
        }
    }
    if let Some(first) = nodes.first() {
        run_line(&format!(
            "ip -n {control} route replace {} via {}",
            layout.services(),
            first.address
        ))?;
    }
    for network in [layout.pods(), layout.services()] {
        run_line(&format!(
            "ip route replace {network} via {}",
            layout.control_address()
        ))?;
    }
    Ok(())
}

/// Sets a kernel parameter (a path below `/proc/sys/net`) inside a namespace.
fn set(namespace: &str, parameter: &str) -> Result<()> {
    let write = format!("echo 1 > /proc/sys/net/{parameter}");
    let command = ["sh".to_owned(), "-c".to_owned(), write];
    run("nsenter", within(namespace).into_iter().chain(command)).map(drop)
}

/// A kernel may have these as modules that nobody has asked for yet.
fn load_modules() -> Result<()> {
    if !Path::new("/proc/sys/net/bridge").exists() {
        run_line("modprobe -a br_netfilter overlay")?;
    }
    Ok(())
}
