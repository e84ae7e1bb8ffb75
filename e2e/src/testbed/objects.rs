//! What the test-bed puts into its Kubernetes: the default StorageClass and what its provisioner reads.

use serde_json::{Value, json};

use super::images;

/// Namespace of the provisioner's helper pods.
pub const PROVISIONER_NAMESPACE: &str = "local-path-storage";
/// ConfigMap with the provisioner's scripts.
pub const PROVISIONER_CONFIG: &str = "local-path-config";
/// The default StorageClass.
pub const STORAGE_CLASS: &str = "standard";

/// All objects, as one list for `kubectl apply`.
pub fn all() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROVISIONER_NAMESPACE}},
            provisioner_config(),
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {
                    "name": STORAGE_CLASS,
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": "rancher.io/local-path",
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
        ],
    })
}

fn provisioner_config() -> Value {
    let helper = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod"},
        "spec": {
            "containers": [{"name": "helper-pod", "image": images::BUSYBOX, "imagePullPolicy": "IfNotPresent"}],
            // The helper must run where the volume is, whatever a test did to that node.
            "tolerations": [{"operator": "Exists"}],
        },
    });
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": PROVISIONER_CONFIG, "namespace": PROVISIONER_NAMESPACE},
        "data": {
            "config.json": "{}",
            "helperPod.yaml": helper.to_string(),
            // Writable for everybody: a hostPath volume ignores the pod's fsGroup.
            "setup": "#!/bin/sh\nset -eu\nmkdir -m 0777 -p \"$VOL_DIR\"\n",
            "teardown": "#!/bin/sh\nset -eu\nrm -rf \"$VOL_DIR\"\n",
        },
    })
}
