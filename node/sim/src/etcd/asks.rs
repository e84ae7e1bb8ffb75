//! What clients ask of etcd's API, and what they are told.

use std::time::Duration;

use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::kv_server::Kv;
use node_api::etcd::etcdserverpb::lease_server::Lease;
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::response_op::Response;
use node_api::etcd::etcdserverpb::{
    CompactionRequest, LeaseGrantRequest, LeaseRevokeRequest, ResponseHeader,
};
use node_engines::kv::LeaseId;
use node_server::Node;
use node_server::etcd::Etcd;
use tonic::{Request as Call, Status};

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A read, a put, a delete or a transaction.
    Step(Request),
    /// To give up the history before a revision.
    Compact(i64),
    /// A lease of this name and so many seconds.
    Grant(i64, i64),
    /// That a lease lives on.
    KeepAlive(i64),
    /// That a lease ends.
    Revoke(i64),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The answer to a step; its own header has no more than the revision.
    Step(Response),
    /// It was done; with the revision of the answer.
    Done(i64),
    /// Whether the lease lives.
    Alive(bool),
    /// Surely nothing, for this reason.
    Refused(String),
    /// Nobody knows.
    Unknown,
}

/// One operation. Moments are those of [`crate::clients::History`].
#[derive(Clone, Debug)]
pub struct Operation {
    /// What was asked.
    pub ask: Ask,
    /// When, and how old the world was.
    pub invoked: (u64, Duration),
    /// When it was answered; late where nobody knows.
    pub returned: (u64, Duration),
    /// What came of it.
    pub said: Said,
}

impl Operation {
    /// Whether it was refused for this reason.
    pub fn is_refused(&self, error: Error) -> bool {
        matches!(&self.said, Said::Refused(why) if why == error.message())
    }

    /// The revision that it was answered with.
    pub fn revision(&self) -> Option<i64> {
        match &self.said {
            Said::Step(response) => revision(response),
            Said::Done(revision) => Some(*revision),
            Said::Alive(_) | Said::Refused(_) | Said::Unknown => None,
        }
    }
}

/// What is surely not done where it is the answer.
const REFUSALS: [Error; 11] = [
    Error::Compacted,
    Error::Corrupt,
    Error::DuplicateKey,
    Error::FutureRev,
    Error::KeyNotFound,
    Error::LeaseExist,
    Error::LeaseNotFound,
    Error::NoLeader,
    Error::NoSpace,
    Error::NotCapable,
    Error::RequestTooManyRequests,
];

/// Asks a node.
pub async fn tell(node: Node, ask: Ask) -> Said {
    let etcd = Etcd::new(node.clone(), "http", 0);
    let told = match ask {
        Ask::Step(request) => step(&etcd, request).await,
        Ask::Compact(revision) => {
            let request = CompactionRequest {
                revision,
                physical: false,
            };
            let done = etcd.compact(Call::new(request)).await;
            done.map(|done| Said::Done(of(&done.get_ref().header)))
        }
        Ask::Grant(id, ttl) => {
            let done = etcd
                .lease_grant(Call::new(LeaseGrantRequest { ttl, id }))
                .await;
            done.map(|done| Said::Done(of(&done.get_ref().header)))
        }
        Ask::Revoke(id) => {
            let done = etcd
                .lease_revoke(Call::new(LeaseRevokeRequest { id }))
                .await;
            done.map(|done| Said::Done(of(&done.get_ref().header)))
        }
        Ask::KeepAlive(id) => match node.keep_alive(LeaseId(id)).await {
            Ok(left) => Ok(Said::Alive(left.is_some())),
            Err(_) => Ok(Said::Unknown),
        },
    };
    told.unwrap_or_else(|status| failed(&status))
}

async fn step(etcd: &Etcd, request: Request) -> Result<Said, Status> {
    let response = match request {
        Request::RequestRange(range) => {
            Response::ResponseRange(etcd.range(Call::new(range)).await?.into_inner())
        }
        Request::RequestPut(put) => {
            Response::ResponsePut(etcd.put(Call::new(put)).await?.into_inner())
        }
        Request::RequestDeleteRange(delete) => {
            let answer = etcd.delete_range(Call::new(delete)).await?;
            Response::ResponseDeleteRange(answer.into_inner())
        }
        Request::RequestTxn(txn) => {
            Response::ResponseTxn(etcd.txn(Call::new(txn)).await?.into_inner())
        }
    };
    Ok(Said::Step(with_revision_alone(response)))
}

fn failed(status: &Status) -> Said {
    let surely_not = REFUSALS
        .iter()
        .any(|error| error.message() == status.message());
    match surely_not {
        true => Said::Refused(status.message().to_owned()),
        false => Said::Unknown,
    }
}

fn of(header: &Option<ResponseHeader>) -> i64 {
    header.as_ref().map_or(0, |header| header.revision)
}

fn revision(response: &Response) -> Option<i64> {
    let header = match response {
        Response::ResponseRange(range) => &range.header,
        Response::ResponsePut(put) => &put.header,
        Response::ResponseDeleteRange(delete) => &delete.header,
        Response::ResponseTxn(txn) => &txn.header,
    };
    header.as_ref().map(|header| header.revision)
}

/// The answer with nothing but the revision in its own header.
pub fn with_revision(mut response: Response, revision: i64) -> Response {
    let header = match &mut response {
        Response::ResponseRange(range) => &mut range.header,
        Response::ResponsePut(put) => &mut put.header,
        Response::ResponseDeleteRange(delete) => &mut delete.header,
        Response::ResponseTxn(txn) => &mut txn.header,
    };
    *header = Some(ResponseHeader {
        revision,
        ..ResponseHeader::default()
    });
    response
}

fn with_revision_alone(response: Response) -> Response {
    let revision = revision(&response).unwrap_or_default();
    with_revision(response, revision)
}
