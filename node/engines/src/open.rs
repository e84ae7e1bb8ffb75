//! From stored rows to memory.

use std::ops::Bound::Unbounded;

use bytes::Bytes;
use node_storage::{Digest, Storage, Table, View};

use crate::format::state::{
    decode_cluster, decode_head, decode_members, decode_record, decode_version,
};
use crate::requests::Requests;
use crate::state::{Digests, Head, Visible};
use crate::system::System;
use crate::tables::{CLUSTER, DIGESTS, HEAD, KV_INDEX, MEMBERS, REQUESTS, SYSTEM};
use crate::{DecodeError, FEATURE_LEVEL_MAX, OpenError, RequestId, kv};

/// Reads everything that is kept in memory.
pub(crate) fn load(storage: &dyn Storage) -> Result<(Visible, Requests), OpenError> {
    let view = storage.view()?;
    let view = view.as_ref();
    let visible = Visible {
        system: system(view)?,
        head: head(view)?,
        index: index(view)?,
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

fn head(view: &dyn View) -> Result<Head, OpenError> {
    match view.get(SYSTEM, HEAD)? {
        Some(row) => decode_head(&row).map_err(in_table(SYSTEM)),
        None => Ok(Head::default()),
    }
}

fn index(view: &dyn View) -> Result<kv::Index, OpenError> {
    let mut index = kv::Index::default();
    for row in view.scan(KV_INDEX, (Unbounded, Unbounded)) {
        let (key, value) = row?;
        index.set(&key, decode_version(&value).map_err(in_table(KV_INDEX))?);
    }
    Ok(index)
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

fn in_table(table: Table) -> impl Fn(DecodeError) -> OpenError {
    move |source| OpenError::Row {
        table: table.0,
        source,
    }
}
