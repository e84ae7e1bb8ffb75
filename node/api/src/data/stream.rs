//! One stream of writes.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Streaming;
use tonic::transport::Endpoint;

use super::client::{CONNECT_WITHIN, authority};
use super::{DataError, Put, WriteOptions};
use crate::proto::data::data_client::DataClient;
use crate::proto::data::{self as proto, write_reply::Outcome};
use crate::{ErrorBody, ErrorCode};

/// A client of one node that has many writes under way at once, over one connection. The replies come in the order of the
/// writes; the writes themselves have no order while they are under way together. It never repeats one by itself.
pub struct WriteStream {
    requests: mpsc::Sender<proto::WriteRequest>,
    replies: Streaming<proto::WriteReply>,
}

impl WriteStream {
    /// Connects to `url`: "http://host:port" or "host:port". [`WriteStream::put`] waits while `under_way_max` writes, two
    /// at least, have been taken and not yet sent.
    pub async fn open(url: &str, under_way_max: usize) -> Result<WriteStream, DataError> {
        let url = format!("http://{}", authority(url)?);
        let unavailable = |message: String| DataError::Unavailable {
            code: None,
            message,
        };
        let endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| unavailable(error.to_string()))?
            .connect_timeout(CONNECT_WITHIN);
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
        Ok(WriteStream { requests, replies })
    }

    /// Sends a write of one key; its reply is the next that is not taken yet.
    ///
    /// # Errors
    /// When the stream has ended; this write was not sent.
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
        let sent = self.requests.send(request).await;
        sent.map_err(|_| DataError::Unavailable {
            code: None,
            message: "the stream has ended".to_owned(),
        })
    }

    /// Waits for the reply to the earliest write that has none yet. `None` when the stream has ended: what became of the
    /// writes without a reply is not known.
    pub async fn reply(&mut self) -> Option<Result<Put, DataError>> {
        let reply = self.replies.message().await.ok()??;
        let unreadable = || DataError::Unknown {
            message: "the reply holds no outcome of one write".to_owned(),
        };
        Some(match reply.outcome {
            Some(Outcome::Written(proto::Written { position, changes })) => {
                match changes.as_slice() {
                    [proto::Change { revision, .. }] => Ok(Put {
                        revision: *revision,
                        position,
                    }),
                    _ => Err(unreadable()),
                }
            }
            Some(Outcome::Refusal(refusal)) => Err(refused(refusal)),
            None => Err(unreadable()),
        })
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

/// An error and what caused it, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", describe(cause)),
        None => error.to_string(),
    }
}
