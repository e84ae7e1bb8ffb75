//! `klusterctl kv import`: what a real etcd has is here after it, with revisions above its own.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::certificates::Authority;
use futures::{StreamExt, stream};
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, LeaseGrantRequest, PutRequest, RangeRequest, RequestOp,
    TxnRequest, WatchCreateRequest,
};

use super::origin::{Origin, etcdctl};
use super::secure::Files;
use super::watches::Stream;
use super::{Clients, bytes, get, put};
use crate::cluster::Cluster;
use crate::ctl::{Said, klusterctl, program};
use crate::deadline::eventually;

const KEYS: usize = 3_000;
/// What a lease of them has, in seconds.
const TTL: i64 = 5_000;

/// Puts so many keys that begin with this, a hundred in each transaction.
async fn fill(clients: &Clients, prefix: &str, keys: usize) {
    let txns = (0..keys.div_ceil(100)).map(|txn| {
        let keys = txn * 100..keys.min(txn * 100 + 100);
        let op = |key| RequestOp {
            request: Some(Request::RequestPut(put(
                &format!("{prefix}{key:06}"),
                &"v".repeat(200),
            ))),
        };
        let success = keys.map(op).collect();
        let mut kv = clients.kv.clone();
        async move {
            let txn = TxnRequest {
                success,
                ..TxnRequest::default()
            };
            kv.txn(txn).await.unwrap();
        }
    });
    stream::iter(txns).buffer_unordered(8).collect::<()>().await;
}

/// Keys that were changed, deleted and compacted, some with leases, and one that is as large as it may be.
async fn make_history(clients: &Clients) -> i64 {
    fill(clients, "k/", KEYS).await;
    for turn in 0..3 {
        for key in (0..40).map(|key| format!("k/{:06}", key * 7)) {
            clients
                .put(put(&key, &format!("turn {turn}")))
                .await
                .unwrap();
        }
    }
    let delete = DeleteRangeRequest {
        key: bytes("k/000100"),
        range_end: bytes("k/000200"),
        ..DeleteRangeRequest::default()
    };
    clients.kv.clone().delete_range(delete).await.unwrap();
    let compacted = clients.put(put("k/000150", "back")).await.unwrap();
    let revision = compacted.header.unwrap().revision;
    for id in 1..=20 {
        let grant = LeaseGrantRequest { ttl: TTL, id };
        clients.lease.clone().lease_grant(grant).await.unwrap();
        for key in 0..id - 1 {
            let put = PutRequest {
                lease: id,
                ..put(&format!("leased/{id}/{key}"), "x")
            };
            clients.put(put).await.unwrap();
        }
    }
    let compact = CompactionRequest {
        revision,
        physical: true,
    };
    clients.kv.clone().compact(compact).await.unwrap();
    clients.put(put("\0\u{1}binary", "\0")).await.unwrap();
    let large = "l".repeat((1536 << 10) - 100);
    clients.put(put("large", &large)).await.unwrap();
    let deleted = DeleteRangeRequest {
        key: bytes("leased/20/0"),
        ..DeleteRangeRequest::default()
    };
    let deleted = clients.kv.clone().delete_range(deleted).await.unwrap();
    deleted.into_inner().header.unwrap().revision
}

/// The options that name a node of the target.
fn to(cluster: &Cluster, node: usize) -> [String; 4] {
    let bound = &cluster.nodes[node].bound;
    ["--endpoints", &bound.etcd, "--admin", &bound.admin].map(str::to_owned)
}

fn import(cluster: &Cluster, from: &str, more: &[&str]) -> Said {
    let to = to(cluster, 0);
    let mut arguments = vec!["kv", "import", "--from-etcd", from];
    arguments.extend(to.iter().map(String::as_str));
    arguments.extend(more);
    klusterctl(cluster, &arguments)
}

async fn revision(clients: &Clients) -> i64 {
    let found = clients.range(get("none")).await.unwrap();
    found.header.unwrap().revision
}

async fn count(clients: &Clients) -> i64 {
    let everything = RangeRequest {
        key: bytes("\0"),
        range_end: bytes("\0"),
        count_only: true,
        ..RangeRequest::default()
    };
    clients.range(everything).await.unwrap().count
}

/// What etcdctl shows on both sides, but for revisions.
#[track_caller]
fn is_equal(origin: &str, target: &str, options: &[&str]) {
    let both = |arguments: &[&str]| {
        let arguments = [options, arguments].concat();
        [origin, target].map(|endpoint| etcdctl(endpoint, &arguments))
    };
    let [theirs, ours] = both(&["get", "", "--from-key", "--hex"]);
    assert!(theirs == ours, "other keys or values");
    let [theirs, ours] = both(&["lease", "list"]);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&theirs), sorted(&ours));
    for lease in ["1", "2", "14"] {
        let time = both(&["lease", "timetolive", lease, "--keys"]).map(|text| {
            let (granted, rest) = text.split_once(" remaining(").unwrap();
            let keys = rest.split_once("attached keys").unwrap().1;
            // In no order there.
            let keys = keys.trim().trim_matches(['(', ')', '[', ']']);
            let mut keys: Vec<String> = keys.split(' ').map(str::to_owned).collect();
            keys.sort();
            (granted.to_owned(), keys)
        });
        assert_eq!(time[0], time[1]);
        assert!(time[0].0.contains("granted with TTL(5000s)"), "{time:?}");
    }
}

/// Who resumes a watch from before is told that it is compacted.
async fn is_compacted(clients: &Clients, from: i64, last: i64) {
    let mut stream = Stream::open(clients).await;
    let watch = WatchCreateRequest {
        start_revision: from,
        ..WatchCreateRequest::default()
    };
    let watch = WatchCreateRequest {
        key: bytes("k/"),
        range_end: bytes("k0"),
        ..watch
    };
    stream.create(watch).await;
    let told = stream.next().await;
    assert!(told.canceled, "{told:?}");
    assert!(told.compact_revision > last, "{told:?} after {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_runs_is_moved_with_its_users() {
    let origin = Origin::start("http", &[]).await;
    let last = make_history(&origin.clients()).await;
    let run = |arguments: &[&str]| drop(etcdctl(&origin.url, arguments));
    run(&["user", "add", "root:secret"]);
    run(&["user", "add", "u:pw"]);
    run(&["user", "add", "certified", "--no-password"]);
    run(&["role", "add", "r"]);
    run(&[
        "role",
        "grant-permission",
        "r",
        "readwrite",
        "k/",
        "--prefix=true",
    ]);
    run(&["role", "grant-permission", "r", "read", "large"]);
    run(&["role", "grant-permission", "r", "write", "z", "--from-key"]);
    run(&["user", "grant-role", "u", "r"]);
    run(&["auth", "enable"]);

    let cluster = Cluster::form(3).await;
    let refused = import(&cluster, &origin.url, &[]);
    refused.refused(1, "user name is empty");
    let as_root = ["--from-user", "root:secret"];
    let moved = import(&cluster, &origin.url, &as_root).done();
    let source = format!("the etcd has revision {last}, ");
    assert!(moved.starts_with(&source), "{moved}");
    assert!(moved.contains("users are asked who they are"), "{moved}");

    let ours = &cluster.nodes[1].bound.etcd;
    let root = ["--user", "root:secret"];
    is_equal(&origin.url, ours, &root);
    for arguments in [
        &["user", "list"][..],
        &["role", "list"],
        &["user", "get", "u"],
        &["user", "get", "certified"],
        &["role", "get", "r"],
    ] {
        let arguments = [&root, arguments].concat();
        let both = [&origin.url, ours].map(|endpoint| etcdctl(endpoint, &arguments));
        assert_eq!(both[0], both[1]);
    }
    let of_u = ["--user", "u:pw", "get", "k/000150", "--print-value-only"];
    assert_eq!(etcdctl(ours, &of_u), "back\n");

    let all = [&as_root[..], &root].concat();
    let before = etcdctl(ours, &[&root[..], &["get", "none", "-w", "json"]].concat());
    let again = import(&cluster, &origin.url, &all).done();
    assert!(again.contains("written: 0 keys"), "{again}");
    assert!(again.contains("3 users were there"), "{again}");
    let after = etcdctl(ours, &[&root[..], &["get", "none", "-w", "json"]].concat());
    let revision = |text: &str| text.split_once("\"revision\":").unwrap().1[..6].to_owned();
    assert_eq!(revision(&before), revision(&after));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_moved_and_its_revisions_are_of_the_past() {
    let origin = Origin::start("http", &[]).await;
    let last = make_history(&origin.clients()).await;
    let file = origin.folder().join("snapshot.db");
    let name = file.to_str().unwrap();
    etcdctl(&origin.url, &["snapshot", "save", name]);

    let cluster = Cluster::form(1).await;
    let ours = Clients::of(&cluster.nodes[0]);
    let garbled = origin.folder().join("garbled.db");
    let mut content = std::fs::read(&file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&garbled, content).unwrap();
    import(&cluster, garbled.to_str().unwrap(), &[]).refused(1, "checksum differs");
    import(&cluster, "nothing.db", &[]).refused(1, "neither a file nor an endpoint");
    for (key, value) in [("k/000001", "another value"), ("foreign", "")] {
        ours.put(put(key, value)).await.unwrap();
        let refused = import(&cluster, name, &[]);
        refused.refused(1, &format!("1 keys ({key:?})"));
        let delete = DeleteRangeRequest {
            key: bytes(key),
            ..DeleteRangeRequest::default()
        };
        ours.kv.clone().delete_range(delete).await.unwrap();
    }
    assert_eq!(revision(&ours).await, 5, "nothing was written");

    let moved = import(&cluster, name, &[]).done();
    is_equal(&origin.url, &cluster.nodes[0].bound.etcd, &[]);
    let now = revision(&ours).await;
    let end = format!("the etcd's last revision is {last}, the target's {now}\n");
    assert!(moved.ends_with(&end) && now > last, "{moved}");
    for from in [1, last - 5, last, last + 1] {
        is_compacted(&ours, from, last).await;
    }
    let again = import(&cluster, name, &[]).done();
    assert!(again.contains("written: 0 keys"), "{again}");
    assert_eq!(revision(&ours).await, now);
    let written = ours.put(put("new", "")).await.unwrap();
    assert_eq!(written.header.unwrap().revision, now + 1);
    import(&cluster, name, &[]).refused(1, "1 keys (\"new\")");
    // As if the etcd had been written to after the snapshot; and from one of ours, whose snapshots are such files too.
    let save = ["snapshot", "save", name];
    etcdctl(&cluster.nodes[0].bound.etcd, &save);
    let second = Cluster::form(1).await;
    import(&second, name, &["--bump-revision", "1000000"]).done();
    let bumped = revision(&Clients::of(&second.nodes[0])).await;
    assert!(bumped > now + 1_000_000, "{bumped}");
    let too_far = ["--bump-revision", "9223372036854775807"];
    import(&second, name, &too_far).refused(1, "too few would be left");
}

/// `klusterctl kv import` of a file on its standard input.
fn begin(cluster: &Cluster, file: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .args(["kv", "import", "--from-etcd", "-"])
        .args(to(cluster, 0))
        .env("KLUSTER_KEY_FILE", cluster.nodes[0].key_file())
        .stdin(File::open(file).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_cut_is_run_again() {
    const MANY: usize = 40_000;
    let origin = Origin::start("http", &[]).await;
    fill(&origin.clients(), "many/", MANY).await;
    let file = origin.folder().join("snapshot.db");
    etcdctl(&origin.url, &["snapshot", "save", file.to_str().unwrap()]);

    let cluster = Cluster::form(1).await;
    let ours = Clients::of(&cluster.nodes[0]);
    let mut cut = begin(&cluster, &file).spawn().unwrap();
    eventually("some keys", async || match count(&ours).await {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    })
    .await;
    cut.kill().unwrap();
    cut.wait().unwrap();
    let some = count(&ours).await;
    assert!(some > 0 && some < i64::try_from(MANY).unwrap(), "{some}");

    let done = begin(&cluster, &file).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(
        done.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert_eq!(count(&ours).await, i64::try_from(MANY).unwrap());
    assert!(!said.contains("; 0 keys were there"), "{said}");
    let all = ["get", "many/", "--prefix", "--hex"];
    let both = [&origin.url, &cluster.nodes[0].bound.etcd].map(|at| etcdctl(at, &all));
    assert!(both[0] == both[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_reached_with_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate("an authority").unwrap();
    let client = authority.client("root", &[]).unwrap();
    let client = client.write(folder.path(), "client").unwrap();
    let ca_file = folder.path().join("ca.crt");
    std::fs::write(&ca_file, &authority.identity().certificate).unwrap();
    let server = authority.server("etcd", &["127.0.0.1"]).unwrap();
    let server = server.write(folder.path(), "server").unwrap();
    let flags = [
        format!("--cert-file={}", server.certificate.display()),
        format!("--key-file={}", server.key.display()),
        format!("--trusted-ca-file={}", ca_file.display()),
        "--client-cert-auth".to_owned(),
    ];
    let origin = Origin::start("https", &flags).await;
    let (ca_file, certificate) = (
        ca_file.to_str().unwrap(),
        client.certificate.to_str().unwrap(),
    );
    let key = client.key.to_str().unwrap();
    let tls = ["--cacert", ca_file, "--cert", certificate, "--key", key];
    etcdctl(&origin.url, &[&tls[..], &["put", "key", "value"]].concat());

    let mut cluster = Cluster::start(0);
    cluster.add_stopped();
    let host = cluster.nodes[0].host().to_owned();
    let identity = authority.server("a node", &[&host]).unwrap();
    let files = Files::new(&folder.path().join("tls"), &identity, &authority);
    cluster.nodes[0].configure(&files.section(true));
    cluster.nodes[0].start();
    let cluster = cluster.formed().await;
    let from = [
        "--from-cacert",
        ca_file,
        "--from-cert",
        certificate,
        "--from-key",
        key,
    ];
    import(&cluster, &origin.url, &tls).refused(1, "name the file of its authority");
    import(&cluster, &origin.url, &[&from[..2], &tls].concat()).refused(1, "snapshot of https://");
    import(&cluster, &origin.url, &[&from[..], &tls].concat()).done();
    let ours = format!("https://{}", cluster.nodes[0].bound.etcd);
    let get = [&tls[..], &["get", "key", "--print-value-only"]].concat();
    assert_eq!(etcdctl(&ours, &get), "value\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_do_more_here_is_not_taken_for_the_same() {
    let origin = Origin::start("http", &[]).await;
    etcdctl(&origin.url, &["role", "add", "r"]);
    etcdctl(&origin.url, &["role", "grant-permission", "r", "read", "a"]);
    let cluster = Cluster::form(1).await;
    let ours = cluster.nodes[0].bound.etcd.clone();
    etcdctl(&ours, &["role", "add", "r"]);
    etcdctl(&ours, &["role", "grant-permission", "r", "readwrite", "a"]);
    import(&cluster, &origin.url, &[]).refused(1, "the role r of the target permits");
    etcdctl(&ours, &["role", "revoke-permission", "r", "a"]);
    import(&cluster, &origin.url, &[]).done();
    let role = ["role", "get", "r"];
    assert_eq!(etcdctl(&ours, &role), etcdctl(&origin.url, &role));

    // Both doors must lead to one cluster: it is the revisions of this one that are raised.
    let other = Cluster::form(1).await;
    let mixed = [
        "kv",
        "import",
        "--from-etcd",
        &origin.url,
        "--endpoints",
        &ours,
    ];
    let mixed = [&mixed[..], &["--admin", &other.nodes[0].bound.admin]].concat();
    klusterctl(&cluster, &mixed).refused(1, "not of one Kluster cluster");
}
