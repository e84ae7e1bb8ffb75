//! What must always hold between entries.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Bound::Unbounded;

use node_storage::View;

use crate::kv::rows::{VALUE_BYTES_INLINE_MAX, decode_row};
use crate::open::load;
use crate::requests::Requests;
use crate::state::{Shared, Visible};
use crate::tables::{KV, KV_LARGE};
use crate::{DIGESTS_MAX, REQUESTS_MAX};

/// Compares memory with storage, and both with what must always hold.
pub(crate) fn check(shared: &Shared, requests: &Requests) -> Result<(), String> {
    let _still = shared.moving();
    let visible = shared.read();
    let (stored, stored_requests) = load(shared.storage.as_ref())
        .map_err(|error| format!("the state does not open: {error}"))?;
    same("the index", &visible.keys.index, &stored.keys.index)?;
    same("the leases", &visible.keys.leases, &stored.keys.leases)?;
    same("the alarms", &visible.keys.alarms, &stored.keys.alarms)?;
    let links = |visible: &Visible| -> Vec<_> {
        let swept = visible.head.kv.swept;
        visible.keys.history.links(swept).collect()
    };
    same("the history", &links(&visible), &links(&stored))?;
    same("the users and roles", &visible.auth, &stored.auth)?;
    let bytes = |visible: &Visible| visible.keys.bytes();
    same("the room that is taken", &bytes(&visible), &bytes(&stored))?;
    same("the cluster", &visible.system, &stored.system)?;
    same("the head", &visible.head, &stored.head)?;
    same("the digests", &visible.digests, &stored.digests)?;
    same("the requests", requests, &stored_requests)?;
    let view = shared.storage.view().map_err(|error| error.to_string())?;
    rows(&visible, view.as_ref())?;
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

/// What is stored is exactly what the index and the history name, of the lengths they say.
fn rows(visible: &Visible, view: &dyn View) -> Result<(), String> {
    let keys = &visible.keys;
    let progress = &visible.head.kv;
    let mut named = BTreeMap::new();
    for (key, version) in keys.index.iter() {
        ensure(
            version.created <= version.modified || !version.is_alive(),
            || format!("{key:?} was written before made"),
        )?;
        ensure(version.modified <= progress.revision, || {
            format!("{key:?} is of the future")
        })?;
        let before = named.insert(version.place().key(), version.value_bytes);
        ensure(before.is_none(), || {
            format!("{key:?} shares its revision with another key")
        })?;
    }
    for link in keys.history.links(progress.swept) {
        ensure(link.place() > progress.swept, || {
            format!("{:?} was given up and is kept", link.place())
        })?;
        if let Some((place, alive)) = link.before() {
            let value_bytes = link.replaced().map_or(0, |(_, value_bytes)| value_bytes);
            let before = named.insert(place.key(), value_bytes);
            ensure(
                before.is_none() && alive == link.replaced().is_some(),
                || format!("{place:?} was replaced and is the last version"),
            )?;
        }
    }
    let mut stored = BTreeMap::new();
    let mut large = BTreeMap::new();
    for row in view.scan(KV, (Unbounded, Unbounded)) {
        let (place, row) = row.map_err(|error| error.to_string())?;
        let (_, version, inline) = decode_row(&place, &row).map_err(|error| error.to_string())?;
        let len = u32::try_from(inline.len()).unwrap_or(u32::MAX);
        match version.value_bytes > VALUE_BYTES_INLINE_MAX && inline.is_empty() {
            true => drop(large.insert(place.clone(), version.value_bytes)),
            false => ensure(len == version.value_bytes, || {
                format!("{place:?} has a value of {len} bytes and says otherwise")
            })?,
        }
        stored.insert(place, version.value_bytes);
    }
    ensure(named == stored, || {
        format!(
            "memory names {} changes, {} are stored, or others",
            named.len(),
            stored.len()
        )
    })?;
    let mut found = BTreeMap::new();
    for row in view.scan(KV_LARGE, (Unbounded, Unbounded)) {
        let (place, value) = row.map_err(|error| error.to_string())?;
        found.insert(place, u32::try_from(value.len()).unwrap_or(u32::MAX));
    }
    ensure(large == found, || {
        "the large values are not those that the keys name".into()
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
    ensure(visible.head.kv.revision.0 <= 1 || system.open, || {
        "data came before the opening".into()
    })
}
