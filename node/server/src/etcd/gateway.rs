//! etcd's HTTP gateway: every method as a `POST` of JSON, whose answer is JSON.
//!
//! It knows no method of its own: a request is turned into a message by the descriptors of the protobuf files, asked of the
//! services as a client of gRPC would, and the answer turned back. Bytes are base64 and numbers of 64 bits are texts, as in
//! every JSON of protobuf. Where a method answers with a stream, so does this: an object `result` on each line.

mod frames;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, TE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::unfold;
use http_body_util::BodyExt;
use node_api::etcd::{DESCRIPTORS, ROUTES};
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor,
    SerializeOptions,
};
use serde_json::{Deserializer, Serializer, json};
use tonic::codegen::Service;
use tonic::{Code, Status};

use super::READ_BYTES_MAX;
use super::calls::Places;
use frames::Frames;

const JSON: &str = "application/json";
const GRPC: &str = "application/grpc";

/// The methods by their paths, and who is asked.
struct Gateway {
    methods: BTreeMap<&'static str, (&'static str, MethodDescriptor)>,
    grpc: axum::Router,
}

/// The gateway to the services of these routes; its requests have places among all calls.
pub fn of(grpc: axum::Router, places: &Places) -> axum::Router {
    let pool =
        DescriptorPool::decode(DESCRIPTORS).expect("invariant: what was compiled describes itself");
    let find = |method: &str| {
        let mut services = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        services.find(|found| {
            let service = found.parent_service().full_name();
            method == format!("/{service}/{}", found.name())
        })
    };
    let methods = ROUTES
        .iter()
        .filter_map(|route| Some((route.path, (route.method, find(route.method)?))))
        .collect();
    let gateway = Arc::new(Gateway { methods, grpc });
    let routes = axum::Router::new()
        .route("/v3/{*path}", any(answer))
        .with_state(gateway);
    places.bound(routes, |status| failed(&status))
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    if request.method() != Method::POST {
        return failed(&Status::unimplemented("Method Not Allowed"));
    }
    let Some((path, method)) = gateway.methods.get(request.uri().path()) else {
        return failed(&Status::not_found("Not Found"));
    };
    match carry_out(&gateway, path, method, request).await {
        Ok(response) => response,
        Err(status) => failed(&status),
    }
}

async fn carry_out(
    gateway: &Gateway,
    path: &'static str,
    method: &MethodDescriptor,
    asked: Request,
) -> Result<Response, Status> {
    let (head, body) = asked.into_parts();
    // Base64 takes a third more.
    let body = to_bytes(body, READ_BYTES_MAX / 3 * 4).await;
    let body = body.map_err(|error| {
        let invalid = Status::invalid_argument(error.to_string());
        Status::try_from_error(error.into()).unwrap_or(invalid)
    })?;
    let messages = read(method, &body)?;
    let mut request = Request::new(Body::from(frames::of(&messages)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(path);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static(GRPC));
    headers.insert(TE, axum::http::HeaderValue::from_static("trailers"));
    if let Some(token) = head.headers.get(AUTHORIZATION) {
        headers.insert(AUTHORIZATION, token.clone());
    }
    let response = match gateway.grpc.clone().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    check(response.headers())?;
    let output = method.output();
    match method.is_server_streaming() {
        true => Ok(stream(output, response.into_body())),
        false => single(&output, response.into_body()).await,
    }
}

/// The messages that a body holds: one, which may be left out, or any number where the method takes a stream.
fn read(method: &MethodDescriptor, body: &[u8]) -> Result<Vec<DynamicMessage>, Status> {
    let unknown = DeserializeOptions::new().deny_unknown_fields(false);
    let mut json = Deserializer::from_slice(body);
    let mut messages = Vec::new();
    while json.end().is_err() {
        let input = method.input();
        let message = DynamicMessage::deserialize_with_options(input, &mut json, &unknown);
        let message = message.map_err(|error| Status::invalid_argument(error.to_string()))?;
        messages.push(message);
        if !method.is_client_streaming() {
            break;
        }
    }
    if messages.is_empty() && !method.is_client_streaming() {
        messages.push(DynamicMessage::new(method.input()));
    }
    Ok(messages)
}

/// The error that headers, or trailers, tell of.
fn check(headers: &HeaderMap) -> Result<(), Status> {
    match Status::from_header_map(headers) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(()),
    }
}

async fn single(output: &MessageDescriptor, body: Body) -> Result<Response, Status> {
    let collected = body.collect().await;
    let collected = collected.map_err(|error| Status::unavailable(error.to_string()))?;
    if let Some(trailers) = collected.trailers() {
        check(trailers)?;
    }
    let mut frames = Frames::default();
    frames.add(&collected.to_bytes());
    let message = frames.next().ok_or_else(|| Status::internal("no answer"))?;
    Ok(ok(Body::from(write(output, message)?)))
}

/// Each message on a line of its own as it comes; an error ends them.
fn stream(output: MessageDescriptor, body: Body) -> Response {
    let state = (body, Frames::default(), output, false);
    let lines = unfold(
        state,
        |(mut body, mut frames, output, mut over)| async move {
            loop {
                if let Some(message) = frames.next() {
                    let line = write(&output, message);
                    let line = line.map(|result| [b"{\"result\":", &*result, b"}\n"].concat());
                    over |= line.is_err();
                    let line = line.unwrap_or_else(|status| error_line(&status));
                    return Some((Bytes::from(line), (body, frames, output, over)));
                }
                if over {
                    return None;
                }
                match body.frame().await {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => frames.add(&data),
                        Err(frame) => {
                            over = true;
                            let trailers = frame.into_trailers().unwrap_or_default();
                            if let Err(status) = check(&trailers) {
                                let line = Bytes::from(error_line(&status));
                                return Some((line, (body, frames, output, over)));
                            }
                        }
                    },
                    Some(Err(_)) | None => over = true,
                }
            }
        },
    );
    ok(Body::from_stream(
        lines.map(Ok::<_, std::convert::Infallible>),
    ))
}

fn write(output: &MessageDescriptor, message: Bytes) -> Result<Vec<u8>, Status> {
    let internal = |error: &dyn std::fmt::Display| Status::internal(error.to_string());
    let message =
        DynamicMessage::decode(output.clone(), message).map_err(|error| internal(&error))?;
    let as_etcd = SerializeOptions::new().use_proto_field_name(true);
    let mut json = Serializer::new(Vec::new());
    let written = message.serialize_with_options(&mut json, &as_etcd);
    written.map_err(|error| internal(&error))?;
    Ok(json.into_inner())
}

fn ok(body: Body) -> Response {
    ([(CONTENT_TYPE, JSON)], body).into_response()
}

fn error_line(status: &Status) -> Vec<u8> {
    let code = status.code() as i32;
    let error = json!({"error": {"code": code, "message": status.message()}});
    format!("{error}\n").into_bytes()
}

fn failed(status: &Status) -> Response {
    let code = status.code() as i32;
    let body = json!({"code": code, "message": status.message()}).to_string();
    (http_status(status.code()), [(CONTENT_TYPE, JSON)], body).into_response()
}

/// The status of HTTP that gateways have for an error of gRPC.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        // The client has gone: nobody reads it.
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_end_is_not_waited_for() {
        let begun = futures::stream::iter([Ok::<_, Status>("{")]);
        let body = Body::from_stream(begun.chain(futures::stream::pending()));
        let request = Request::post("/v3/kv/range").body(body).unwrap();
        let mut gateway = of(axum::Router::new(), &Places::new());
        let response = gateway.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    }

    #[test]
    fn every_path_has_a_method() {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let methods: Vec<String> = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
            .collect();
        for route in ROUTES {
            assert!(methods.contains(&route.method.to_owned()), "{route:?}");
        }
    }
}
