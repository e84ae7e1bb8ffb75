//! One connection to the data interface.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Consistency, DataError, Found, Put, WriteOptions};
use crate::{ListPage, POSITION_HEADER, REQUEST_ID_HEADER, REVISION_HEADER, percent_encode};

/// Time for a connection to be made.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Time for one try of it. Behind a Service the next may reach another node than the one that is dead.
const TRY_WITHIN: Duration = Duration::from_millis(500);
/// Time for one call, unless [`Data::with_timeout`] says otherwise.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// No answer is longer: a page of the largest values, in base64.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client of one node's data interface, over one connection that is made again when it is lost. One call at a time; a
/// clone is another connection. It never repeats a write by itself.
pub struct Data {
    authority: String,
    within: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Clone for Data {
    fn clone(&self) -> Data {
        Data {
            authority: self.authority.clone(),
            within: self.within,
            connection: None,
        }
    }
}

impl Data {
    /// A client for `url`: "http://host:port" or "host:port". It connects with the first call.
    pub fn new(url: &str) -> Result<Data, DataError> {
        Ok(Data {
            authority: authority(url)?,
            within: ANSWER_WITHIN,
            connection: None,
        })
    }

    /// The same with another time limit for one call.
    pub fn with_timeout(mut self, within: Duration) -> Data {
        self.within = within;
        self
    }

    /// The value of a key.
    pub async fn get(
        &mut self,
        key: &[u8],
        consistency: &Consistency,
    ) -> Result<Option<Found>, DataError> {
        let path = format!("/db/{}?{consistency}", percent_encode(key));
        let request = self.request(Method::GET, &path, Bytes::new(), &WriteOptions::default())?;
        let (head, body) = self.send(request).await.map_err(harmless)?;
        match head.status.as_u16() {
            200 => Ok(Some(Found {
                value: body,
                revision: revision(&head)?,
                position: position(&head)?,
            })),
            404 => Ok(None),
            status => Err(harmless(DataError::of_answer(status, &body))),
        }
    }

    /// Sets the value of a key.
    pub async fn put(
        &mut self,
        key: &[u8],
        value: Bytes,
        options: &WriteOptions,
    ) -> Result<Put, DataError> {
        let path = format!("/db/{}", percent_encode(key));
        let request = self.request(Method::PUT, &path, value, options)?;
        let (head, body) = self.send(request).await?;
        match head.status.as_u16() {
            200 | 201 => Ok(Put {
                revision: revision(&head)?,
                position: position(&head)?,
            }),
            status => Err(DataError::of_answer(status, &body)),
        }
    }

    /// Removes a key; `None` where it had no value.
    pub async fn delete(
        &mut self,
        key: &[u8],
        options: &WriteOptions,
    ) -> Result<Option<Put>, DataError> {
        let path = format!("/db/{}", percent_encode(key));
        let request = self.request(Method::DELETE, &path, Bytes::new(), options)?;
        let (head, body) = self.send(request).await?;
        match head.status.as_u16() {
            200 => Ok(Some(Put {
                revision: revision(&head)?,
                position: position(&head)?,
            })),
            404 => Ok(None),
            status => Err(DataError::of_answer(status, &body)),
        }
    }

    /// A page of the keys that begin with `prefix`, at most `limit`; `from` is the `next` of the page before.
    pub async fn list(
        &mut self,
        prefix: &[u8],
        from: Option<&str>,
        limit: usize,
        consistency: &Consistency,
    ) -> Result<ListPage, DataError> {
        let mut path = format!(
            "/db?prefix={}&limit={limit}&{consistency}",
            percent_encode(prefix)
        );
        if let Some(from) = from {
            path.push_str("&from=");
            path.push_str(from);
        }
        let body = self.get_json(&path).await?;
        serde_json::from_slice(&body).map_err(|error| DataError::Unavailable {
            code: None,
            message: format!("the answer is not a page of keys: {error}"),
        })
    }

    /// What `GET /cluster` says, JSON.
    pub async fn cluster(&mut self) -> Result<serde_json::Value, DataError> {
        let body = self.get_json("/cluster").await?;
        serde_json::from_slice(&body).map_err(|error| DataError::Unavailable {
            code: None,
            message: format!("the answer is not JSON: {error}"),
        })
    }

    async fn get_json(&mut self, path: &str) -> Result<Bytes, DataError> {
        let request = self.request(Method::GET, path, Bytes::new(), &WriteOptions::default())?;
        let (head, body) = self.send(request).await.map_err(harmless)?;
        match head.status.as_u16() {
            200 => Ok(body),
            status => Err(harmless(DataError::of_answer(status, &body))),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Request<Full<Bytes>>, DataError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.authority);
        if let Some(id) = &options.request_id {
            request = request.header(REQUEST_ID_HEADER, id);
        }
        request
            .body(Full::new(body))
            .map_err(|error| DataError::Unavailable {
                code: None,
                message: format!("the request can not be written: {error}"),
            })
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(http::response::Parts, Bytes), DataError> {
        let mut connection = self.ready().await?;
        let exchange = async {
            let (head, body) = connection.send_request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX)
                .collect()
                .await?
                .to_bytes();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((head, body))
        };
        let unknown = |message: String| DataError::Unknown { message };
        let answer = timeout(self.within, exchange)
            .await
            .map_err(|_| unknown(format!("no answer within {} ms", self.within.as_millis())))?
            .map_err(|error| unknown(error.to_string()))?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// The connection, taken out: it goes back only after a whole answer.
    async fn ready(&mut self) -> Result<SendRequest<Full<Bytes>>, DataError> {
        if let Some(mut connection) = self.connection.take()
            && !connection.is_closed()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let unavailable = |message: String| DataError::Unavailable {
            code: None,
            message,
        };
        let connect = async {
            let stream = self.dial().await.map_err(|e| e.to_string())?;
            stream.set_nodelay(true).map_err(|e| e.to_string())?;
            handshake::<_, Full<Bytes>>(TokioIo::new(stream))
                .await
                .map_err(|e| e.to_string())
        };
        let (sender, driver) = timeout(CONNECT_WITHIN, connect)
            .await
            .map_err(|_| unavailable(format!("no connection to {} in time", self.authority)))?
            .map_err(|error| {
                unavailable(format!("no connection to {}: {error}", self.authority))
            })?;
        // How the connection ended reaches the caller through its own call.
        tokio::spawn(async move { driver.await.ok() });
        Ok(sender)
    }

    /// Tries until somebody accepts or refuses.
    async fn dial(&self) -> std::io::Result<TcpStream> {
        loop {
            if let Ok(dialled) = timeout(TRY_WITHIN, TcpStream::connect(&self.authority)).await {
                return dialled;
            }
        }
    }
}

/// The `host:port` that a URL names.
pub(super) fn authority(url: &str) -> Result<String, DataError> {
    let refuse = |reason: &str| DataError::Url {
        url: url.to_owned(),
        reason: reason.to_owned(),
    };
    let rest = url
        .strip_prefix("http://")
        .unwrap_or(url)
        .trim_end_matches('/');
    let authority: http::uri::Authority = rest
        .parse()
        .map_err(|_| refuse("it is not http://HOST:PORT"))?;
    if authority.as_str().contains('@') {
        return Err(refuse("it holds a user name"));
    }
    let port = authority.port_u16().unwrap_or(80);
    Ok(format!("{}:{port}", authority.host()))
}

/// A read whose answer is lost has changed nothing.
fn harmless(error: DataError) -> DataError {
    match error {
        DataError::Unknown { message } => DataError::Unavailable {
            code: None,
            message,
        },
        other => other,
    }
}

fn header<'a>(head: &'a http::response::Parts, name: &str) -> Result<&'a str, DataError> {
    let value = head.headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| DataError::Unknown {
        message: format!("the answer lacks the header {name}"),
    })
}

fn revision(head: &http::response::Parts) -> Result<u64, DataError> {
    header(head, REVISION_HEADER)?
        .parse()
        .map_err(|_| DataError::Unknown {
            message: format!("the answer's {REVISION_HEADER} is no number"),
        })
}

fn position(head: &http::response::Parts) -> Result<String, DataError> {
    header(head, POSITION_HEADER).map(str::to_owned)
}
