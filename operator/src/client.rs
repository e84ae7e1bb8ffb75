//! The operator's client of the API server.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::{Body, ClientBuilder, DynBody};
use serde_json::json;
use tower::BoxError;
use tower::util::MapResponseLayer;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const WRITE_MAX: Duration = Duration::from_secs(10);

/// What the client's own layers answer.
type Answer = Response<Box<DynBody>>;

/// A client that is [`bounded`], and [heeds](heeding) what the API server asks for.
pub fn client(access: kube::Config) -> Result<kube::Client, kube::Error> {
    let builder = ClientBuilder::try_from(bounded(access))?;
    Ok(builder.with_layer(&heeding()).build())
}

/// Bounds what a client does with `access`, for who builds one of more layers: it fails soon and repeats nothing by
/// itself (one call could then sleep for minutes, and a lost lease must end every write), since a reconcile that
/// failed is repeated as a whole, with a growing delay.
pub fn bounded(mut access: kube::Config) -> kube::Config {
    access.default_retry = false;
    access.connect_timeout = Some(CONNECT_MAX);
    access.write_timeout = Some(WRITE_MAX);
    access
}

/// Keeps how long the API server asks to be left alone. With many requests it says so in a header alone, beside a line
/// of plain text, and of an answer's header nothing reaches kube's errors.
pub fn heeding() -> MapResponseLayer<fn(Answer) -> Answer> {
    MapResponseLayer::new(keep_retry_after)
}

fn keep_retry_after(answer: Answer) -> Answer {
    let header = answer.headers().get(RETRY_AFTER);
    let seconds = header
        .and_then(|seconds| seconds.to_str().ok()?.parse::<u32>().ok())
        .filter(|_| answer.status() == StatusCode::TOO_MANY_REQUESTS);
    let Some(seconds) = seconds else {
        return answer;
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "TooManyRequests", "code": 429,
        "message": format!("the API server asks to be left alone for {seconds} s"),
        "details": { "retryAfterSeconds": seconds },
    });
    let (head, _) = answer.into_parts();
    let body = Body::from(status.to_string().into_bytes());
    Response::from_parts(head, Box::new(body.map_err(BoxError::from)))
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16) -> Answer {
        let body: Box<DynBody> = Box::new(Body::from(b"wait".to_vec()).map_err(BoxError::from));
        let answer = Response::builder().status(code).header(RETRY_AFTER, "7");
        answer.body(body).unwrap()
    }

    #[tokio::test]
    async fn a_pause_asked_for_in_a_header_reaches_the_error() {
        let kept = keep_retry_after(answer(429)).into_body().collect().await;
        let status: Status = serde_json::from_slice(&kept.unwrap().to_bytes()).unwrap();
        assert_eq!(status.details.unwrap().retry_after_seconds, 7);
        let other = keep_retry_after(answer(500)).into_body().collect().await;
        assert_eq!(other.unwrap().to_bytes().as_ref(), b"wait");
    }
}
