//! Claims on a name, in the order in which they were made: what locks and elections are. A claim is a key under the name, with
//! a lease, and whoever holds the oldest one has the name.
//!
//! The keys are those that etcd's own clients make, so that these and the services here wait for each other.

use bytes::{BufMut, Bytes, BytesMut};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use node_api::etcd::etcdserverpb::kv_server::Kv;
use node_api::etcd::etcdserverpb::lease_server::Lease;
use node_api::etcd::etcdserverpb::range_request::{SortOrder, SortTarget};
use node_api::etcd::etcdserverpb::request_op;
use node_api::etcd::etcdserverpb::response_op::Response as Answer;
use node_api::etcd::etcdserverpb::{
    Compare, DeleteRangeRequest, LeaseGrantRequest, PutRequest, RangeRequest, RangeResponse,
    RequestOp, ResponseHeader, TxnRequest, TxnResponse,
};
use node_api::etcd::mvccpb::KeyValue;
use node_engines::kv::{Keys, Revision};
use tonic::Status;

use super::answers::key_value;
use super::callers::in_the_name_of;
use super::service::Etcd;
use crate::access::Caller;
use crate::watches::{Told, WatchId, Watcher};

/// A claim without a lease of its own is given one that lives so long, in seconds.
const TTL_SECONDS: i64 = 60;

/// A claim that was made, or was there already.
pub struct Claim {
    pub key: Bytes,
    /// The revision that made it.
    pub created: i64,
    pub lease: i64,
    /// What was there already.
    pub before: Option<KeyValue>,
    pub header: Option<ResponseHeader>,
}

/// The keys of all claims on a name begin with this.
pub fn prefix(name: &[u8]) -> Bytes {
    let mut prefix = BytesMut::with_capacity(name.len() + 1);
    prefix.put_slice(name);
    prefix.put_u8(b'/');
    prefix.freeze()
}

/// The first key after all that begin with a name's prefix.
pub fn after(prefix: &[u8]) -> Bytes {
    let name = prefix.strip_suffix(b"/").unwrap_or(prefix);
    let mut end = BytesMut::with_capacity(prefix.len());
    end.put_slice(name);
    end.put_u8(b'/' + 1);
    end.freeze()
}

/// That a key was made by this revision; 0 is that there is none.
fn made_by(key: Bytes, revision: i64) -> Compare {
    Compare {
        key,
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
        ..Compare::default()
    }
}

fn step(request: request_op::Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

impl Etcd {
    /// Makes a claim with a value, or finds the one that this lease has.
    pub async fn claim(
        &self,
        caller: &Caller,
        name: &[u8],
        lease: i64,
        value: Bytes,
    ) -> Result<Claim, Status> {
        let lease = match lease {
            0 => self.grant_a_lease(caller).await?,
            lease => lease,
        };
        let mut key = BytesMut::from(&*prefix(name));
        key.put_slice(format!("{lease:x}").as_bytes());
        let key = key.freeze();
        let put = PutRequest {
            key: key.clone(),
            value,
            lease,
            ..PutRequest::default()
        };
        let get = RangeRequest {
            key: key.clone(),
            ..RangeRequest::default()
        };
        let request = TxnRequest {
            compare: vec![made_by(key.clone(), 0)],
            success: vec![step(request_op::Request::RequestPut(put))],
            failure: vec![step(request_op::Request::RequestRange(get))],
        };
        let TxnResponse {
            header, responses, ..
        } = self
            .txn(in_the_name_of(caller, request))
            .await?
            .into_inner();
        let found = responses.into_iter().find_map(|op| match op.response {
            Some(Answer::ResponseRange(found)) => found.kvs.into_iter().next(),
            _ => None,
        });
        let now = header.as_ref().map_or(0, |header| header.revision);
        Ok(Claim {
            created: found.as_ref().map_or(now, |kv| kv.create_revision),
            key,
            lease,
            before: found,
            header,
        })
    }

    async fn grant_a_lease(&self, caller: &Caller) -> Result<i64, Status> {
        let request = LeaseGrantRequest {
            ttl: TTL_SECONDS,
            id: 0,
        };
        let granted = self.lease_grant(in_the_name_of(caller, request)).await?;
        Ok(granted.into_inner().id)
    }

    /// The oldest claim on a name.
    pub async fn oldest(&self, caller: &Caller, name: &[u8]) -> Result<RangeResponse, Status> {
        let prefix = prefix(name);
        let request = RangeRequest {
            range_end: after(&prefix),
            key: prefix,
            limit: 1,
            sort_order: SortOrder::Ascend.into(),
            sort_target: SortTarget::Create.into(),
            ..RangeRequest::default()
        };
        Ok(self
            .range(in_the_name_of(caller, request))
            .await?
            .into_inner())
    }

    /// Waits until a claim is the oldest one. Whoever stops waiting before gives the claim up.
    pub async fn until_oldest(
        &self,
        caller: &Caller,
        name: &[u8],
        claim: &Claim,
    ) -> Result<(), Status> {
        let waiting = GivenUp {
            etcd: self.clone(),
            caller: caller.clone(),
            key: claim.key.clone(),
            created: claim.created,
            over: false,
        };
        let prefix = prefix(name);
        loop {
            let request = RangeRequest {
                range_end: after(&prefix),
                key: prefix.clone(),
                limit: 1,
                sort_order: SortOrder::Descend.into(),
                sort_target: SortTarget::Create.into(),
                max_create_revision: claim.created - 1,
                ..RangeRequest::default()
            };
            let older = self
                .range(in_the_name_of(caller, request))
                .await?
                .into_inner();
            let Some(next) = older.kvs.into_iter().next() else {
                break;
            };
            let now = older.header.map_or(0, |header| header.revision);
            self.until_changed(caller, next.key, now).await?;
        }
        waiting.ends();
        Ok(())
    }

    /// Waits until a key changes that was there at this revision.
    async fn until_changed(
        &self,
        caller: &Caller,
        key: Bytes,
        revision: i64,
    ) -> Result<(), Status> {
        let from = Revision(u64::try_from(revision + 1).unwrap_or(1));
        let mut watcher = self.watching(caller, Keys::one(key), from).await?;
        // Where its history is given up, or it was made anew, whether it is there is looked at again.
        self.last_change(&mut watcher).await.map(drop)
    }

    /// Watches keys from a revision on, which the caller may read.
    pub async fn watching(
        &self,
        caller: &Caller,
        keys: Keys,
        from: Revision,
    ) -> Result<Watcher, Status> {
        self.may_read(caller, &keys)?;
        let mut watcher = self.node.watches().watcher();
        let watched = tokio::select! {
            biased;
            () = self.node.ending() => return Err(Error::Stopped.into()),
            watched = watcher.watch(WatchId(0), keys, Some(from)) => watched,
        };
        watched.map_err(|too_many| Status::resource_exhausted(too_many.to_string()))?;
        Ok(watcher)
    }

    /// Waits for changes, and gives the last of them, and whether any is a deletion; nothing where they are given up.
    pub async fn last_change(
        &self,
        watcher: &mut Watcher,
    ) -> Result<Option<(KeyValue, bool)>, Status> {
        loop {
            tokio::select! {
                biased;
                () = self.node.ending() => return Err(Error::Stopped.into()),
                () = watcher.marked() => {}
            }
            match watcher.next().await {
                Ok(Some(Told::Changes { changes, .. })) => {
                    if let Some(last) = changes.last() {
                        let deleted = changes.iter().any(|change| change.deleted);
                        return Ok(Some((key_value(last.now.clone()), deleted)));
                    }
                }
                Ok(Some(Told::Compacted { .. })) => return Ok(None),
                Ok(None) => {}
                Err(error) => return Err(self.read_failed(&error)),
            }
        }
    }

    /// Does something if a key is still the one that was made by this revision; says whether it was.
    pub async fn if_still(
        &self,
        caller: &Caller,
        key: Bytes,
        created: i64,
        then: request_op::Request,
    ) -> Result<TxnResponse, Status> {
        let request = TxnRequest {
            compare: vec![made_by(key, created)],
            success: vec![step(then)],
            failure: Vec::new(),
        };
        Ok(self
            .txn(in_the_name_of(caller, request))
            .await?
            .into_inner())
    }

    /// Gives a claim up, if it is still there.
    pub async fn give_up(
        &self,
        caller: &Caller,
        key: Bytes,
        created: i64,
    ) -> Result<TxnResponse, Status> {
        let delete = DeleteRangeRequest {
            key: key.clone(),
            ..DeleteRangeRequest::default()
        };
        let delete = request_op::Request::RequestDeleteRange(delete);
        self.if_still(caller, key, created, delete).await
    }
}

/// A claim that is given up when this is dropped before its turn: whoever waited has gone.
struct GivenUp {
    etcd: Etcd,
    caller: Caller,
    key: Bytes,
    created: i64,
    over: bool,
}

impl GivenUp {
    fn ends(mut self) {
        self.over = true;
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (etcd, caller) = (self.etcd.clone(), self.caller.clone());
        let (key, created) = (self.key.clone(), self.created);
        tokio::spawn(async move {
            if let Err(error) = etcd.give_up(&caller, key, created).await {
                tracing::debug!(%error, "a claim was not given up; it goes with its lease");
            }
        });
    }
}
