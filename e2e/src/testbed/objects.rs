//! What the test-bed puts into its Kubernetes: the default StorageClass.

use serde_json::{Value, json};

use super::volumes::PROVISIONED_BY;

/// The default StorageClass. Its volumes have a limited size and can grow.
pub const STORAGE_CLASS: &str = "standard";

/// All objects, as one list for `kubectl apply`.
pub fn all() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {
                    "name": STORAGE_CLASS,
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": PROVISIONED_BY,
                "reclaimPolicy": "Delete",
                "allowVolumeExpansion": true,
                "volumeBindingMode": "WaitForFirstConsumer",
            },
        ],
    })
}
