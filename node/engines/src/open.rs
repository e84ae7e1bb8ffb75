//! From stored rows to memory.

use std::ops::Bound::Unbounded;

use bytes::Bytes;
use node_storage::{Digest, Storage, Table, View};

use crate::auth::Auth;
use crate::format::auth::{decode_role, decode_state, decode_user};
use crate::format::kv::{decode_alarm, decode_lease};
use crate::format::state::{decode_cluster, decode_head, decode_members, decode_record};
use crate::requests::Requests;
use crate::state::{Digests, Head, Visible};
use crate::system::System;
use crate::tables::{
    AUTH, AUTH_STATE, CLUSTER, COMPACTED, DIGESTS, HEAD, KV, KV_ALARMS, KV_LEASES, MEMBERS,
    REQUESTS, ROLE, SYSTEM, USER,
};
use crate::{DecodeError, FEATURE_LEVEL_MAX, OpenError, RequestId, from_level_1, kv};

/// Reads everything that is kept in memory.
pub(crate) fn load(storage: &dyn Storage) -> Result<(Visible, Requests), OpenError> {
    from_level_1::convert(storage)?;
    let view = storage.view()?;
    let view = view.as_ref();
    let head = head(view)?;
    let visible = Visible {
        auth: auth(view)?,
        system: system(view)?,
        keys: keys(view, head.kv)?,
        head,
        digests: digests(view)?,
    };
    Ok((visible, requests(view)?))
}

fn system(view: &dyn View) -> Result<System, OpenError> {
    let mut system = System::default();
    if let Some(row) = view.get(SYSTEM, CLUSTER)? {
        decode_cluster(&row, &mut system).map_err(in_table(SYSTEM))?;
    }
    if system.feature_level > FEATURE_LEVEL_MAX {
        return Err(OpenError::FeatureLevel {
            level: system.feature_level,
        });
    }
    if let Some(row) = view.get(SYSTEM, MEMBERS)? {
        decode_members(&row, &mut system).map_err(in_table(SYSTEM))?;
    }
    Ok(system)
}

fn auth(view: &dyn View) -> Result<Auth, OpenError> {
    let mut auth = Auth::default();
    for row in view.scan(AUTH, (Unbounded, Unbounded)) {
        let (key, row) = row?;
        read_auth(&mut auth, &key, &row).map_err(in_table(AUTH))?;
    }
    Ok(auth)
}

fn read_auth(auth: &mut Auth, key: &Bytes, row: &Bytes) -> Result<(), DecodeError> {
    if key == AUTH_STATE {
        return decode_state(row, auth);
    }
    let wrong = || DecodeError::Field {
        format: "a row of the users and roles",
        field: "name",
    };
    let (kind, name) = key.split_first().ok_or_else(wrong)?;
    let name = String::from_utf8(name.to_vec()).map_err(|_| wrong())?;
    match *kind {
        USER => drop(auth.users.insert(name, decode_user(row)?)),
        ROLE => drop(auth.roles.insert(name, decode_role(row)?)),
        _ => return Err(wrong()),
    }
    Ok(())
}

fn head(view: &dyn View) -> Result<Head, OpenError> {
    match view.get(SYSTEM, HEAD)? {
        Some(row) => {
            let mut head = decode_head(&row).map_err(in_table(SYSTEM))?;
            head.kv.compacted = compacted(view)?;
            Ok(head)
        }
        None => Ok(Head::default()),
    }
}

fn compacted(view: &dyn View) -> Result<kv::Revision, OpenError> {
    let Some(row) = view.get(SYSTEM, COMPACTED)? else {
        return Ok(kv::Revision(0));
    };
    let wrong = DecodeError::Field {
        format: "the beginning of the history",
        field: "length",
    };
    let place = kv::Place::of_key(&row).ok_or(wrong);
    Ok(place.map_err(in_table(SYSTEM))?.revision)
}

/// The rows in their order are what was done to the keys. Of what was done and is swept, only what still holds is left.
fn keys(view: &dyn View, progress: kv::Progress) -> Result<kv::Keyspace, OpenError> {
    let mut keys = kv::Keyspace::default();
    for row in view.scan(KV_LEASES, (Unbounded, Unbounded)) {
        let (id, row) = row?;
        let lease = kv::rows::lease_of_key(&id).map_err(in_table(KV_LEASES))?;
        let grant = decode_lease(&row).map_err(in_table(KV_LEASES))?;
        keys.leases.grant(lease, grant);
    }
    for row in view.scan(KV_ALARMS, (Unbounded, Unbounded)) {
        let (key, row) = row?;
        let alarm = decode_alarm(&key, &row).map_err(in_table(KV_ALARMS))?;
        keys.alarms.set(alarm, true);
    }
    for row in view.scan(KV, (Unbounded, Unbounded)) {
        let (place, row) = row?;
        let (key, version, _) = kv::rows::decode_row(&place, &row).map_err(in_table(KV))?;
        keys.add(&key, version, progress.swept);
    }
    keys.history.give_up(progress.compacted);
    Ok(keys)
}

fn digests(view: &dyn View) -> Result<Digests, OpenError> {
    let mut digests = Digests::default();
    for row in view.scan(DIGESTS, (Unbounded, Unbounded)) {
        let (key, value) = row?;
        let index = u64::from_be_bytes(exactly(&key)?);
        digests.insert(index, Digest(exactly(&value)?));
    }
    Ok(digests)
}

fn exactly<const N: usize>(bytes: &Bytes) -> Result<[u8; N], OpenError> {
    let wrong = DecodeError::Field {
        format: "a kept digest",
        field: "length",
    };
    <[u8; N]>::try_from(bytes.as_ref()).map_err(|_| in_table(DIGESTS)(wrong))
}

fn requests(view: &dyn View) -> Result<Requests, OpenError> {
    let mut requests = Requests::default();
    for row in view.scan(REQUESTS, (Unbounded, Unbounded)) {
        let (key, value) = row?;
        let wrong = DecodeError::Field {
            format: "a request's record",
            field: "request id",
        };
        let id = RequestId::new(key).map_err(|_| in_table(REQUESTS)(wrong))?;
        requests.set(id, decode_record(&value).map_err(in_table(REQUESTS))?);
    }
    Ok(requests)
}

pub(crate) fn in_table(table: Table) -> impl Fn(DecodeError) -> OpenError {
    move |source| OpenError::Row {
        table: table.0,
        source,
    }
}
