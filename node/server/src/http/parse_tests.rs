use node_engines::Position;

use super::*;

fn ask(method: &str, target: &str, id: Option<&str>) -> Result<Ask, (u16, ErrorCode, String)> {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert(REQUEST_ID_HEADER, id.parse().unwrap());
    }
    parse(&method.parse().unwrap(), &target.parse().unwrap(), &headers)
        .map_err(|refusal| (refusal.status, refusal.code, refusal.message))
}

fn key(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[test]
fn a_key_is_the_rest_of_the_path() {
    for (target, expected) in [
        ("/db/a", &b"a"[..]),
        ("/db/a/b//c", b"a/b//c"),
        ("/db//", b"/"),
        ("/db/db/x", b"db/x"),
        ("/db/a%2Fb%00%ff", b"a/b\x00\xff"),
        ("/db/a+b", b"a+b"),
        ("/db/%3Fprefix%3D", b"?prefix="),
        ("http://host:1/db/a", b"a"),
    ] {
        let consistency = Consistency::Linearizable;
        assert_eq!(
            ask("GET", target, None),
            Ok(Ask::Get {
                key: key(expected),
                consistency
            }),
            "{target}"
        );
    }
}

#[test]
fn writes_may_carry_a_request_id() {
    let request = Some("r-1".parse().unwrap());
    let put = Ask::Put {
        key: key(b"k"),
        request: request.clone(),
    };
    assert_eq!(ask("PUT", "/db/k", Some("r-1")), Ok(put.clone()));
    assert_eq!(ask("POST", "/db/k", Some("r-1")), Ok(put));
    assert_eq!(
        ask("DELETE", "/db/k", None),
        Ok(Ask::Delete {
            key: key(b"k"),
            request: None
        })
    );
}

#[test]
fn reads_say_how_fresh() {
    let position: Position = "0.1.42".parse().unwrap();
    for (query, expected) in [
        ("", Consistency::Linearizable),
        ("?consistency=linearizable", Consistency::Linearizable),
        ("?consistency=lease", Consistency::Lease),
        ("?consistency=local", Consistency::Local),
        (
            "?consistency=session&position=0.1.42",
            Consistency::Session(position),
        ),
        (
            "?position=0.1.42&consistency=session",
            Consistency::Session(position),
        ),
    ] {
        let get = ask("GET", &format!("/db/k{query}"), None);
        assert_eq!(
            get,
            Ok(Ask::Get {
                key: key(b"k"),
                consistency: expected
            }),
            "{query}"
        );
    }
}

#[test]
fn lists_have_a_prefix_a_start_and_a_limit() {
    let list = |prefix: &[u8], from: Option<&[u8]>, limit, consistency| {
        Ok(Ask::List {
            prefix: prefix.to_vec(),
            from: from.map(<[u8]>::to_vec),
            limit,
            consistency,
        })
    };
    assert_eq!(
        ask("GET", "/db", None),
        list(b"", None, LIMIT_DEFAULT, Consistency::Linearizable)
    );
    assert_eq!(
        ask(
            "GET",
            "/db?prefix=a%2F%ff&limit=3&from=a%2Fb&consistency=local",
            None
        ),
        list(b"a/\xff", Some(b"a/b"), 3, Consistency::Local)
    );
    assert_eq!(ask("GET", "/cluster", None), Ok(Ask::Cluster));
}

fn refused(request: &str, status: u16, code: ErrorCode, named: &str) {
    let (method, target) = request.split_once(' ').unwrap();
    let (got_status, got_code, message) = ask(method, target, None).expect_err(request);
    assert_eq!((got_status, got_code), (status, code), "{request}");
    assert!(message.contains(named), "{request}: {message}");
}

#[test]
fn paths_methods_and_keys_that_cannot_be_are_refused() {
    let long = format!("PUT /db/{}", "x".repeat(4097));
    for (request, status, code, named) in [
        ("GET /", 404, ErrorCode::NotFound, "/db/<key>"),
        ("GET /dbx", 404, ErrorCode::NotFound, "nothing"),
        ("GET /db/", 400, ErrorCode::KeyEmpty, "at least one byte"),
        ("PUT /db/", 400, ErrorCode::KeyEmpty, "at least one byte"),
        (&long, 414, ErrorCode::KeyTooLarge, "4097"),
        ("PATCH /db/a", 405, ErrorCode::MethodNotAllowed, "PATCH"),
        ("HEAD /db/a", 405, ErrorCode::MethodNotAllowed, "HEAD"),
        ("DELETE /db", 405, ErrorCode::MethodNotAllowed, "DELETE"),
        ("POST /cluster", 405, ErrorCode::MethodNotAllowed, "POST"),
    ] {
        refused(request, status, code, named);
    }
}

#[test]
fn parameters_that_cannot_be_are_refused_and_named() {
    for (request, named) in [
        ("GET /db/a%2", "'%' at byte 1"),
        ("PUT /db/a?ttl=1", "\"ttl\""),
        ("PUT /db/a?consistency=local", "\"consistency\""),
        ("GET /db/a?prefix=b", "\"prefix\""),
        ("GET /cluster?x", "\"x\""),
        ("GET /db/a?consistency=strong", "\"strong\""),
        ("GET /db/a?consistency=session", "position"),
        ("GET /db/a?position=0.0.1", "session"),
        ("GET /db/a?consistency=session&position=7", "position"),
        ("GET /db/a?consistency=local&consistency=local", "twice"),
        ("GET /db?limit=0", "1 to 1000"),
        ("GET /db?limit=1001", "1 to 1000"),
        ("GET /db?limit=many", "many"),
        ("GET /db?prefix=%", "prefix"),
    ] {
        refused(request, 400, ErrorCode::BadRequest, named);
    }
    for id in ["", "a b", &"x".repeat(65)] {
        let (status, code, message) = ask("PUT", "/db/a", Some(id)).expect_err(id);
        assert_eq!((status, code), (400, ErrorCode::BadRequest));
        assert!(message.contains(REQUEST_ID_HEADER), "{message}");
    }
}

#[test]
fn a_key_of_the_greatest_length_passes() {
    let target = format!("/db/{}", "%41".repeat(4096));
    assert!(matches!(ask("PUT", &target, None), Ok(Ask::Put { key, .. }) if key.len() == 4096));
}
