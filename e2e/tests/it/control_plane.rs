//! The light control plane keeps what it promises to the tests that stand on it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::control_plane::{ControlPlane, Controllers, Options};
use e2e::testbed::Process;
use e2e::wait;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Client;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

fn is_alive(process: u32) -> bool {
    Process::running(process.cast_signed()).is_some()
}

#[tokio::test]
async fn control_plane_counts_writes_and_keeps_service_accounts_to_their_rights() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let client = control_plane.client().await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    let account = ServiceAccount {
        metadata: named("reader"),
        ..ServiceAccount::default()
    };
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();

    let mark = control_plane.audit().mark().unwrap();
    let maps = Api::<ConfigMap>::namespaced(client, "default");
    maps.create(
        &PostParams::default(),
        &ConfigMap {
            metadata: named("one"),
            ..ConfigMap::default()
        },
    )
    .await
    .unwrap();
    maps.list(&ListParams::default()).await.unwrap();
    let mine = |request: &e2e::control_plane::Request| request.user == "kubernetes-admin";
    let writes = control_plane.audit().writes_since(mark, mine).unwrap();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(
        (writes[0].verb.as_str(), writes[0].resource.as_str()),
        ("create", "configmaps")
    );

    let config = control_plane.config_as("default", "reader").await.unwrap();
    let refused = Api::<ConfigMap>::namespaced(Client::try_from(config).unwrap(), "default")
        .get("one")
        .await
        .expect_err("a ServiceAccount without a Role may read nothing");
    let kube::Error::Api(status) = refused else {
        panic!("{refused}")
    };
    assert_eq!(status.code, 403);
    assert!(
        status
            .message
            .contains("system:serviceaccount:default:reader"),
        "{}",
        status.message
    );
}

#[tokio::test]
async fn control_plane_runs_controllers_and_leaves_nothing_behind() {
    let options = Options {
        controllers: Controllers::All,
        ..Options::default()
    };
    let control_plane = ControlPlane::start(options).await.unwrap();
    let processes = control_plane.process_ids();
    assert_eq!(processes.len(), 3);
    assert!(processes.iter().all(|process| is_alive(*process)));
    let folder = control_plane.folder().to_owned();
    drop(control_plane);
    assert!(!processes.iter().any(|process| is_alive(*process)));
    assert!(!folder.exists());
}

#[test]
fn control_plane_dies_with_the_process_that_started_it_however_that_dies() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .arg("control-plane")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let kubeconfig = lines.next().expect("a kubeconfig is printed").unwrap();
    let processes: Vec<u32> =
        serde_json::from_str(&lines.next().expect("ids are printed").unwrap()).unwrap();
    assert_eq!(processes.len(), 3);
    assert!(processes.iter().all(|process| is_alive(*process)));
    assert!(Path::new(&kubeconfig).exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    let gone = || Ok(!processes.iter().any(|process| is_alive(*process)));
    wait::until_blocking("the children are gone", Duration::from_secs(20), gone).unwrap();
    // Nobody was left to remove the folder: the next start does, of this test or of another.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(ControlPlane::start(Options::default()))
        .unwrap();
    assert!(!Path::new(&kubeconfig).exists());
}
