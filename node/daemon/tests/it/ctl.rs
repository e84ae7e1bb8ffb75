//! The program `klusterctl`, every command of it, on real nodes.

use std::path::{Path, PathBuf};

use node_api::proto::{Membership, Role};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::deadline::{check, eventually};
use crate::process::run_program;

/// What `klusterctl` said: its exit code, what it printed, and what it complained of.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The program. It is of another package, so cargo names no path of it; all programs of one build lie side by side.
pub fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_kluster-node")).with_file_name("klusterctl");
    assert!(
        program.exists(),
        "{} is not built: cargo build --workspace",
        program.display()
    );
    program
}

/// Runs `klusterctl` with the key of `cluster`.
pub fn klusterctl(cluster: &Cluster, arguments: &[&str]) -> Said {
    let key = cluster.nodes[0].key_file();
    let mut all = vec!["--key-file", key.to_str().unwrap()];
    all.extend(arguments);
    let (status, out, err) = run_program(&program(), &all);
    Said {
        code: status.code(),
        out,
        err,
    }
}

impl Said {
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    #[track_caller]
    pub fn refused(self, code: i32, named: &str) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert!(self.err.contains(named), "{named:?} is not in {}", self.err);
    }
}

/// Runs a command on whoever leads, until it is carried out: it may have to wait for a member to catch up.
async fn on_leader(cluster: &Cluster, command: &str, more: &[&str]) -> String {
    eventually("a command that is carried out", async || {
        let leader = cluster.leader().await;
        let admin = cluster.nodes[leader].bound.admin.as_str();
        let said = klusterctl(cluster, &[&[command, "--admin", admin], more].concat());
        check(said.code == Some(0), || said.err.clone())?;
        Ok(said.out)
    })
    .await
}

/// Whether a member votes, as `members` prints it; `None` if it is no member.
async fn votes(cluster: &Cluster, hex: &str) -> Option<bool> {
    let printed = on_leader(cluster, "members", &[]).await;
    let line = printed.lines().find(|line| line.starts_with(hex))?;
    Some(line.split_whitespace().nth(1) == Some("yes"))
}

#[tokio::test(flavor = "multi_thread")]
async fn klusterctl_forms_shows_and_changes_a_cluster() {
    let mut cluster = Cluster::start(3);
    let admins: Vec<String> = cluster
        .nodes
        .iter()
        .map(|n| n.bound.admin.clone())
        .collect();
    let mut init = vec!["init"];
    for admin in &admins {
        init.extend(["--admin", admin]);
    }
    let formed = klusterctl(&cluster, &init).done();
    assert!(formed.ends_with("the cluster accepts writes\n"), "{formed}");
    for node in 0..3 {
        cluster.until_ready(node).await;
    }
    let shown = on_leader(&cluster, "status", &[]).await;
    assert!(shown.contains("leader in term"), "{shown}");
    let shown = on_leader(&cluster, "status", &["--json"]).await;
    let status: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&status["role"], &status["open"]),
        (&"leader".into(), &true.into())
    );
    assert_eq!(status["members"].as_array().unwrap().len(), 3);
    assert_eq!(status["fatal"], "");

    let fourth = cluster.add();
    let hex = format!("{:016x}", cluster.status(fourth).await.member_id);
    let joining = cluster.nodes[fourth].bound.admin.clone();
    let added = on_leader(&cluster, "add", &["--node", &joining]).await;
    assert!(added.contains(&format!("{hex} joins")), "{added}");
    assert_eq!(votes(&cluster, &hex).await, Some(false));
    let learner = ["promote", "--admin", &joining, &hex];
    let refused = klusterctl(&cluster, &learner);
    assert_eq!(refused.code, Some(1), "only the leader promotes");
    klusterctl(
        &cluster,
        &["promote", "--admin", &admins[0], "00000000000000aa"],
    )
    .refused(1, "is no member");
    on_leader(&cluster, "promote", &[&hex]).await;
    assert_eq!(votes(&cluster, &hex).await, Some(true));
    let removed = on_leader(&cluster, "remove", &[&hex]).await;
    assert!(removed.contains(&format!("{hex} is removed")), "{removed}");
    assert_eq!(votes(&cluster, &hex).await, None);

    let snapshot = on_leader(&cluster, "snapshot", &[]).await;
    assert!(snapshot.starts_with("snapshot up to index "), "{snapshot}");

    for command in ["transfer", "leadership"] {
        let to = (cluster.leader().await + 1) % 3;
        let id = format!("{:016x}", cluster.status(to).await.member_id);
        on_leader(&cluster, command, &[&id]).await;
        eventually("the new leader", async || {
            let leads = cluster.try_status(to).await?.role() == Role::Leader;
            check(leads, || "it does not lead".to_owned())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn klusterctl_init_goes_on_where_it_stopped() {
    let cluster = Cluster::start(3);
    // As if it had been stopped after the second node joined.
    let first = cluster.status(0).await;
    let admin = cluster.nodes[0].admin().await.unwrap();
    let id = admin.bootstrap(first.member_id, 3).await.unwrap();
    cluster.make(1, Membership::Learner, 1).await;

    let admins: Vec<&str> = cluster
        .nodes
        .iter()
        .map(|n| n.bound.admin.as_str())
        .collect();
    let all = [
        "init", "--admin", admins[0], "--admin", admins[1], "--admin", admins[2],
    ];
    // With another number of nodes it would be another cluster.
    klusterctl(&cluster, &all[..5]).refused(1, "formed for 3 voters, not 2");
    let formed = klusterctl(&cluster, &all).done();
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(formed.contains(&id), "{formed}");
    assert!(formed.ends_with("the cluster accepts writes\n"), "{formed}");
    let members = cluster.status(0).await.members;
    assert_eq!(members.iter().filter(|member| member.voter).count(), 3);
    let again = klusterctl(&cluster, &all).done();
    assert!(
        !again.contains("joins") && !again.contains("votes"),
        "{again}"
    );

    let other = Cluster::form(1).await;
    let mixed = [
        "init",
        "--admin",
        admins[0],
        "--admin",
        &other.nodes[0].bound.admin,
    ];
    klusterctl(&cluster, &mixed).refused(1, "several clusters");
}

#[tokio::test(flavor = "multi_thread")]
async fn klusterctl_writes_reads_and_loads() {
    let cluster = Cluster::form(3).await;
    let http: Vec<String> = (cluster.nodes.iter())
        .map(|node| format!("http://{}", node.bound.http))
        .collect();
    let put = ["put", "--http", &http[0], "greeting/1", "hello"];
    let position = klusterctl(&cluster, &put).done();
    let get = ["get", "--http", &http[1], "--consistency", "session"];
    let get = [&get[..], &["--position", position.trim(), "greeting/1"]].concat();
    assert_eq!(klusterctl(&cluster, &get).done(), "hello");
    let get = ["get", "--http", &http[2], "greeting/2"];
    klusterctl(&cluster, &get).refused(2, "greeting/2");
    let listed = klusterctl(&cluster, &["list", "--http", &http[2], "greeting/"]).done();
    let fields: Vec<&str> = listed.trim_end().split('\t').collect();
    assert_eq!((fields[0], fields[2]), ("greeting/1", "hello"), "{listed}");
    let delete = ["delete", "--http", &http[1], "greeting/1"];
    let deleted = klusterctl(&cluster, &delete).done();
    assert_ne!(deleted, position);
    klusterctl(&cluster, &delete).refused(2, "greeting/1");

    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let load = [
        "bench",
        "--json",
        "--clients",
        "4",
        "--in-flight",
        "2",
        "--seconds",
        "1",
    ];
    let more = ["--read-percent", "50", "--value-bytes", "100", "--dir", dir];
    let at = ["--http", &http[0], "--http", &http[1]];
    let bench = klusterctl(&cluster, &[&load[..], &more, &at].concat()).done();
    let bench: Value = serde_json::from_str(&bench).unwrap();
    for (field, value) in [("clients", 4), ("in_flight", 2), ("value_bytes", 100)] {
        assert_eq!(bench[field], value, "{field} in {bench}");
    }
    for field in [
        "seconds",
        "writes",
        "reads",
        "writes_per_second",
        "reads_per_second",
    ] {
        assert!(bench[field].as_f64().unwrap() > 0.0, "{field} in {bench}");
    }
    for latency in ["write_us", "read_us", "fsync_us"] {
        for quantile in ["p50", "p99", "p99.9", "max"] {
            let found = bench[latency][quantile].as_u64();
            assert!(found.unwrap() > 0, "{latency}.{quantile} in {bench}");
        }
    }
    assert_eq!(bench["errors"], 0, "{bench}");
    assert_eq!(bench["errors_by_kind"], serde_json::json!({}), "{bench}");
}

#[tokio::test(flavor = "multi_thread")]
async fn klusterctl_writes_without_end_and_checks_what_is_there() {
    // Of one node: it looks for all nodes at one port.
    let cluster = Cluster::form(1).await;
    let at = format!("http://{}", cluster.nodes[0].bound.http);
    let soak = ["soak", "--json", "--seconds-max", "1", "--http", &at];
    let soak = klusterctl(&cluster, &soak).done();
    let soak: Value = serde_json::from_str(&soak).unwrap();
    assert!(soak["acknowledged"].as_u64().unwrap() > 0, "{soak}");
    assert_eq!(soak["digests_agree"], true, "{soak}");
    assert_eq!(soak["nodes"][0]["missing"], 0, "{soak}");
}
