//! The service of keys.

mod parts;

use futures::stream::{BoxStream, StreamExt};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::kv_server::Kv;
use node_api::etcd::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, RangeStreamResponse, ResponseHeader, TxnRequest,
    TxnResponse,
};
use node_engines::kv::{self, Done, Keys, Order, Revision, Step};
use tonic::{Request, Response, Status};

use super::answers::{Answers, Missing, range};
use super::errors::{another_reply, refused, unknown};
use super::service::Etcd;
use super::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX, steps};

impl Etcd {
    /// Has a step carried out, and looks up what is to be answered; gives it with the header of the whole.
    async fn step<T>(
        &self,
        step: Step,
        answer: impl FnOnce(&mut Answers<'_>, Done) -> Result<T, Missing> + Send,
    ) -> Result<(Option<ResponseHeader>, T), Status> {
        let (reply, reader) = self.write(kv::Command::Step(step)).await?;
        let kv::Reply::Step { before, done } = reply else {
            return Err(another_reply());
        };
        let revision = match done.changes() {
            0 => before,
            _ => before.next(),
        };
        let header = self.header(revision);
        let mut answers = Answers::new(&reader, before);
        match answer(&mut answers, done) {
            Ok(answer) => Ok((Some(header), answer)),
            Err(Missing::GivenUp) => Err(unknown("what the write found was given up meanwhile")),
            Err(Missing::Read(error)) => Err(self.read_failed(&error)),
        }
    }
}

/// What etcd's log adds to a request before it measures it.
const LOG_BYTES: usize = 18;

/// What is too long for etcd's gRPC is refused as there, and what is too long for its log.
fn check_size(request: &impl prost::Message) -> Result<(), Status> {
    let bytes = request.encoded_len();
    if bytes > MESSAGE_BYTES_MAX {
        let message =
            format!("grpc: received message larger than max ({bytes} vs. {MESSAGE_BYTES_MAX})");
        return Err(Status::resource_exhausted(message));
    }
    match bytes + LOG_BYTES > REQUEST_BYTES_MAX {
        true => Err(Error::RequestTooLarge.into()),
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
        let found = self.query(reader, query.clone()).await?;
        let (revision, found) = found.map_err(refused)?;
        let header = Some(self.header(revision));
        Ok(Response::new(range(header, &query, found)))
    }

    type RangeStreamStream = BoxStream<'static, Result<RangeStreamResponse, Status>>;

    async fn range_stream(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        let request = request.into_inner();
        let mut query = steps::query(&request)?;
        // etcd sorts each part by itself where it was given no order. Here all of it stays in that of the keys.
        match query.order {
            None | Some((_, Order::OfPage)) => query.order = None,
            Some(_) => return Err(Error::RangeStreamSorted.into()),
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
        let answer = move |answers: &mut Answers<'_>, _| answers.put(keys, prev_kv);
        let (header, answer) = self.step(step, answer).await?;
        Ok(Response::new(PutResponse { header, ..answer }))
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
        let (header, answer) = self.step(step, answer).await?;
        Ok(Response::new(DeleteRangeResponse { header, ..answer }))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let request = request.into_inner();
        check_size(&request)?;
        let step = steps::txn(request.clone())?;
        let answer = move |answers: &mut Answers<'_>, done| answers.txn(request, done);
        let (header, answer) = self.step(step, answer).await?;
        Ok(Response::new(TxnResponse { header, ..answer }))
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
            return Err(another_reply());
        };
        Ok(Response::new(CompactionResponse {
            header: Some(self.header(revision)),
        }))
    }
}
