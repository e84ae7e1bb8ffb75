//! A Kubernetes that keeps its objects in Kluster, and not in etcd: its API server cannot tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::bench::local::{Loss, Trio};
use e2e::control_plane::{ControlPlane, Controllers, Options, Store};
use e2e::wait;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams, WatchEvent, WatchParams};
use node_api::etcd::etcdserverpb::RangeRequest;
use node_api::etcd::etcdserverpb::kv_client::KvClient;
use serde_json::json;

const LONG: Duration = Duration::from_secs(60);
const SPACE: &str = "stored";

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

async fn create(maps: &Api<ConfigMap>, name: &str, value: &str) -> kube::Result<ConfigMap> {
    let map = ConfigMap {
        metadata: named(name),
        data: Some(BTreeMap::from([("value".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    };
    maps.create(&PostParams::default(), &map).await
}

/// Names of everything that is added, from a version on, until `last` is.
async fn added(maps: Api<ConfigMap>, from: String, last: String) -> Vec<String> {
    let mut names = Vec::new();
    let mut version = from;
    // The API server ends watches now and then; a watcher goes on where it was.
    while names.last() != Some(&last) {
        let watched = maps.watch(&WatchParams::default(), &version).await;
        let Ok(mut events) = watched.map(StreamExt::boxed) else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while let Ok(Some(event)) = events.try_next().await {
            let WatchEvent::Added(map) = event else {
                continue;
            };
            version = map.metadata.resource_version.unwrap();
            names.push(map.metadata.name.unwrap());
            if names.last() == Some(&last) {
                break;
            }
        }
    }
    names
}

async fn oldest_is_compacted(url: String) -> bool {
    let Ok(mut kv) = KvClient::connect(url).await else {
        return false;
    };
    let request = RangeRequest {
        key: "/".into(),
        revision: 2,
        ..RangeRequest::default()
    };
    let refused = kv.range(request).await.err();
    refused.is_some_and(|error| {
        error
            .message()
            .contains("required revision has been compacted")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_keeps_its_objects_in_kluster_whichever_node_is_killed() {
    let mut trio = Trio::start().unwrap();
    let options = Options {
        store: Store::At((0..3).map(|node| trio.etcd_url(node)).collect()),
        controllers: Controllers::All,
        api_server_flags: vec!["--etcd-compaction-interval=10s".to_owned()],
    };
    let control_plane = ControlPlane::start(options).await.unwrap();
    let client = control_plane.client().await.unwrap();
    let spaces = Api::<Namespace>::all(client.clone());
    let space = Namespace {
        metadata: named(SPACE),
        ..Namespace::default()
    };
    spaces.create(&PostParams::default(), &space).await.unwrap();

    controllers_make_pods(client.clone()).await;
    let maps = Api::<ConfigMap>::namespaced(client.clone(), SPACE);
    let from = maps.list(&ListParams::default()).await.unwrap();
    let from = from.metadata.resource_version.unwrap();
    let watcher = tokio::spawn(added(maps.clone(), from, "map-399".to_owned()));
    let mut lost = None;
    for number in 0..400 {
        if number == 100 || number == 250 {
            let leader = trio.leader().unwrap();
            trio.lose(leader, Loss::Killed).unwrap();
            lost = Some(leader);
        }
        if number == 200 || number == 350 {
            trio.bring_back(lost.take().unwrap(), Loss::Killed).unwrap();
        }
        let name = format!("map-{number}");
        wait::until("an object is stored", LONG, async || {
            match create(&maps, &name, "v").await {
                Ok(_) => Ok(true),
                // It was, and the answer was lost.
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(true),
                Err(_) => Ok(false),
            }
        })
        .await
        .unwrap();
    }
    let seen = tokio::time::timeout(LONG, watcher).await.unwrap().unwrap();
    let ours = |name: &&String| name.starts_with("map-");
    let expected: Vec<String> = (0..400).map(|number| format!("map-{number}")).collect();
    let seen: Vec<String> = seen.iter().filter(ours).cloned().collect();
    assert_eq!(seen, expected, "each was told of once and in order");
    lists_in_pages(&maps, &expected).await;

    // The API server gives up history, which no client of etcd may read after.
    let url = trio.etcd_url(0);
    wait::until("history is given up", LONG, async || {
        Ok(oldest_is_compacted(url.clone()).await)
    })
    .await
    .unwrap();

    spaces
        .delete(SPACE, &DeleteParams::default())
        .await
        .unwrap();
    wait::until("the namespace and all in it are gone", LONG, async || {
        Ok(spaces.get_opt(SPACE).await?.is_none())
    })
    .await
    .unwrap();
    assert!(
        maps.list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

/// A Deployment becomes a ReplicaSet and that becomes pods: the controllers watch, and update what others update.
async fn controllers_make_pods(client: Client) {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web"}]},
            },
        },
    }))
    .unwrap();
    let deployments = Api::<Deployment>::namespaced(client.clone(), SPACE);
    deployments
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    let pods = Api::<Pod>::namespaced(client, SPACE);
    wait::until("the controllers make three pods", LONG, async || {
        let found = pods.list(&ListParams::default().labels("app=web")).await?;
        Ok(found.items.len() == 3)
    })
    .await
    .unwrap();
}

async fn lists_in_pages(maps: &Api<ConfigMap>, expected: &[String]) {
    let mut page = ListParams::default().limit(37);
    let mut names = BTreeSet::new();
    loop {
        let found = maps.list(&page).await.unwrap();
        names.extend(found.items.into_iter().filter_map(|map| map.metadata.name));
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    let expected: BTreeSet<String> = expected.iter().cloned().collect();
    assert!(names.is_superset(&expected), "{} names", names.len());
}
