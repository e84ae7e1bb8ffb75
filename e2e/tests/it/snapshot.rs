//! What a snapshot of ours holds, etcd serves: etcdutl restores it, and an etcd that begins with it has the same keys, the same
//! history and the same leases.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::bench::local::Trio;
use e2e::child::Child;
use e2e::tools::{self, Cache, ETCD};
use e2e::wait;
use serde_json::Value;

const START_WITHIN: Duration = Duration::from_secs(30);

struct Etcdctl {
    program: PathBuf,
    endpoint: String,
    user: &'static [&'static str],
}

/// Who may do everything, once anyone is asked.
const ROOT: &[&str] = &["--user", "root:secret"];

impl Etcdctl {
    /// Runs a command, with these bytes as standard input; gives what it said.
    fn run_with(&self, words: &[&str], input: &[u8]) -> String {
        let mut command = Command::new(&self.program);
        command.args(["--endpoints", &self.endpoint]);
        command.args(self.user).args(words);
        output(command, input)
    }

    fn run(&self, words: &[&str]) -> String {
        self.run_with(words, &[])
    }

    fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["-w", "json"]].concat();
        serde_json::from_str(&self.run(&words)).unwrap()
    }

    /// What is the same wherever it is asked for.
    fn shown(&self, words: &[&str]) -> Value {
        let mut shown = self.json(words);
        if let Some(fields) = shown.as_object_mut() {
            // The header; of leases its fields stand by themselves.
            for name in ["header", "cluster_id", "member_id", "raft_term"] {
                fields.remove(name);
            }
        }
        shown
    }

    /// The hash of the history, where it begins, and the revision up to which it goes.
    fn hash(&self) -> Value {
        let mut found = self.json(&["endpoint", "hashkv"]);
        let hash = found[0]["HashKV"].as_object_mut().unwrap();
        hash.remove("header");
        found[0]["HashKV"].clone()
    }
}

fn output(mut command: Command, input: &[u8]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Keys of all kinds: replaced, deleted, made again, large, in one transaction, of a lease; some of it compacted. Gives the lease.
fn fill(ours: &Etcdctl) -> String {
    for number in 0..300 {
        let key = format!("many/{:03}", number % 200);
        ours.run(&["put", &key, &number.to_string()]);
    }
    ours.run(&["del", "many/05", "many/07"]);
    let revision = ours.json(&["put", "many/055", "again"])["header"]["revision"].to_string();
    ours.run(&["compaction", &revision]);
    ours.run(&["del", "many/199"]);
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    for key in ["large/1", "large/2", "large/1"] {
        ours.run_with(&["put", key], &large);
    }
    // No comparison; what is done; nothing else.
    ours.run_with(&["txn"], b"\nput txn/a 1\nput txn/b 2\ndel many/198\n\n\n");
    let granted = ours.run(&["lease", "grant", "6000"]);
    let lease = granted.split(' ').nth(1).unwrap().to_owned();
    ours.run(&["put", "leased", "1", "--lease", &lease]);
    lease
}

/// Users with and without passwords, and a role; everyone is asked then.
fn add_users(ours: &mut Etcdctl) {
    for words in [
        &["user", "add", "root:secret"][..],
        &["user", "add", "cert", "--no-password"],
        &["user", "add", "reader:of many"],
        &["role", "add", "many"],
        &[
            "role",
            "grant-permission",
            "many",
            "read",
            "--prefix",
            "many/",
        ],
        &["role", "grant-permission", "many", "readwrite", "own"],
        &[
            "role",
            "grant-permission",
            "many",
            "write",
            "--from-key",
            "x",
        ],
        &["user", "grant-role", "reader", "many"],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        ours.run(words);
    }
    ours.user = ROOT;
}

/// An etcd on what was restored.
fn serve(data: &Path, folder: &Path) -> (Child, String) {
    let held = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let [client, peer] = held.each_ref().map(|held| held.local_addr().unwrap());
    let flags = [
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls=http://{client}"),
        format!("--advertise-client-urls=http://{client}"),
        format!("--listen-peer-urls=http://{peer}"),
        "--log-level=warn".to_owned(),
    ];
    drop(held);
    let program = Cache::from_environment().unwrap().program(&ETCD, "etcd");
    let child = Child::spawn("restored", &program, &flags, folder).unwrap();
    (child, client.to_string())
}

/// Both show the same keys, lease, users and roles.
fn assert_alike(ours: &Etcdctl, theirs: &Etcdctl, lease: &str) {
    for words in [
        &["get", "", "--prefix"][..],
        &["get", "large/2"],
        &["lease", "list"],
        &["lease", "timetolive", lease, "--keys"],
        &["user", "list"],
        &["user", "get", "reader"],
        &["user", "get", "cert"],
        &["role", "list"],
        &["role", "get", "many"],
        &["auth", "status"],
    ] {
        let (ours, theirs) = (ours.shown(words), theirs.shown(words));
        let ttl = |mut shown: Value| {
            if let Some(left) = shown.get_mut("ttl") {
                *left = Value::Null;
            }
            shown
        };
        assert_eq!(ttl(ours), ttl(theirs), "{words:?}");
    }
}

#[test]
fn etcd_serves_what_a_snapshot_of_ours_holds() {
    let cache = Cache::from_environment().unwrap();
    tools::ensure(&cache, &ETCD, ETCD.programs).unwrap();
    let trio = Trio::start().unwrap();
    wait::until_blocking("all nodes follow a leader", START_WITHIN, || {
        Ok(trio.is_whole().unwrap_or(false))
    })
    .unwrap();
    let etcdctl = |endpoint: String, user| Etcdctl {
        program: cache.program(&ETCD, "etcdctl"),
        endpoint,
        user,
    };
    let mut ours = etcdctl(trio.etcd_url(0), &[]);
    let lease = fill(&ours);
    add_users(&mut ours);

    let folder = tempfile::tempdir().unwrap();
    let (copy, data) = (folder.path().join("copy"), folder.path().join("data"));
    let copy = copy.to_str().unwrap();
    ours.run(&["snapshot", "save", copy]);
    let etcdutl = |words: &[&str]| {
        let mut command = Command::new(cache.program(&ETCD, "etcdutl"));
        command.args(words);
        output(command, &[])
    };
    let status: Value =
        serde_json::from_str(&etcdutl(&["snapshot", "status", copy, "-w", "json"])).unwrap();
    let found = ours.json(&["get", "", "--prefix"]);
    assert_eq!(status["totalKey"], found["count"], "{status}");
    assert_eq!(status["revision"], found["header"]["revision"], "{status}");
    assert_eq!(status["version"], "3.7.0");

    etcdutl(&[
        "snapshot",
        "restore",
        copy,
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    let (mut child, endpoint) = serve(&data, folder.path());
    let theirs = etcdctl(endpoint, ROOT);
    wait::until_blocking("the restored etcd serves", START_WITHIN, || {
        child.check_running()?;
        let mut health = Command::new(&theirs.program);
        health.args(["--endpoints", &theirs.endpoint, "endpoint", "health"]);
        health.args(ROOT);
        Ok(health.output()?.status.success())
    })
    .unwrap();
    assert_alike(&ours, &theirs, &lease);
    assert_eq!(ours.hash(), theirs.hash());
    theirs.run(&["put", "after", "1"]);
    let reader = etcdctl(theirs.endpoint.clone(), &["--user", "reader:of many"]);
    assert_eq!(reader.json(&["get", "many/100"])["count"], 1);
}
