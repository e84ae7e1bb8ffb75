//! One stream of writes.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Streaming;
use tonic::transport::Endpoint;

use super::client::{ANSWER_WITHIN, CONNECT_WITHIN, authority};
use super::{DataError, Put, WriteOptions};
use crate::proto::data::data_client::DataClient;
use crate::proto::data::{self as proto, write_reply::Outcome};
use crate::{ErrorBody, ErrorCode};

/// A connection whose node does not answer for so long, asked as often, is lost.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A client of one node that has many writes under way at once, over one connection. Each write that was sent has one reply, in
/// the order of the writes; the writes themselves have no order while they are under way together. It never repeats one by
/// itself.
pub struct WriteStream {
    requests: mpsc::Sender<proto::WriteRequest>,
    replies: Streaming<proto::WriteReply>,
    /// What became of the writes that have no reply, once the stream has ended.
    ended: Option<DataError>,
}

impl WriteStream {
    /// Connects to `url`: "http://host:port" or "host:port". [`WriteStream::put`] waits while `under_way_max` writes, two
    /// at least, have been taken and not yet sent.
    pub async fn open(url: &str, under_way_max: usize) -> Result<WriteStream, DataError> {
        let url = format!("http://{}", authority(url)?);
        let endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| unavailable(error.to_string()))?
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        let (requests, taken) = mpsc::channel(under_way_max.max(2));
        let taken = futures::stream::unfold(taken, |mut taken| async move {
            taken.recv().await.map(|request| (request, taken))
        });
        let open = async {
            let channel = endpoint.connect().await.map_err(|e| describe(&e))?;
            let opened = DataClient::new(channel).write(taken).await;
            opened.map_err(|status| status.message().to_owned())
        };
        let replies = timeout(CONNECT_WITHIN, open)
            .await
            .map_err(|_| unavailable(format!("no stream to {url} in time")))?
            .map_err(|error| unavailable(format!("no stream to {url}: {error}")))?
            .into_inner();
        Ok(WriteStream {
            requests,
            replies,
            ended: None,
        })
    }

    /// Whether no write can be sent any more. Those that were sent still have replies.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some() || self.requests.is_closed()
    }

    /// Sends a write of one key.
    ///
    /// # Errors
    /// When it was surely not sent, and has no reply: the stream has ended, or the node takes nothing because nobody takes
    /// its replies.
    pub async fn put(
        &mut self,
        key: Bytes,
        value: Bytes,
        options: &WriteOptions,
    ) -> Result<(), DataError> {
        let put = proto::command::Command::Put(proto::Put { key, value });
        let request = proto::WriteRequest {
            commands: vec![proto::Command { command: Some(put) }],
            request_id: options.request_id.clone().unwrap_or_default(),
        };
        if self.has_ended() {
            return Err(unavailable("the stream has ended"));
        }
        match timeout(ANSWER_WITHIN, self.requests.send(request)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(unavailable("the stream has ended")),
            Err(_) => Err(unavailable("the node takes no more writes")),
        }
    }

    /// Waits for the reply to the earliest write that has none yet. After the stream has ended this is at once what became of
    /// all that are left.
    ///
    /// # Errors
    /// When the write was refused; when the node ended the stream before it read the write (`Unavailable`); when the stream
    /// broke, or nothing came in time (`Unknown`).
    pub async fn reply(&mut self) -> Result<Put, DataError> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let ended = match timeout(ANSWER_WITHIN, self.replies.message()).await {
            Ok(Ok(Some(reply))) => return outcome(reply),
            Ok(Ok(None)) => unavailable("the node ended the stream before it read this write"),
            Ok(Err(status)) => unknown(format!(
                "the stream broke: {} ({})",
                status.message(),
                status.code()
            )),
            Err(_) => unknown(format!("no reply within {} s", ANSWER_WITHIN.as_secs())),
        };
        Err(self.ended.insert(ended).clone())
    }
}

fn outcome(reply: proto::WriteReply) -> Result<Put, DataError> {
    match reply.outcome {
        Some(Outcome::Written(proto::Written { position, changes })) => match changes.as_slice() {
            [proto::Change { revision, .. }] => Ok(Put {
                revision: *revision,
                position,
            }),
            _ => Err(unknown("the reply is not of one command")),
        },
        Some(Outcome::Refusal(refusal)) => Err(refused(refusal)),
        None => Err(unknown("the reply holds no outcome")),
    }
}

fn refused(refusal: proto::Refusal) -> DataError {
    let proto::Refusal {
        status,
        code,
        message,
    } = refusal;
    let code = code.parse().unwrap_or(ErrorCode::Unknown);
    let status = u16::try_from(status).unwrap_or(u16::MAX);
    DataError::of_body(status, Some(ErrorBody { code, message }))
}

fn unavailable(message: impl Into<String>) -> DataError {
    DataError::Unavailable {
        code: None,
        message: message.into(),
    }
}

fn unknown(message: impl Into<String>) -> DataError {
    DataError::Unknown {
        message: message.into(),
    }
}

/// An error and what caused it, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", describe(cause)),
        None => error.to_string(),
    }
}
