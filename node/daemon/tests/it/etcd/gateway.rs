//! The gateway: what is asked as JSON is answered as JSON, by the same services.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::deadline::LONG;

/// Posts a body; gives the status and the body of the answer, which ends with the connection.
pub async fn post(address: &str, path: &str, body: &str) -> (String, String) {
    post_over(TcpStream::connect(address).await.unwrap(), path, body).await
}

pub async fn post_over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
    body: &str,
) -> (String, String) {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    (status.to_owned(), body.to_owned())
}

#[tokio::test]
async fn json_is_answered_with_json() {
    let cluster = Cluster::form(1).await;
    let address = &cluster.nodes[0].bound.etcd;
    let cases = [
        (
            "/v3/kv/put",
            r#"{"key":"Zm9v","value":"YmFy"}"#,
            "200",
            r#""revision":"2""#,
        ),
        (
            "/v3/kv/range",
            r#"{"key":"Zm9v","no_such_field":1}"#,
            "200",
            r#""kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"2","version":"1","value":"YmFy"}],"count":"1""#,
        ),
        (
            "/v3/kv/txn",
            r#"{"compare":[{"target":"VERSION","key":"Zm9v","version":"1"}],"success":[{"requestRange":{"key":"Zm9v"}}]}"#,
            "200",
            r#""succeeded":true,"responses":[{"response_range":"#,
        ),
        (
            "/v3/lease/grant",
            r#"{"TTL":60,"ID":"7"}"#,
            "200",
            r#""ID":"7","TTL":"60""#,
        ),
        (
            "/v3/lease/keepalive",
            r#"{"ID":7}{"ID":9}"#,
            "200",
            r#""ID":"7","TTL":"60"}}"#,
        ),
        ("/v3/cluster/member/list", "", "200", r#""members":[{"ID":"#),
        (
            "/v3/kv/range",
            r#"{"key":""}"#,
            "400",
            r#"{"code":3,"message":"etcdserver: key is not provided"}"#,
        ),
        (
            "/v3/kv/range",
            r#"{"key":"Zm9v","revision":"99"}"#,
            "400",
            r#"{"code":11,"message":"etcdserver: mvcc: required revision is a future revision"}"#,
        ),
        ("/v3/kv/range", "nonsense", "400", r#"{"code":3,"message":"#),
        (
            "/v3/nothing",
            "{}",
            "404",
            r#"{"code":5,"message":"Not Found"}"#,
        ),
        ("/nothing", "{}", "404", "404 page not found"),
    ];
    for (path, body, status, part) in cases {
        let (found, answer) = post(address, path, body).await;
        assert_eq!(found, status, "{path} {body}: {answer}");
        assert!(answer.contains(part), "{path} {body}: {answer}");
    }
}

#[tokio::test]
async fn a_watch_goes_on_as_lines() {
    let cluster = Cluster::form(1).await;
    let address = cluster.nodes[0].bound.etcd.clone();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let body = r#"{"create_request":{"key":"Zm9v"}}"#;
    let length = body.len();
    let request =
        format!("POST /v3/watch HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut until = async |part: &str| loop {
        let line = timeout(LONG, lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if line.contains(part) {
            return line;
        }
    };
    until(r#""created":true"#).await;
    for value in ["MQ==", "Mg=="] {
        post(
            &address,
            "/v3/kv/put",
            &format!(r#"{{"key":"Zm9v","value":"{value}"}}"#),
        )
        .await;
        let line = until(r#""events""#).await;
        assert!(line.contains(value), "{line}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
