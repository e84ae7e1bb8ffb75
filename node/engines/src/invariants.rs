//! What must always hold between entries.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::Bound::Unbounded;

use node_storage::View;

use crate::open::load;
use crate::requests::Requests;
use crate::state::{Shared, Visible};
use crate::tables::KV_VALUES;
use crate::{DIGESTS_MAX, REQUESTS_MAX};

/// Compares memory with storage, and both with what must always hold.
pub(crate) fn check(shared: &Shared, requests: &Requests) -> Result<(), String> {
    let _still = shared.moving();
    let visible = shared.read();
    let (stored, stored_requests) = load(shared.storage.as_ref())
        .map_err(|error| format!("the state does not open: {error}"))?;
    same("the index", &visible.index, &stored.index)?;
    same("the cluster", &visible.system, &stored.system)?;
    same("the head", &visible.head, &stored.head)?;
    same("the digests", &visible.digests, &stored.digests)?;
    same("the requests", requests, &stored_requests)?;
    let view = shared.storage.view().map_err(|error| error.to_string())?;
    values(&visible, view.as_ref())?;
    bounds(&visible, requests)?;
    membership(&visible)
}

fn same<T: PartialEq + Debug>(what: &str, memory: &T, storage: &T) -> Result<(), String> {
    ensure(memory == storage, || {
        format!("{what} in memory is not what is stored")
    })
}

fn ensure(holds: bool, message: impl Fn() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

/// The stored values are exactly those that the index names, each of the length it says.
fn values(visible: &Visible, view: &dyn View) -> Result<(), String> {
    let mut named = BTreeSet::new();
    for (key, version) in visible.index.iter() {
        ensure(version.created <= version.modified, || {
            format!("{key:?} was written before made")
        })?;
        ensure(version.modified <= visible.head.revision, || {
            format!("{key:?} is of the future")
        })?;
        let new = named.insert((
            version.modified.0.to_be_bytes().to_vec(),
            version.value_bytes,
        ));
        ensure(new, || {
            format!("{key:?} shares its revision with another key")
        })?;
    }
    let mut stored = BTreeSet::new();
    for row in view.scan(KV_VALUES, (Unbounded, Unbounded)) {
        let (revision, value) = row.map_err(|error| error.to_string())?;
        stored.insert((
            revision.to_vec(),
            u32::try_from(value.len()).unwrap_or(u32::MAX),
        ));
    }
    ensure(named == stored, || {
        format!(
            "the index names {} values, {} are stored, or others",
            named.len(),
            stored.len()
        )
    })
}

fn bounds(visible: &Visible, requests: &Requests) -> Result<(), String> {
    ensure(requests.len() <= REQUESTS_MAX, || {
        format!("{} requests are kept", requests.len())
    })?;
    ensure(requests.is_consistent(), || {
        "the requests' order by age is wrong".into()
    })?;
    let now = visible.head.stamp.millis;
    for (id, record) in requests.iter() {
        ensure(record.millis <= now, || {
            format!("request {id} is of the future")
        })?;
    }
    let digests = visible.digests.iter().count() as u64;
    ensure(digests <= DIGESTS_MAX, || {
        format!("{digests} digests are kept")
    })?;
    for (index, digest) in visible.digests.iter() {
        let head = &visible.head;
        ensure(index <= head.index().0, || {
            format!("a digest is kept of entry {index} to come")
        })?;
        let last = index == head.index().0;
        ensure(!last || digest == head.digest, || {
            "the kept digest of the head differs".into()
        })?;
    }
    Ok(())
}

fn membership(visible: &Visible) -> Result<(), String> {
    let system = &visible.system;
    ensure(system.voters.is_subset(&system.members), || {
        "a voter is no member".into()
    })?;
    let back = |member| system.removed.contains(member);
    ensure(!system.members.iter().any(back), || {
        "a removed member is back".into()
    })?;
    let formed = system.genesis.is_some();
    ensure(formed || !system.open, || {
        "data is accepted by a cluster that is not formed".into()
    })?;
    ensure(visible.head.revision.0 == 0 || system.open, || {
        "data came before the opening".into()
    })
}
