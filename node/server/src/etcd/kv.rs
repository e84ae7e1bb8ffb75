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
use node_engines::auth::{Auth, Refusal, User};
use node_engines::kv::{self, Done, End, Keys, Order, Revision, Step};
use tonic::{Request, Response, Status};

use super::answers::{Answers, Missing, range};
use super::callers::caller;
use super::errors::{another_reply, refused, unknown};
use super::service::Etcd;
use super::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX, permits, steps};
use crate::access::Caller;
use crate::work;

impl Etcd {
    /// Has a step carried out, and looks up what is to be answered, aside where that is much; gives it with the header of the
    /// whole.
    async fn step<T: Send + 'static>(
        &self,
        caller: &Caller,
        check: impl Fn(&Auth, &User) -> Result<(), Refusal>,
        step: Step,
        reads_many: bool,
        answer: impl FnOnce(&mut Answers<'_>, Done) -> Result<T, Missing> + Send + 'static,
    ) -> Result<(Option<ResponseHeader>, T), Status> {
        let (reply, reader) = self.write(caller, check, kv::Command::Step(step)).await?;
        let kv::Reply::Step { before, done } = reply else {
            return Err(another_reply());
        };
        let revision = match done.changes() {
            0 => before,
            _ => before.next(),
        };
        let header = self.header(revision);
        let look_up = move || answer(&mut Answers::new(&reader, before), done);
        let answered = match reads_many {
            true => work::lend(self.node.host(), look_up).await,
            false => Ok(look_up()),
        };
        match answered.map_err(|died| unknown(&died.to_string()))? {
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
        let caller = caller(&request);
        let request = request.into_inner();
        let query = steps::query(&request)?;
        let reader = self.reader(request.serializable).await?;
        let found = self.query(&caller, reader, query.clone()).await?;
        let (revision, found) = found.map_err(refused)?;
        let header = Some(self.header(revision));
        Ok(Response::new(range(header, &query, found)))
    }

    type RangeStreamStream = BoxStream<'static, Result<RangeStreamResponse, Status>>;

    async fn range_stream(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        let caller = caller(&request);
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
            parts::of(self.clone(), caller, reader, query).boxed(),
        ))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        check_size(&request)?;
        let (key, prev_kv) = (request.key.clone(), request.prev_kv);
        let keys = Keys::one(key.clone());
        let step = steps::put(request)?;
        let check = |auth: &Auth, user: &User| permits::put(auth, user, &key, prev_kv);
        let answer = move |answers: &mut Answers<'_>, _| answers.put(keys, prev_kv);
        let (header, answer) = self.step(&caller, check, step, false, answer).await?;
        Ok(Response::new(PutResponse { header, ..answer }))
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        check_size(&request)?;
        let prev_kv = request.prev_kv;
        let keys = steps::keys(request.key.clone(), request.range_end.clone());
        let step = steps::delete(request)?;
        let wanted = keys.clone();
        let check = |auth: &Auth, user: &User| permits::delete(auth, user, &wanted, prev_kv);
        let answer = move |answers: &mut Answers<'_>, done: Done| {
            answers.delete(keys, prev_kv, done.changes())
        };
        let reads_many = prev_kv && wanted.end != End::Same;
        let (header, answer) = self.step(&caller, check, step, reads_many, answer).await?;
        Ok(Response::new(DeleteRangeResponse { header, ..answer }))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        check_size(&request)?;
        let step = steps::txn(request.clone())?;
        let asks = self.node.reader().auth(Auth::enabled);
        let wanted = asks.then(|| request.clone());
        let check = |auth: &Auth, user: &User| match &wanted {
            Some(wanted) => permits::txn(auth, user, wanted),
            // Nobody was asked a moment ago.
            None => Err(Refusal::OldRevision),
        };
        let reads_many = steps::read_many(&request);
        let answer = move |answers: &mut Answers<'_>, done| answers.txn(request, done);
        let (header, answer) = self.step(&caller, check, step, reads_many, answer).await?;
        Ok(Response::new(TxnResponse { header, ..answer }))
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        let caller = caller(&request);
        // What is below every revision was compacted long ago.
        let revision = u64::try_from(request.into_inner().revision).unwrap_or(0);
        let revision = Revision(revision);
        let command = kv::Command::Compact { revision };
        let (reply, _) = self.write(&caller, permits::root, command).await?;
        let kv::Reply::Compacted { revision } = reply else {
            return Err(another_reply());
        };
        Ok(Response::new(CompactionResponse {
            header: Some(self.header(revision)),
        }))
    }
}
