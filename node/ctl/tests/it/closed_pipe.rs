//! A reader that goes away ends a list quietly.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use node_api::{Encoded, ListItem, ListPage};

use crate::klusterctl;

/// Pages that are answered at most: more than a pipe holds, so that somebody who prints them all is found out.
const PAGES: usize = 10_000;

/// Answers one connection with page after page, until it ends.
fn serve(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().unwrap();
    let page = ListPage {
        items: vec![ListItem {
            key: Encoded::new(b"key"),
            value: Encoded::new(&[b'v'; 1000]),
            revision: 7,
        }],
        next: Some("key".to_owned()),
        position: "1.0.7".to_owned(),
    };
    let page = serde_json::to_string(&page).unwrap();
    let mut requests = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..PAGES {
        // Who was killed or has ended asks for no more.
        if !read_head(&mut requests) || answer(&mut stream, &page).is_err() {
            return;
        }
    }
}

/// Reads the head of a request; false at the end of the connection.
fn read_head(requests: &mut BufReader<TcpStream>) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        match requests.read_line(&mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) if line.trim().is_empty() => return true,
            Ok(_) => {}
        }
    }
}

fn answer(stream: &mut TcpStream, page: &str) -> std::io::Result<()> {
    let length = page.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{page}"
    )
}

#[test]
fn a_list_ends_quietly_when_nobody_reads_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || serve(&listener));
    let mut child = klusterctl(&["list", "--http", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert!(first.starts_with("key\t7\tvvv"), "{first}");
    drop(out);

    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "");
    assert_eq!(output.status.code(), Some(0));
    server.join().unwrap();
}

/// The lines of a file that takes nothing: that is a failure, and no panic.
#[test]
fn an_output_that_is_full_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || serve(&listener));
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = klusterctl(&["list", "--http", &address])
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("klusterctl: failed to print"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    server.join().unwrap();
}
