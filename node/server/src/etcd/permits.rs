//! What requests read and write, held against what a user may do.

use bytes::Bytes;
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::{DeleteRangeRequest, PutRequest, RequestOp, TxnRequest};
use node_engines::auth::{Auth, Refusal, Right, User};
use node_engines::kv::{Keys, LeaseId};
use tonic::Status;

use super::errors::status;
use super::service::Etcd;
use super::steps::keys;
use crate::access::Caller;

type Permitted = Result<(), Refusal>;

/// A put, and the value before it where that is wanted.
pub fn put(auth: &Auth, user: &User, key: &Bytes, prev_kv: bool) -> Permitted {
    let keys = Keys::one(key.clone());
    auth.check(user, Right::Write, &keys)?;
    read_if(prev_kv, auth, user, &keys)
}

/// A delete, and the values before it where those are wanted.
pub fn delete(auth: &Auth, user: &User, keys: &Keys, prev_kv: bool) -> Permitted {
    auth.check(user, Right::Write, keys)?;
    read_if(prev_kv, auth, user, keys)
}

fn read_if(wanted: bool, auth: &Auth, user: &User, keys: &Keys) -> Permitted {
    match wanted {
        true => auth.check(user, Right::Read, keys),
        false => Ok(()),
    }
}

/// A transaction: all of it, whichever branch it would take.
pub fn txn(auth: &Auth, user: &User, request: &TxnRequest) -> Permitted {
    for compare in &request.compare {
        let keys = keys(compare.key.clone(), compare.range_end.clone());
        auth.check(user, Right::Read, &keys)?;
    }
    let steps = request.success.iter().chain(&request.failure);
    for RequestOp { request } in steps {
        match request {
            Some(Request::RequestRange(range)) => {
                let keys = keys(range.key.clone(), range.range_end.clone());
                auth.check(user, Right::Read, &keys)?;
            }
            Some(Request::RequestPut(PutRequest { key, prev_kv, .. })) => {
                put(auth, user, key, *prev_kv)?;
            }
            Some(Request::RequestDeleteRange(request)) => {
                let DeleteRangeRequest {
                    key,
                    range_end,
                    prev_kv,
                } = request.clone();
                delete(auth, user, &keys(key, range_end), prev_kv)?;
            }
            Some(Request::RequestTxn(within)) => txn(auth, user, within)?,
            None => {}
        }
    }
    Ok(())
}

/// Anything that is open to every user, and to nobody else.
pub fn any_user(_: &Auth, _: &User) -> Permitted {
    Ok(())
}

/// Anything that only root may do.
pub fn root(_: &Auth, user: &User) -> Permitted {
    match user.is_root() {
        true => Ok(()),
        false => Err(Refusal::PermissionDenied),
    }
}

impl Etcd {
    /// Whether the caller may read keys.
    pub fn may_read(&self, caller: &Caller, keys: &Keys) -> Result<(), Status> {
        let check = |auth: &Auth, user: &User| auth.check(user, Right::Read, keys);
        let admitted = self.node.admit(caller, check);
        admitted.map(drop).map_err(status)
    }

    /// Whether the caller is a user, if those are asked for.
    pub fn is_user(&self, caller: &Caller) -> Result<(), Status> {
        let admitted = self.node.admit(caller, any_user);
        admitted.map(drop).map_err(status)
    }

    /// Whether the caller may do everything.
    pub fn is_root(&self, caller: &Caller) -> Result<(), Status> {
        let admitted = self.node.admit(caller, root);
        admitted.map(drop).map_err(status)
    }

    /// Whether the caller has a right on all keys of a lease.
    pub fn may_with_keys_of(
        &self,
        caller: &Caller,
        right: Right,
        lease: LeaseId,
    ) -> Result<(), Status> {
        if !self.node.reader().auth(Auth::enabled) {
            return Ok(());
        }
        let leased = self.node.reader().lease(lease, true);
        let keys = leased.map(|leased| leased.keys).unwrap_or_default();
        let check = |auth: &Auth, user: &User| {
            let mut keys = keys.into_iter().map(Keys::one);
            keys.try_for_each(|keys| auth.check(user, right, &keys))
        };
        let admitted = self.node.admit(caller, check);
        admitted.map(drop).map_err(status)
    }
}
