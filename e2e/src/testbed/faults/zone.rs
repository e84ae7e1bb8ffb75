//! A zone that is cut off from the others.

use std::path::Path;

use anyhow::{Result, ensure};

use super::super::layout::Node;
use super::super::shell::feed;
use super::super::{Testbed, network};

/// How far a zone is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// From the other zones. The control plane (API server, names) is still reached.
    FromOtherZones,
    /// From the other zones and from the control plane.
    FromEverything,
}

impl Testbed {
    /// Drops, without a word, what passes between the nodes and pods of `zone` and all others. Inside it all goes on.
    ///
    /// # Errors
    /// When there is no such zone, or the kernel takes no rules.
    pub fn cut_zone(&self, zone: &str, cut: Cut) -> Result<()> {
        let nodes = self.nodes_in(zone)?;
        let mut friends: Vec<String> = nodes
            .iter()
            .flat_map(|node| [node.address.clone(), node.pods.clone()])
            .collect();
        if cut == Cut::FromOtherZones {
            friends.push(self.layout.control_address());
        }
        nodes
            .iter()
            .try_for_each(|node| replace_rules(node, &rules(&friends)))
    }

    /// Undoes [`Testbed::cut_zone`]; harmless when the zone is not cut off.
    ///
    /// # Errors
    /// As there.
    pub fn heal_zone(&self, zone: &str) -> Result<()> {
        let nodes = self.nodes_in(zone)?;
        nodes.iter().try_for_each(|node| replace_rules(node, ""))
    }

    fn nodes_in(&self, zone: &str) -> Result<Vec<Node>> {
        let mut nodes = self.nodes();
        nodes.retain(|node| node.zone == zone);
        ensure!(!nodes.is_empty(), "there is no zone {zone}");
        Ok(nodes)
    }
}

/// Rules for what comes through the cable, before any address of a Service in it is translated, and for what leaves
/// through it, after that.
fn rules(friends: &[String]) -> String {
    let mut text = String::new();
    for (chain, side, way) in [("PREROUTING", "-s", "-i"), ("POSTROUTING", "-d", "-o")] {
        for friend in friends {
            text += &format!("-A {chain} {way} eth0 {side} {friend} -j ACCEPT\n");
        }
        text += &format!("-A {chain} {way} eth0 -j DROP\n");
    }
    text
}

/// Replaces the whole table `mangle`, in which nothing else of a node keeps rules that matter.
fn replace_rules(node: &Node, rules: &str) -> Result<()> {
    let args = network::within(&node.namespace)
        .into_iter()
        .chain(["iptables-restore".to_owned()]);
    feed(
        Path::new("nsenter"),
        args,
        &format!("*mangle\n{rules}COMMIT\n"),
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::rules;

    #[test]
    fn friends_pass_both_ways_and_nothing_else_does() {
        let expected = "-A PREROUTING -i eth0 -s 10.0.0.1 -j ACCEPT\n\
                        -A PREROUTING -i eth0 -j DROP\n\
                        -A POSTROUTING -o eth0 -d 10.0.0.1 -j ACCEPT\n\
                        -A POSTROUTING -o eth0 -j DROP\n";
        assert_eq!(rules(&["10.0.0.1".to_owned()]), expected);
    }
}
