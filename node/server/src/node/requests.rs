//! Reads and writes.

use bytes::Bytes;
use node_engines::kv::Revision;
use node_engines::{
    Command, Found, Outcome, Position, Proposal, ReadError, Reader, Reply, RequestId,
};
use node_host::Flaw;
use node_replication::{Proof, ProposeError};
use tokio::time::timeout;

use super::{Node, mistakes};
use crate::errors::Failure;

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// It shows every write acknowledged anywhere before it.
    Linearizable,
    /// The same, as long as the nodes' clocks pass at about the same pace; and no majority is asked.
    Lease,
    /// It shows at least this position.
    Session(Position),
    /// It shows what this node has applied.
    Local,
}

/// An accepted write: a majority has it on disk, and one node has applied it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where in history it stands.
    pub position: Position,
    /// One reply for each command, in order.
    pub replies: Vec<Reply>,
}

/// A page of keys with their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Keys in order. Each value is as of its own look-up, the page as a whole of no one moment.
    pub items: Vec<(Bytes, Bytes, Revision)>,
    /// The key that the next page begins with, where there is more.
    pub next: Option<Bytes>,
}

impl Node {
    /// Carries out `commands` as one entry, all of them or none, from any node. On return the entry is durable on a majority.
    ///
    /// With a request id a repetition does nothing and gets the first reply; without one an unknown outcome stays unknown.
    /// No write is ever repeated by the node itself once its outcome is unknown.
    pub async fn write(
        &self,
        request: Option<RequestId>,
        commands: Vec<Command>,
    ) -> Result<Written, Failure> {
        let host = &self.inner.host;
        let request = request.filter(|_| !host.has(Flaw::ForgetRequests));
        let commands = match host.flaw {
            Some(flaw) => mistakes::make(flaw, commands),
            None => commands,
        };
        let again = host
            .has(Flaw::RetryUnknown)
            .then(|| (request.clone(), commands.clone()));
        let written = self.try_write(request, commands).await;
        let written = match (written, again) {
            (Err(Failure::Unknown { .. }), Some((request, commands))) => {
                self.try_write(request, commands).await
            }
            (written, _) => written,
        };
        self.counted(written)
    }

    async fn try_write(
        &self,
        request: Option<RequestId>,
        commands: Vec<Command>,
    ) -> Result<Written, Failure> {
        self.check_serving()?;
        self.check_formed()?;
        if self.inner.reserve.is_full() {
            return Err(Failure::DiskFull {
                whose: "this node's",
            });
        }
        self.check_quota(&commands, request.is_some()).await?;
        self.propose(Proposal { request, commands }).await
    }

    fn counted<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        outcome.inspect_err(|failure| self.inner.traffic.count_failure(failure))
    }

    /// Proposes, whether or not the disk has room: the cluster's own entries are small.
    pub(crate) async fn propose(&self, proposal: Proposal) -> Result<Written, Failure> {
        let inner = &self.inner;
        let proposing = inner.replication.propose(proposal.encode());
        let (_, reply) = match timeout(inner.limits.write_within, proposing).await {
            Ok(Ok(done)) => done,
            Ok(Err(ProposeError::Stopped)) => {
                self.check_running()?;
                return Err(ProposeError::Stopped.into());
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                let reason = format!("no reply within {:?}", inner.limits.write_within);
                return Err(Failure::Unknown { reason });
            }
        };
        match Outcome::decode(&reply) {
            Ok(Outcome::Accepted { position, replies }) => Ok(Written { position, replies }),
            Ok(Outcome::Rejected(rejection)) => Err(Failure::Rejected(rejection)),
            Err(error) => Err(Failure::Unknown {
                reason: format!("the leader's reply is unreadable: {error}"),
            }),
        }
    }

    /// Waits until this node's state is as fresh as asked for, and gives it.
    pub async fn read(&self, consistency: Consistency) -> Result<&Reader, Failure> {
        self.counted(self.try_read(consistency).await)
    }

    async fn try_read(&self, consistency: Consistency) -> Result<&Reader, Failure> {
        self.check_serving()?;
        self.check_formed()?;
        let inner = &self.inner;
        let unavailable = |error: node_replication::Unavailable| Failure::Unavailable {
            reason: error.reason,
        };
        match consistency {
            Consistency::Local => {}
            Consistency::Linearizable | Consistency::Lease => {
                let proof = match consistency {
                    Consistency::Lease => Proof::Lease,
                    _ => Proof::Majority,
                };
                let confirming = inner.replication.linearize(proof);
                match timeout(inner.limits.read_within, confirming).await {
                    Ok(confirmed) => confirmed.map(|_| ()).map_err(unavailable)?,
                    Err(_) => {
                        let reason = "no majority confirmed the read in time".to_owned();
                        return Err(Failure::Unavailable { reason });
                    }
                }
            }
            Consistency::Session(position) => {
                let now = inner.reader.position();
                if inner.host.has(Flaw::StaleSession) {
                    return Ok(&inner.reader);
                }
                if position > now {
                    let index = ahead(position, now)?;
                    let waited = inner
                        .replication
                        .wait_applied(index, inner.limits.read_within);
                    waited.await.map_err(unavailable)?;
                } else if (position.log, position.incarnation) != (now.log, now.incarnation) {
                    return Err(Failure::PositionOfThePast {
                        given: position.incarnation,
                        current: now.incarnation,
                    });
                }
            }
        }
        Ok(&inner.reader)
    }

    /// The value of a key, and the position that the read is surely not older than: whoever goes on from there misses nothing.
    pub async fn get(
        &self,
        key: &[u8],
        consistency: Consistency,
    ) -> Result<(Option<Found>, Position), Failure> {
        let reader = self.read(consistency).await?;
        // What is applied while the value is looked up lies behind it.
        let position = reader.position();
        let found = reader.get(key).map_err(|error| self.read_failed(&error))?;
        Ok((found, position))
    }

    /// The keys that begin with `prefix` and are not before `from`, with their values; at most `limit`, and fewer where
    /// their values are large. Blocks on the disk: the caller is where that is allowed.
    pub fn list(
        &self,
        reader: &Reader,
        prefix: &[u8],
        from: Option<&[u8]>,
        limit: usize,
    ) -> Result<Listed, Failure> {
        let limits = &self.inner.limits;
        let page = reader.list(prefix, from, limit.min(limits.list_items_max));
        let mut listed = Listed {
            items: Vec::with_capacity(page.items.len()),
            next: page.next,
        };
        let mut bytes = 0;
        for (key, _, _) in page.items {
            if bytes >= limits.list_bytes_max {
                listed.next = Some(key);
                break;
            }
            // A key that was deleted meanwhile is left out.
            let found = reader.get(&key).map_err(|error| self.read_failed(&error))?;
            if let Some(Found {
                value, revision, ..
            }) = found
            {
                bytes += key.len() + value.len();
                listed.items.push((key, value, revision));
            }
        }
        Ok(listed)
    }

    /// Whether clients are served at all, for whoever wants to know before a request has come in whole.
    pub(crate) fn serves(&self) -> Result<(), Failure> {
        self.counted(self.check_serving())
    }

    fn check_serving(&self) -> Result<(), Failure> {
        self.check_running()?;
        match self.inner.fence.is_up() {
            true => Err(Failure::Fenced),
            false => Ok(()),
        }
    }

    fn check_formed(&self) -> Result<(), Failure> {
        if self.inner.reader.cluster_id().is_some() {
            return Ok(());
        }
        let reason = "the cluster is not formed yet, as far as this node knows (klusterctl init, or the operator, forms it)";
        Err(Failure::Unavailable {
            reason: reason.to_owned(),
        })
    }

    pub(super) fn check_running(&self) -> Result<(), Failure> {
        match self.inner.failure.borrow().as_ref() {
            Some(reason) => Err(Failure::Fatal {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// A storage that can not be read stops the node.
    pub(crate) fn read_failed(&self, error: &ReadError) -> Failure {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        self.fail(reason.clone());
        Failure::Fatal { reason }
    }
}

/// The index to wait for, of a position that lies ahead.
fn ahead(position: Position, now: Position) -> Result<u64, Failure> {
    if position.log != now.log {
        return Err(Failure::PositionOfAnotherLog);
    }
    if position.incarnation != now.incarnation {
        let reason = "this node does not have the data of that incarnation yet".to_owned();
        return Err(Failure::Unavailable { reason });
    }
    Ok(position.index.0)
}
