//! What a Cluster's engines are set to.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schemas;

/// What the data's engines are set to; what is absent stays as the program has it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Engines {
    /// Keys and values, and the clients of etcd at port 2379.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv: Option<KvEngine>,
}

/// Keys and values, and the clients of etcd.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KvEngine {
    /// Bytes that keys, values and their history may take, such as 8Gi; clients of etcd cannot write more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::optional_quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
        .message("the quota must be a quantity above zero, such as 8Gi"))]
    pub quota: Option<Quantity>,
    /// Gives up old revisions by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_compaction: Option<AutoCompaction>,
    /// Serves clients of etcd with TLS; in the clear when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Secrets of users and roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Authentication>,
}

/// Which old revisions are given up by themselves.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.retention.matches(self.mode == 'Periodic' ? '^[1-9][0-9]{0,5}[hms]$' : '^[1-9][0-9]{0,14}$')")
    .message("retention must be a time such as 1h, 30m or 90s where mode is Periodic, and a number of revisions where it is Revision")
    .field_path(".retention"))]
#[serde(rename_all = "camelCase")]
pub struct AutoCompaction {
    /// Periodic keeps those of the last retention, a time; Revision keeps the last retention, a number.
    pub mode: CompactionMode,
    /// A time such as 1h, 30m or 90s, or a number of revisions such as 1000.
    #[schemars(length(min = 1, max = 15))]
    pub retention: String,
}

/// What `retention` counts.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum CompactionMode {
    /// Time.
    Periodic,
    /// Revisions.
    Revision,
}

/// TLS for clients of etcd.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Secret with tls.crt and tls.key, of type kubernetes.io/tls; a renewed one is taken over without a restart.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub secret_name: String,
    /// Required: a client must show a certificate that an authority in the Secret's ca.crt has signed.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
}

/// Whether clients must show a certificate.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ClientCertificates {
    /// Nobody is asked for one.
    #[default]
    None,
    /// Without a good one, a client is refused.
    Required,
}

/// Secrets of users and roles.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Secret with root-password, the password of the user root.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub secret_name: String,
    /// Jwt: tokens are signed with the private key in the Secret's jwt.key, and every node knows them.
    #[serde(default)]
    pub tokens: Tokens,
}

/// What a client is given for its password.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Tokens {
    /// A random text.
    #[default]
    Simple,
    /// A JSON Web Token.
    Jwt,
}
