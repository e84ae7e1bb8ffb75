//! The test-bed is a real Kubernetes, heals when asked to, and leaves nothing behind.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use e2e::testbed::{BUSYBOX, Cut, Layout, Node, Status, Store, Testbed};
use e2e::wait;
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(120);
const PODS: [&str; 3] = ["web-0", "web-1", "web-2"];

/// Takes the test-bed down also when the test fails.
struct TakenDown(Testbed);

impl Drop for TakenDown {
    fn drop(&mut self) {
        if let Err(error) = self.0.down() {
            eprintln!("failed to take the test-bed down: {error:#}");
        }
    }
}

/// Three pods with a volume each, one in each zone, restricted as ours are; each serves its own name.
fn web_servers() -> String {
    let spread = json!([{"topologyKey": "topology.kubernetes.io/zone", "labelSelector": {"matchLabels": {"app": "web"}}}]);
    let script = "test -e /data/name || hostname > /data/name; exec httpd -f -p 8080 -h /data";
    let pod = json!({
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 0,
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": spread}},
        "containers": [{
            "name": "web",
            "image": BUSYBOX,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", script],
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "readinessProbe": {"httpGet": {"path": "/name", "port": 8080}, "periodSeconds": 1},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }],
    });
    let service = |name: &str, extra: serde_json::Value| {
        let mut spec =
            json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]});
        spec.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec})
    };
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "serviceName": "peers",
            "podManagementPolicy": "Parallel",
            "replicas": PODS.len(),
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
            }],
        },
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [
        set, service("peers", json!({"clusterIP": "None"})), service("client", json!({})),
    ]})
    .to_string()
}

/// `timeout`, since Debian's `busybox wget -T` crashes.
fn get(testbed: &Testbed, from: &str, url: &str) -> anyhow::Result<String> {
    let answer = testbed.kubectl(&[
        "exec", from, "--", "timeout", "5", "wget", "-q", "-O", "-", url,
    ])?;
    Ok(answer.trim().to_owned())
}

fn wait_for_servers(testbed: &Testbed) {
    // The pods themselves: what their StatefulSet says of them is old while its controller is not back.
    let ready = r#"--output=jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
    let waited = wait::until_blocking("three pods are ready", WITHIN, || {
        Ok(testbed.kubectl(&["get", "pods", "--selector=app=web", ready])? == "True True True")
    });
    if let Err(error) = waited {
        let pods = testbed.kubectl(&["get", "nodes,pods,pvc,pv", "-o", "wide"]);
        let events = testbed.kubectl(&["get", "events", "--sort-by=.lastTimestamp"]);
        panic!("{error:#}\n{pods:?}\n{events:?}");
    }
}

fn assert_all_reach_all(testbed: &Testbed) {
    for from in PODS {
        for to in PODS {
            // A headless Service gives the pods' own addresses, where nothing translates the port.
            let url = format!("http://{to}.peers.default.svc.cluster.local:8080/name");
            // The names of pods that just became ready come a moment later.
            let what = format!("{from} reaches {to}");
            let reached = wait::until_blocking(&what, WITHIN, || {
                let answer = get(testbed, from, &url).ok();
                assert!(
                    answer.iter().all(|name| name == to),
                    "{from} asked {to}: {answer:?}"
                );
                Ok(answer.is_some())
            });
            reached.unwrap();
        }
        let answer = get(testbed, from, "http://client/name").unwrap();
        assert!(
            PODS.contains(&answer.as_str()),
            "{from} got {answer:?} from the ClusterIP"
        );
    }
}

/// A volume holds what was asked for (the smallest is 32 MiB) and no more, and grows under a pod that stays.
fn assert_volumes_are_limited_and_grow(testbed: &Testbed) {
    let fill = |mebibytes: u32| {
        let script =
            format!("dd if=/dev/zero of=/data/fill bs=1M count={mebibytes} && rm /data/fill");
        testbed.kubectl(&["exec", "web-0", "--", "sh", "-c", &script])
    };
    let of_pod = || {
        testbed
            .kubectl(&["get", "pod", "web-0", "--output=jsonpath={.metadata.uid}"])
            .unwrap()
    };
    let before = of_pod();
    let full = fill(64).expect_err("64 MiB do not fit into 32");
    assert!(format!("{full:#}").contains("No space left"), "{full:#}");

    let more = r#"{"spec":{"resources":{"requests":{"storage":"128Mi"}}}}"#;
    testbed
        .kubectl(&["patch", "pvc", "data-web-0", "--patch", more])
        .unwrap();
    wait::until_blocking("the claim has 128 MiB", WITHIN, || {
        let path = "--output=jsonpath={.status.capacity.storage}";
        Ok(testbed.kubectl(&["get", "pvc", "data-web-0", path])? == "128Mi")
    })
    .unwrap();
    fill(64).expect("64 MiB fit into 128");
    assert_eq!(of_pod(), before, "growing touched the pod");
}

fn node_of(testbed: &Testbed, pod: &str) -> Node {
    let name = testbed
        .kubectl(&["get", "pod", pod, "--output=jsonpath={.spec.nodeName}"])
        .unwrap();
    testbed.layout().node_named(&name).unwrap()
}

/// A node without power is silent, and has its pods and their volumes when it comes back.
fn assert_a_node_survives_a_power_loss(testbed: &Testbed) {
    let url = "http://web-1.peers.default.svc.cluster.local:8080/name";
    let node = node_of(testbed, "web-1");
    testbed.stop_node(&node.name).unwrap();
    let silent = get(testbed, "web-0", url);
    assert!(silent.is_err(), "a node without power answered {silent:?}");
    assert!(matches!(testbed.status().unwrap(), Status::Damaged(missing) if missing.len() == 3));
    testbed.start_node(&node.name).unwrap();
    wait::until_blocking("web-1 is back", WITHIN, || {
        Ok(get(testbed, "web-0", url).is_ok_and(|name| name == "web-1"))
    })
    .unwrap();
}

/// A zone that is cut off hears nothing of the others and they nothing of it, until it is healed.
fn assert_a_zone_can_be_cut_off(testbed: &Testbed) {
    let reaches = |from: &str, to: &str| {
        let url = format!("http://{to}.peers.default.svc.cluster.local:8080/name");
        get(testbed, from, &url).is_ok()
    };
    let (near, other, far) = ("web-0", "web-1", "web-2");
    let zone = node_of(testbed, near).zone;
    testbed.cut_zone(zone, Cut::FromOtherZones).unwrap();
    assert!(!reaches(near, far) && !reaches(far, near));
    assert!(reaches(near, near) && reaches(far, other));
    testbed.heal_zone(zone).unwrap();
    assert!(reaches(near, far) && reaches(far, near));
}

fn kill(testbed: &Testbed, names: &[&str]) {
    for record in testbed
        .daemons()
        .unwrap()
        .iter()
        .filter(|record| names.contains(&record.name.as_str()))
    {
        record.process.kill().unwrap();
        wait::until_blocking("it is dead", WITHIN, || Ok(!record.process.is_running())).unwrap();
    }
}

/// What was killed runs again after `up`, and volumes have what they had.
fn assert_up_heals_after_crashes(testbed: &Testbed) {
    testbed
        .kubectl(&["exec", "web-1", "--", "sh", "-c", "echo kept > /data/note"])
        .unwrap();
    kill(
        testbed,
        &[
            "etcd",
            "kube-apiserver",
            "node2-containerd",
            "node2-kubelet",
            "volumes",
        ],
    );
    assert!(matches!(testbed.status().unwrap(), Status::Damaged(missing) if missing.len() == 5));
    testbed.up().unwrap();
    testbed
        .kubectl(&["delete", "pod", "--all", "--wait=true"])
        .unwrap();
    wait_for_servers(testbed);
    assert_all_reach_all(testbed);
    assert_eq!(
        testbed
            .kubectl(&["exec", "web-1", "--", "cat", "/data/note"])
            .unwrap()
            .trim(),
        "kept"
    );
}

/// Looks for traces in other ways than the test-bed itself does.
fn assert_no_trace(state: &Path, prefix: &str) {
    let state = state.to_str().unwrap();
    assert!(!Path::new(state).exists());
    assert!(
        !std::fs::read_to_string("/proc/mounts")
            .unwrap()
            .contains(state)
    );
    for device in std::fs::read_dir("/sys/block").unwrap().flatten() {
        let file = std::fs::read_to_string(device.path().join("loop/backing_file"));
        assert!(
            !file.unwrap_or_default().contains(state),
            "{:?} is left",
            device.path()
        );
    }
    let with_prefix = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.starts_with(prefix))
            .collect()
    };
    assert_eq!(with_prefix("/run/netns"), Vec::<String>::new());
    assert_eq!(with_prefix("/sys/class/net"), Vec::<String>::new());
    // One hierarchy has its groups here, each of several in a folder of its own.
    assert_eq!(with_prefix("/sys/fs/cgroup"), Vec::<String>::new());
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_dir())
    {
        assert_eq!(
            with_prefix(hierarchy.path().to_str().unwrap()),
            Vec::<String>::new()
        );
    }
    for result in std::fs::read_dir("/var/lib/cni/results")
        .into_iter()
        .flatten()
        .flatten()
    {
        let text = std::fs::read_to_string(result.path()).unwrap();
        assert!(!text.contains(state), "{:?} is left", result.path());
    }
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&command).contains(state),
            "{:?} runs",
            process.path()
        );
    }
}

#[test]
fn testbed_is_a_real_cluster_heals_after_crashes_and_leaves_nothing_behind() {
    let layout = Layout {
        store: Store::default(),
        state: "/var/lib/kluster-test1".into(),
        slot: 1,
        nodes: 3,
    };
    let _turn = crate::promises::TURN.blocking_lock();
    let guard = TakenDown(Testbed::new(layout.clone()).unwrap());
    let testbed = &guard.0;
    testbed.down().unwrap();
    testbed.up().unwrap();
    assert_eq!(testbed.status().unwrap(), Status::Up);

    testbed.kubectl_apply(&web_servers()).unwrap();
    wait_for_servers(testbed);
    assert_all_reach_all(testbed);
    let address = testbed
        .kubectl(&[
            "get",
            "service",
            "client",
            "--output=jsonpath={.spec.clusterIP}:80",
        ])
        .unwrap();
    let address: SocketAddr = address.parse().unwrap();
    TcpStream::connect_timeout(&address, Duration::from_secs(5))
        .expect("the host reaches a ClusterIP");

    let start = Instant::now();
    testbed.up().unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "a second up took {:?}",
        start.elapsed()
    );

    assert_volumes_are_limited_and_grow(testbed);
    assert_a_zone_can_be_cut_off(testbed);
    assert_a_node_survives_a_power_loss(testbed);
    assert_up_heals_after_crashes(testbed);

    kill(testbed, &["etcd", "node1-containerd", "node3-kubelet"]);
    testbed.down().unwrap();
    assert!(
        testbed.leftovers().unwrap().is_empty(),
        "{:?}",
        testbed.leftovers()
    );
    assert_no_trace(&layout.state, &layout.prefix());
    testbed
        .down()
        .expect("down is harmless when there is nothing");
}
