//! Volumes that grow: claims one by one, at any time; and the StatefulSet, whose claim template can never change, is
//! replaced by one with the wanted size. It leaves its pods as orphans, which the new one adopts: no pod is touched.

use std::cmp::Ordering;

use super::outcome::{Grow, Step};
use super::reason::Reason;
use super::risk::{Risk, Situation};
use super::view::View;
use crate::observe::ClaimSeen;
use crate::validate::{Validated, compare};

fn is_less(size: Option<&String>, wanted: &str) -> bool {
    size.and_then(|size| compare(size, wanted)) == Some(Ordering::Less)
}

fn in_use<'a>(view: &'a View) -> impl Iterator<Item = (&'a str, &'a ClaimSeen)> {
    let claims = view
        .nodes
        .iter()
        .filter_map(|node| Some((node.zone, node.claim?)));
    claims.filter(|(_, claim)| claim.bound && !claim.deleting && !claim.retired)
}

/// Bound volume claims that ask for less than the spec does.
pub fn claims(validated: &Validated, view: &View) -> Vec<Grow> {
    let small =
        in_use(view).filter(|(_, claim)| is_less(claim.size.as_ref(), &validated.storage_size));
    small
        .map(|(_, claim)| Grow {
            claim: claim.name.clone(),
            size: validated.storage_size.clone(),
        })
        .collect()
}

/// Volumes that have yet to become as large as the spec asks.
pub fn growing<'a>(validated: &Validated, view: &'a View) -> Vec<&'a str> {
    in_use(view)
        .filter(|(_, claim)| is_less(claim.capacity.as_ref(), &validated.storage_size))
        .map(|(_, claim)| claim.name.as_str())
        .collect()
}

/// The StatefulSet that is replaced now.
pub fn risk(now: &Situation) -> Risk {
    let size = &now.validated.storage_size;
    // Also where a claim in use cannot grow: those made from now on are as large as the spec asks.
    let small =
        now.view.sets.iter().find(|(zone, set)| {
            now.layout.contains_key(**zone) && is_less(set.size.as_ref(), size)
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
