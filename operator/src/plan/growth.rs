//! Volumes that grow: claims one by one, at any time; and the StatefulSet, whose claim template can never change, is
//! replaced by one with the wanted size. It leaves its pods as orphans, which the new one adopts: no pod is touched.

use std::cmp::Ordering;

use crds::{AutoGrow, DiskClass};

use super::outcome::{Grow, Step};
use super::reason::Reason;
use super::risk::{Risk, Situation};
use super::view::{Node, View};
use crate::observe::ClaimSeen;
use crate::validate::{Validated, compare};

const MEBI: u128 = 1 << 20;
const GIBI: u128 = 1 << 30;

fn is_less(size: Option<&String>, wanted: &str) -> bool {
    size.and_then(|size| compare(size, wanted)) == Some(Ordering::Less)
}

fn larger<'a>(a: &'a str, b: &'a str) -> &'a str {
    match compare(a, b) {
        Some(Ordering::Less) => b,
        _ => a,
    }
}

fn in_use<'a>(view: &'a View) -> impl Iterator<Item = (&'a Node<'a>, &'a ClaimSeen)> {
    let claims = view
        .nodes
        .iter()
        .filter_map(|node| Some((node, node.claim?)));
    claims.filter(|(_, claim)| claim.bound && !claim.deleting && !claim.retired)
}

/// The size that every volume should have: what the spec says or, where volumes grow by themselves, what the largest in use
/// has or a node with little room needs, up to the limit.
pub fn volume_size(validated: &Validated, view: &View) -> String {
    let least = &validated.storage_size;
    let Some(auto_grow) = &validated.auto_grow else {
        return least.clone();
    };
    let asked = in_use(view).filter_map(|(_, claim)| claim.size.clone());
    let needed = in_use(view).filter_map(|(node, claim)| needed(node, claim, auto_grow));
    let largest = asked
        .chain(needed)
        .fold(least.clone(), |a, b| larger(&a, &b).to_owned());
    let limit = &auto_grow.limit.0;
    match compare(&largest, limit) {
        Some(Ordering::Greater) => larger(least, limit).to_owned(),
        _ => largest,
    }
}

/// One step more for a node with little room. It is taken from the file system that the node reported together with its room,
/// so that the same comes out until that has grown. One that is larger than the volume is not the volume's own: growing
/// would not help.
fn needed(node: &Node, claim: &ClaimSeen, auto_grow: &AutoGrow) -> Option<String> {
    let disk = node.fresh()?.disk.as_ref()?;
    let bytes = disk.total_bytes.filter(|_| disk.class != DiskClass::Ok)?;
    if is_less(claim.capacity.as_ref(), &bytes.to_string()) {
        return None;
    }
    let bytes = u128::try_from(bytes).ok()?;
    let percent = u128::try_from(auto_grow.step_percent).ok()?;
    Some(rounded(bytes + (bytes * percent).div_ceil(100)))
}

/// A size as a person would write it: whole mebibytes, and whole gibibytes from ten on.
fn rounded(bytes: u128) -> String {
    match bytes < 10 * GIBI {
        true => format!("{}Mi", bytes.div_ceil(MEBI)),
        false => format!("{}Gi", bytes.div_ceil(GIBI)),
    }
}

/// What growing by itself does for a node with little room; nothing where volumes do not.
pub fn prospect(validated: &Validated, view: &View) -> Option<String> {
    let limit = &validated.auto_grow.as_ref()?.limit.0;
    let size = volume_size(validated, view);
    if !growing(validated, view).is_empty() {
        return Some(format!("the volumes grow to {size}"));
    }
    (compare(&size, limit) != Some(Ordering::Less))
        .then(|| format!("the volumes have reached spec.storage.autoGrow.limit, {limit}: raise it"))
}

/// Bound volume claims that ask for less than they should.
pub fn claims(validated: &Validated, view: &View) -> Vec<Grow> {
    let size = volume_size(validated, view);
    let small = in_use(view).filter(|(_, claim)| is_less(claim.size.as_ref(), &size));
    small
        .map(|(_, claim)| Grow {
            claim: claim.name.clone(),
            size: size.clone(),
        })
        .collect()
}

/// Volumes that have yet to become as large as they should.
pub fn growing<'a>(validated: &Validated, view: &'a View) -> Vec<&'a str> {
    let size = volume_size(validated, view);
    in_use(view)
        .filter(|(_, claim)| is_less(claim.capacity.as_ref(), &size))
        .map(|(_, claim)| claim.name.as_str())
        .collect()
}

/// The StatefulSet that is replaced now.
pub fn risk(now: &Situation) -> Risk {
    let size = volume_size(now.validated, now.view);
    // Also where a claim in use cannot grow: those made from now on are as large as they should be.
    let small =
        now.view.sets.iter().find(|(zone, set)| {
            now.layout.contains_key(**zone) && is_less(set.size.as_ref(), &size)
        });
    let Some((_, set)) = small else {
        return Risk::default();
    };
    let this = Risk {
        why: Some(Reason::GrowingStorage),
        ..Risk::default()
    };
    if set.deleting {
        return this.waiting(
            Reason::GrowingStorage,
            format!(
                "StatefulSet {} has yet to go, and leaves its pods",
                set.name
            ),
        );
    }
    Risk {
        step: Some(Step::ReplaceSet {
            set: set.name.clone(),
            uid: set.uid.clone(),
        }),
        ..this
    }
}
