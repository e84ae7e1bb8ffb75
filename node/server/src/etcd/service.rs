//! What all services of etcd's API have in common.

use std::sync::Arc;

use node_api::etcd::etcdserverpb::ResponseHeader;
use node_engines::auth::{Auth, Refusal, User};
use node_engines::kv::{self, Revision};
use node_engines::{Answer, Command, ReadError, Reader, Reply};
use tokio::sync::Semaphore;
use tonic::Status;

use super::{LONG_READS_MAX, errors};
use crate::access::Caller;
use crate::node::{Consistency, Node, Written};
use crate::work;

/// The services of a node, as gRPC and the gateway have them, and the simulator without either. A clone is the same.
#[derive(Clone)]
pub struct Etcd {
    pub(super) node: Node,
    /// What reads the whole state takes one of these.
    pub(super) at_length: Arc<Semaphore>,
    /// How it is served: `http` or `https`.
    pub(super) scheme: &'static str,
    /// Where it is served.
    pub(super) port: u16,
}

impl Etcd {
    /// The services of `node`, which are served at `port`, by `http` or `https`.
    pub fn new(node: Node, scheme: &'static str, port: u16) -> Etcd {
        let at_length = Arc::new(Semaphore::new(LONG_READS_MAX));
        Etcd {
            node,
            at_length,
            scheme,
            port,
        }
    }

    /// The header of a reply that shows the keys as of a revision.
    pub(super) fn header(&self, revision: Revision) -> ResponseHeader {
        let (member, raft_term) = self.node.replication().place();
        ResponseHeader {
            cluster_id: cluster_id(&self.node),
            member_id: member.0,
            revision: number(revision.0),
            raft_term,
        }
    }

    /// The header of a reply that shows what this node has now.
    pub(super) fn header_now(&self) -> ResponseHeader {
        self.header(self.node.reader().revision())
    }

    /// Has one command carried out for a caller who may do what `check` looks at, and gives the state with everything that it changed: whoever reads or watches at this node
    /// after the reply finds it there.
    pub(super) async fn write(
        &self,
        caller: &Caller,
        check: impl Fn(&Auth, &User) -> Result<(), Refusal>,
        command: kv::Command,
    ) -> Result<(kv::Reply, Reader), Status> {
        let commands = vec![Command::Kv(command)];
        let written = self.node.write_as(caller, check, None, commands).await;
        let mut written = written.map_err(errors::status)?;
        match written.replies.pop() {
            Some(Reply::Kv(reply)) => Ok((reply, self.reader_after(&written).await?)),
            _ => Err(errors::another_reply()),
        }
    }

    /// The state, as fresh as a client wants it.
    pub(super) async fn reader(&self, serializable: bool) -> Result<Reader, Status> {
        let consistency = match serializable {
            true => Consistency::Local,
            false => Consistency::Linearizable,
        };
        let reader = self.node.read(consistency).await;
        reader.cloned().map_err(errors::status)
    }

    /// The state with everything that a write changed.
    pub async fn reader_after(&self, written: &Written) -> Result<Reader, Status> {
        let reader = self.node.read(Consistency::Session(written.position)).await;
        // The write is done: what is not known is what it found.
        let reader = reader.cloned();
        reader.map_err(|failure| errors::unknown(&failure.to_string()))
    }

    /// Reads a range for a caller who may; aside, where it may be a long one.
    pub(super) async fn query(
        &self,
        caller: &Caller,
        reader: Reader,
        query: kv::Query,
    ) -> Result<Answer, Status> {
        let keys = query.keys.clone();
        self.may_read(caller, &keys)?;
        let found = match query.keys.end {
            kv::End::Same => Ok(reader.query(&query)),
            _ => work::lend(self.node.host(), move || reader.query(&query)).await,
        };
        let found = found.map_err(|died| Status::internal(died.to_string()))?;
        // What it may read may have changed before the keys did that were read.
        self.may_read(caller, &keys)?;
        found.map_err(|error| self.read_failed(&error))
    }

    /// Reads for long, aside, with few others at a time.
    pub(super) async fn at_length<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Status> {
        let turn = Arc::clone(&self.at_length).acquire_owned().await;
        let turn = turn.map_err(|closed| Status::internal(closed.to_string()))?;
        let read = move || {
            let _turn = turn;
            read()
        };
        let read = work::lend(self.node.host(), read).await;
        let read = read.map_err(|died| Status::internal(died.to_string()))?;
        read.map_err(|error| self.read_failed(&error))
    }

    /// A storage that can not be read stops the node.
    pub(super) fn read_failed(&self, error: &ReadError) -> Status {
        errors::status(self.node.read_failed(error))
    }
}

/// The cluster's id, in the eight bytes that etcd has for it.
pub fn cluster_id(node: &Node) -> u64 {
    let id = node.reader().cluster_id();
    id.and_then(|id| id.0.first_chunk().copied())
        .map_or(0, u64::from_be_bytes)
}

/// A number in the type that etcd has for most of them.
pub fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
