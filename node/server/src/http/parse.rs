//! From the head of a request to what it asks for. Pure.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use node_api::{ErrorCode, REQUEST_ID_HEADER, percent_decode};
use node_engines::{KEY_BYTES_MAX, RequestId};

use super::answer::Refusal;
use crate::node::Consistency;

/// Keys on a page, unless the client says otherwise.
pub const LIMIT_DEFAULT: usize = 100;
/// Most keys on a page.
pub const LIMIT_MAX: usize = 1000;

const KEY_METHODS: &str = "GET, PUT, POST, DELETE";
const READ_METHODS: &str = "GET";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The value of a key.
    Get {
        key: Bytes,
        consistency: Consistency,
    },
    /// The body becomes the value of a key.
    Put {
        key: Bytes,
        request: Option<RequestId>,
    },
    /// A key is removed.
    Delete {
        key: Bytes,
        request: Option<RequestId>,
    },
    /// A page of keys.
    List {
        prefix: Vec<u8>,
        from: Option<Vec<u8>>,
        limit: usize,
        consistency: Consistency,
    },
    /// Who is in the cluster.
    Cluster,
}

/// Reads the head of a request.
pub fn parse(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Ask, Refusal> {
    let path = uri.path();
    let query = Query(uri.query());
    if let Some(key) = path.strip_prefix("/db/") {
        return of_key(method, key, query, headers);
    }
    let allowed = method == Method::GET;
    match path {
        "/db" if allowed => list(query),
        "/cluster" if allowed => {
            query.read(|_, _| Ok(false))?;
            Ok(Ask::Cluster)
        }
        "/db" | "/cluster" => Err(Refusal::method(method, READ_METHODS)),
        _ => Err(Refusal::new(
            404,
            ErrorCode::NotFound,
            "there is nothing here; keys are at /db/<key>, lists at /db?prefix=, nodes at /cluster",
        )),
    }
}

fn of_key(
    method: &Method,
    key: &str,
    query: Query<'_>,
    headers: &HeaderMap,
) -> Result<Ask, Refusal> {
    let write = match *method {
        Method::GET => false,
        Method::PUT | Method::POST | Method::DELETE => true,
        _ => return Err(Refusal::method(method, KEY_METHODS)),
    };
    let key = decode("the key", key)?;
    check_key(&key)?;
    let key = Bytes::from(key);
    if !write {
        let mut freshness = Freshness::default();
        query.read(|name, value| freshness.take(name, value))?;
        return Ok(Ask::Get {
            key,
            consistency: freshness.finish()?,
        });
    }
    query.read(|_, _| Ok(false))?;
    let request = request_id(headers)?;
    match *method {
        Method::DELETE => Ok(Ask::Delete { key, request }),
        _ => Ok(Ask::Put { key, request }),
    }
}

/// Whether these bytes can be a key.
pub fn check_key(key: &[u8]) -> Result<(), Refusal> {
    match key.len() {
        0 => {
            let message = "a key has at least one byte: /db/<key>";
            Err(Refusal::new(400, ErrorCode::KeyEmpty, message))
        }
        1..=KEY_BYTES_MAX => Ok(()),
        bytes => {
            let message = format!("the key has {bytes} bytes, more than {KEY_BYTES_MAX}");
            Err(Refusal::new(414, ErrorCode::KeyTooLarge, message))
        }
    }
}

fn list(query: Query<'_>) -> Result<Ask, Refusal> {
    let (mut prefix, mut from, mut limit) = (None, None, None);
    let mut freshness = Freshness::default();
    query.read(|name, value| {
        match name {
            "prefix" => once(name, &mut prefix, decode("prefix", value)?)?,
            "from" => once(name, &mut from, decode("from", value)?)?,
            "limit" => once(name, &mut limit, self::limit(value)?)?,
            _ => return freshness.take(name, value),
        }
        Ok(true)
    })?;
    Ok(Ask::List {
        prefix: prefix.unwrap_or_default(),
        from,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
        consistency: freshness.finish()?,
    })
}

fn limit(value: &str) -> Result<usize, Refusal> {
    match value.parse() {
        Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        _ => Err(Refusal::bad(format!(
            "limit is a number from 1 to {LIMIT_MAX}, not {value:?}"
        ))),
    }
}

fn request_id(headers: &HeaderMap) -> Result<Option<RequestId>, Refusal> {
    let mut given = headers.get_all(REQUEST_ID_HEADER).iter();
    let Some(id) = given.next() else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(Refusal::bad(format!(
            "the header {REQUEST_ID_HEADER} is given twice"
        )));
    }
    match RequestId::new(Bytes::copy_from_slice(id.as_bytes())) {
        Ok(id) => Ok(Some(id)),
        Err(error) => Err(Refusal::bad(format!(
            "the header {REQUEST_ID_HEADER}: {error}"
        ))),
    }
}

/// The parameters that say how fresh a read must be.
#[derive(Default)]
struct Freshness {
    consistency: Option<String>,
    position: Option<String>,
}

impl Freshness {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "consistency" => once(name, &mut self.consistency, value.to_owned())?,
            "position" => once(name, &mut self.position, value.to_owned())?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self) -> Result<Consistency, Refusal> {
        match (self.consistency.as_deref(), self.position) {
            (None | Some("linearizable"), None) => Ok(Consistency::Linearizable),
            (Some("lease"), None) => Ok(Consistency::Lease),
            (Some("local"), None) => Ok(Consistency::Local),
            (Some("session"), Some(position)) => match position.parse() {
                Ok(position) => Ok(Consistency::Session(position)),
                Err(error) => Err(Refusal::bad(format!("position: {error}"))),
            },
            (Some("session"), None) => Err(Refusal::bad(
                "consistency=session needs position=<a position that a node gave out>",
            )),
            (None | Some("linearizable" | "lease" | "local"), Some(_)) => {
                Err(Refusal::bad("position goes with consistency=session"))
            }
            (Some(other), _) => Err(Refusal::bad(format!(
                "consistency is linearizable, lease, session or local, not {other:?}"
            ))),
        }
    }
}

/// The part of a path after the `?`.
struct Query<'a>(Option<&'a str>);

impl Query<'_> {
    /// Gives each parameter to `take`, its value still percent-encoded; one that it does not take is refused.
    fn read(
        self,
        mut take: impl FnMut(&str, &str) -> Result<bool, Refusal>,
    ) -> Result<(), Refusal> {
        for part in self
            .0
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty())
        {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !take(name, value)? {
                return Err(Refusal::bad(format!(
                    "the query parameter {name:?} is not known here"
                )));
            }
        }
        Ok(())
    }
}

fn once<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::bad(format!(
            "the query parameter {name:?} is given twice"
        ))),
    }
}

fn decode(what: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    percent_decode(text).map_err(|error| Refusal::bad(format!("{what}: {error}")))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
