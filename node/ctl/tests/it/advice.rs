//! What fails for want of an address or a key says how to go on.

use std::net::TcpListener;

use crate::klusterctl;

/// Runs it and expects a failure that names each of `named`.
#[track_caller]
fn check(arguments: &[&str], named: &[&str]) {
    let output = klusterctl(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in named {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn without_a_key_it_names_the_option_and_the_pod() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("key");
    let missing = missing.to_str().unwrap();
    check(
        &["status", "--key-file", missing],
        &[
            missing,
            "No such file",
            "--key-file",
            "kubectl exec <pod> -c node -- klusterctl",
        ],
    );
}

#[test]
fn without_a_node_it_names_the_option() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let at = ["--http", &nobody];
    for command in [
        &["put", "key", "value"][..],
        &["get", "key"],
        &["delete", "key"],
        &["list"],
    ] {
        check(
            &[command, &at].concat(),
            &["no connection to", &nobody, "--http", "port-forward"],
        );
    }
}
