//! Starts that must not succeed.

use std::path::Path;

use crate::cluster::Cluster;
use crate::process::{Node, run};

fn fails(node: &Node, named: &[&str]) {
    let (status, said) = node.start_in_vain();
    assert!(!status.success(), "{said}");
    for name in named {
        assert!(said.contains(name), "{name:?} is not in {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_of_another_cluster_is_refused() {
    let (mut one, mut other) = (Cluster::form(1).await, Cluster::form(1).await);
    one.nodes[0].kill();
    other.nodes[0].kill();
    let state = one.nodes[0].data_dir().join("state");
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(other.nodes[0].data_dir().join("state"), &state).unwrap();
    fails(&one.nodes[0], &["refused to start", "cluster"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_and_a_damaged_identity_are_refused() {
    let mut cluster = Cluster::form(1).await;
    fails(&cluster.nodes[0], &["another process uses it"]);
    cluster.nodes[0].kill();
    let identity = cluster.nodes[0].data_dir().join("identity");
    let mut bytes = std::fs::read(&identity).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&identity, bytes).unwrap();
    fails(&cluster.nodes[0], &["identity", "checksum"]);
}

#[test]
fn a_bad_config_is_refused_by_file_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    let key = dir.path().join("key");
    std::fs::write(&key, "too short").unwrap();
    let good = format!(
        "data_dir = {:?}\ncluster_key_file = {key:?}\n[advertise]\nhost = \"127.0.0.1\"\n",
        dir.path().join("data")
    );
    for (text, named) in [
        (
            format!("{good}colour = 1\n"),
            &["node.toml", "5", "colour"][..],
        ),
        (
            format!("{good}[listen]\nhttp_prot = 1\n"),
            &["node.toml", "http_prot", "http_port"],
        ),
        ("data_dir = 7\n".to_owned(), &["node.toml", "data_dir"]),
        ("data_dir = \n".to_owned(), &["node.toml", "line 1"]),
        (good.clone(), &["cluster_key_file", "32"]),
    ] {
        std::fs::write(&path, &text).unwrap();
        let (status, out, err) = run(&["--config", path.to_str().unwrap()]);
        assert!(!status.success() && out.is_empty(), "{text}: {out}");
        for name in named {
            assert!(err.contains(name), "{name:?} is not in {err}");
        }
        let told = err.matches("TOML parse error").count();
        assert_eq!(told, usize::from(!named.contains(&"32")), "{err}");
    }
    assert!(
        !Path::new(&dir.path().join("data")).exists(),
        "nothing was touched"
    );
    let (status, _, err) = run(&["--config", "/nowhere/node.toml"]);
    assert!(
        !status.success() && err.contains("/nowhere/node.toml"),
        "{err}"
    );
}

#[test]
fn the_program_tells_its_version_and_its_use() {
    let (status, out, _) = run(&["--version"]);
    assert!(
        status.success() && out.starts_with("kluster-node "),
        "{out}"
    );
    let (status, out, _) = run(&["--help"]);
    assert!(
        status.success() && out.contains("--config") && out.contains("data_dir"),
        "{out}"
    );
}
