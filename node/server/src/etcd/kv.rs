//! The service of keys.

mod parts;

use futures::stream::{BoxStream, StreamExt};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::kv_server::Kv;
use node_api::etcd::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, RangeStreamResponse, TxnRequest, TxnResponse,
};
use node_engines::Reader;
use node_engines::kv::{self, Done, Keys, Revision, Step};
use tonic::{Request, Response, Status};

use super::answers::{Answers, Missing, range};
use super::errors::{refused, status};
use super::service::Etcd;
use super::{REQUEST_BYTES_MAX, steps};
use crate::errors::Failure;
use crate::node::Written;

impl Etcd {
    /// Has a step carried out, and looks up what is to be answered.
    async fn step<T: Send + 'static>(
        &self,
        step: Step,
        looks_up: bool,
        answer: impl FnOnce(&mut Answers<'_>, Done) -> Result<T, Missing> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let (reply, written) = self.write(kv::Command::Step(step)).await?;
        let kv::Reply::Step { before, done } = reply else {
            return Err(unknown("the reply is of another command"));
        };
        let revision = match done.changes() {
            0 => before,
            _ => before.next(),
        };
        let header = self.header(revision);
        let reader = self.after(&written, looks_up).await?;
        let mut answers = Answers::new(&reader, header, before);
        match answer(&mut answers, done) {
            Ok(answer) => Ok(Response::new(answer)),
            Err(Missing::GivenUp) => Err(unknown("what the write found was given up meanwhile")),
            Err(Missing::Read(error)) => Err(self.read_failed(&error)),
        }
    }

    /// The state after a write, where something is looked up in it.
    async fn after(&self, written: &Written, looks_up: bool) -> Result<Reader, Status> {
        match looks_up {
            true => self.reader_after(written).await,
            false => Ok(self.node.reader().clone()),
        }
    }
}

fn unknown(reason: &str) -> Status {
    let reason = reason.to_owned();
    status(Failure::Unknown { reason })
}

/// Past the largest message nothing is read; between the two it is said.
fn check_size(request: &impl prost::Message) -> Result<(), Error> {
    match request.encoded_len() > REQUEST_BYTES_MAX {
        true => Err(Error::RequestTooLarge),
        false => Ok(()),
    }
}

#[tonic::async_trait]
impl Kv for Etcd {
    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        let request = request.into_inner();
        let query = steps::query(&request)?;
        let reader = self.reader(request.serializable).await?;
        let (revision, found) = self.query(reader, query).await?.map_err(refused)?;
        Ok(Response::new(range(self.header(revision), found)))
    }

    type RangeStreamStream = BoxStream<'static, Result<RangeStreamResponse, Status>>;

    async fn range_stream(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        let request = request.into_inner();
        let query = steps::query(&request)?;
        if query.order.is_some() {
            return Err(Error::RangeStreamSorted.into());
        }
        if query.filter != kv::Filter::default() {
            return Err(Error::RangeStreamFiltered.into());
        }
        let reader = self.reader(request.serializable).await?;
        Ok(Response::new(
            parts::of(self.clone(), reader, query).boxed(),
        ))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let request = request.into_inner();
        check_size(&request)?;
        let (keys, prev_kv) = (Keys::one(request.key.clone()), request.prev_kv);
        let step = steps::put(request)?;
        self.step(step, prev_kv, move |answers, _| answers.put(keys, prev_kv))
            .await
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let request = request.into_inner();
        check_size(&request)?;
        let prev_kv = request.prev_kv;
        let keys = steps::keys(request.key.clone(), request.range_end.clone());
        let step = steps::delete(request)?;
        let answer = move |answers: &mut Answers<'_>, done: Done| {
            answers.delete(keys, prev_kv, done.changes())
        };
        self.step(step, prev_kv, answer).await
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let request = request.into_inner();
        check_size(&request)?;
        let step = steps::txn(request.clone())?;
        let answer = move |answers: &mut Answers<'_>, done| answers.txn(request, done);
        self.step(step, true, answer).await
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        // What is below every revision was compacted long ago.
        let revision = u64::try_from(request.into_inner().revision).unwrap_or(0);
        let revision = Revision(revision);
        let (reply, _) = self.write(kv::Command::Compact { revision }).await?;
        let kv::Reply::Compacted { revision } = reply else {
            return Err(unknown("the reply is of another command"));
        };
        Ok(Response::new(CompactionResponse {
            header: Some(self.header(revision)),
        }))
    }
}
