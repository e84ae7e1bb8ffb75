//! TLS: who speaks it and proves what is asked for is served, and nobody else is, nor stands in the way.

use std::error::Error;
use std::time::Duration;

use e2e::certificates::{Authority, Identity};
use node_api::etcd::etcdserverpb::MemberListRequest;
use node_api::etcd::etcdserverpb::cluster_client::ClusterClient;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::gateway::post_over;
use super::secure::{Files, SecureClient, der, server};
use super::{Clients, get, put};
use crate::cluster::Cluster;
use crate::deadline::{LONG, check, eventually};
use crate::process::Node;

/// What nobody has to wait for who says nothing; less than a handshake may take.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A node that serves etcd's clients with TLS.
struct Place {
    cluster: Cluster,
    /// Of the node's certificate, and of clients' where they are asked for one.
    authority: Authority,
    identity: Identity,
    files: Files,
    _dir: TempDir,
}

impl Place {
    async fn new(client_ca: bool) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::generate("an authority").unwrap();
        let identity = server(&authority);
        let files = Files::new(&dir.path().join("tls"), &identity, &authority);
        let mut cluster = Cluster::start(0);
        cluster.add_stopped();
        cluster.nodes[0].configure(&files.section(client_ca));
        cluster.nodes[0].start();
        Place {
            cluster: cluster.formed().await,
            authority,
            identity,
            files,
            _dir: dir,
        }
    }

    fn node(&self) -> &Node {
        &self.cluster.nodes[0]
    }

    fn client(&self, is: Option<&Identity>) -> SecureClient {
        SecureClient::of(self.node(), &self.authority, is)
    }
}

async fn writes(clients: &Clients) -> Result<(), tonic::Status> {
    clients.put(put("key", "value")).await.map(drop)
}

/// It was not the service that refused: there was no connection, or it broke.
fn refused_to_speak(outcome: Result<(), tonic::Status>) {
    let error = outcome.expect_err("it was served");
    assert!(error.source().is_some(), "{error:?}");
}

#[tokio::test]
async fn with_tls_everything_is_served_and_nothing_in_the_clear() {
    let place = Place::new(false).await;
    let client = place.client(None);
    assert_eq!(client.shown().await.unwrap(), der(&place.identity));
    let clients = client.clients();
    writes(&clients).await.unwrap();
    assert_eq!(clients.range(get("key")).await.unwrap().count, 1);
    let stream = client.connect("http/1.1").await.unwrap();
    let (status, body) = post_over(stream, "/v3/kv/range", r#"{"key":"a2V5"}"#).await;
    assert!(status == "200" && body.contains("dmFsdWU="), "{body}");
    let stream = client.connect("h3").await;
    assert!(stream.is_err(), "nobody speaks h3 here");

    let address = &place.node().bound.etcd;
    let in_the_clear = Clients::of(place.node());
    refused_to_speak(writes(&in_the_clear).await);
    for said in ["GET /health HTTP/1.1\r\nhost: h\r\n\r\n", "PRI * HTTP/2.0"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // It may be reset: not all was read.
        stream.read_to_end(&mut answer).await.ok();
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    writes(&clients).await.unwrap();
}

#[tokio::test]
async fn members_say_that_they_are_reached_with_tls() {
    let place = Place::new(false).await;
    let mut members = ClusterClient::new(place.client(None).channel());
    let list = members.member_list(MemberListRequest::default()).await;
    let urls = list.unwrap().into_inner().members[0].client_ur_ls.clone();
    assert_eq!(urls, [format!("https://{}", place.node().bound.etcd)]);
}

#[tokio::test]
async fn a_client_that_does_not_prove_who_it_is_is_refused() {
    let place = Place::new(true).await;
    let alice = place.authority.client("alice", &[]).unwrap();
    let stranger = Authority::generate("an authority").unwrap();
    let stranger = stranger.client("alice", &[]).unwrap();
    for identity in [None, Some(&stranger)] {
        refused_to_speak(writes(&place.client(identity).clients()).await);
    }
    writes(&place.client(Some(&alice)).clients()).await.unwrap();
}

#[tokio::test]
async fn new_files_are_taken_over_and_broken_ones_are_not() {
    let mut place = Place::new(true).await;
    let alice = place.authority.client("alice", &[]).unwrap();
    let before = place.client(Some(&alice));
    let open = before.clients();
    writes(&open).await.unwrap();

    // A certificate with the key of another.
    let broken = Identity {
        key: place.identity.key.clone(),
        ..server(&place.authority)
    };
    place.files.turn(&broken, &place.authority);
    eventually("the broken pair is told", async || {
        let log = place.node().log();
        let told = log.matches("cannot be used").count();
        check(told == 1 && log.contains("tls.key"), || log)
    })
    .await;
    assert_eq!(before.shown().await.unwrap(), der(&place.identity));

    // From another authority, and for the clients of another.
    let next = Authority::generate("the next").unwrap();
    let identity = server(&next);
    place.files.turn(&identity, &next);
    let bob = next.client("bob", &[]).unwrap();
    let after = SecureClient::of(place.node(), &next, Some(&bob));
    eventually("the new pair is shown", async || {
        let shown = after.shown().await.map_err(|error| error.to_string())?;
        check(shown == der(&identity), || "another one".to_owned())
    })
    .await;
    writes(&after.clients()).await.unwrap();
    let former = SecureClient::of(place.node(), &next, Some(&alice));
    refused_to_speak(writes(&former.clients()).await);
    // What was open stays so.
    writes(&open).await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_or_nonsense_keeps_nobody_out() {
    let place = Place::new(false).await;
    let address = &place.node().bound.etcd;
    let garbage = [0xff; 4096];
    // The beginning of a handshake: one record of 512 bytes, of which few come.
    let half = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let mut held = Vec::new();
    for said in [&[][..]; 200]
        .into_iter()
        .chain([&garbage[..]; 20])
        .chain([&half[..]; 20])
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Garbage may be refused before all of it was sent.
        stream.write_all(said).await.ok();
        held.push(stream);
    }
    // One that has agreed and says no more.
    let silent = place.client(None).connect("h2").await.unwrap();
    let clients = place.client(None).clients();
    timeout(AT_ONCE, writes(&clients)).await.unwrap().unwrap();
    // Those that say nothing are not kept for ever.
    for mut stream in held {
        let mut rest = Vec::new();
        timeout(LONG, stream.read_to_end(&mut rest))
            .await
            .unwrap()
            .ok();
    }
    drop(silent);
    writes(&clients).await.unwrap();
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::generate("an authority").unwrap();
    let (good, other) = (server(&authority), server(&authority));
    let path = dir.path().join("tls");
    let files = Files::new(&path, &good, &authority);
    let cases: [(&str, &str, &[&str]); 6] = [
        ("tls.key", &other.key, &["tls.crt", "tls.key"]),
        ("tls.key", "nonsense", &["private key", "tls.key", "PEM"]),
        ("tls.key", &good.certificate, &["private key", "tls.key"]),
        ("tls.crt", "", &["certificate", "tls.crt", "PEM"]),
        ("tls.crt", &authority.identity().certificate, &["tls.crt"]),
        ("ca.crt", &good.key, &["certificate", "ca.crt"]),
    ];
    for (number, (name, content, named)) in cases.into_iter().enumerate() {
        let before = std::fs::read(path.join(name)).unwrap();
        std::fs::write(path.join(name), content).unwrap();
        refused(&dir, number, &files, named);
        std::fs::write(path.join(name), before).unwrap();
    }
    std::fs::remove_file(path.join("tls.crt")).unwrap();
    refused(&dir, cases.len(), &files, &["tls.crt"]);
}

fn refused(dir: &TempDir, number: usize, files: &Files, named: &[&str]) {
    let mut node = Node::new(dir.path().join(number.to_string()), "127.0.0.1".to_owned());
    node.configure(&files.section(true));
    let (status, said) = node.start_in_vain();
    assert!(!status.success(), "{said}");
    for name in named {
        assert!(said.contains(name), "{name:?} is not in {said}");
    }
}
