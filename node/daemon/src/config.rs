//! The config file: read once, checked before the first socket is bound, never changed.

use std::path::{Path, PathBuf};

use node_replication::{ClusterKey, ELECTION_MIN_MS, Limits, Timing};
use node_server::{AccessConfig, Secret, TlsFiles, TokenKey};
use serde::Deserialize;

use crate::environment::Environment;
use crate::retention;

/// What `--help` says of the config file.
pub const HELP: &str = "\
Config file (TOML; an unknown key is an error):
  data_dir = \"/data\"                # the node's own folder
  cluster_key_file = \"/etc/key\"     # at least 32 bytes that all nodes share
  [listen]                          # KLUSTER_BIND_HOST, where set, stands in for host
  host = \"0.0.0.0\"
  http_port = 8080                  # 0 takes a free port; the bound addresses are printed as JSON
  etcd_port = 2379                  # clients of etcd
  admin_port = 6357
  peer_port = 6356
  metrics_port = 2112
  [advertise]                       # KLUSTER_ADVERTISE_HOST, where set, stands in for host
  host = \"127.0.0.1\"                # where peers reach this node
  [raft]                            # all three may be absent
  heartbeat_ms = 100
  election_min_ms = 300             # 250 at least
  election_max_ms = 600
  [log]                             # both may be absent
  snapshot_every_entries = 50000
  keep_entries = 10000
  [auth]                            # may be absent
  root_password_file = \"/etc/pw\"    # with it the first user, root, is made, and everyone must say who they are
  jwt_private_key_file = \"/etc/jwt\" # signs tokens, in PEM; else the cluster key does
  [kv]                              # all three may be absent
  quota_bytes = 8589934592          # what the keys may take up before an alarm has writes refused
  auto_compaction_mode = \"periodic\"   # or \"revision\"
  auto_compaction_retention = \"1h\"    # history that is kept, or with \"revision\" a number of revisions; none: \"0\"
  [etcd_tls]                        # without it clients of etcd are served in the clear
  cert_file = \"/etc/tls/tls.crt\"    # all are PEM, and read again when they change
  key_file = \"/etc/tls/tls.key\"
  client_ca_file = \"/etc/tls/ca.crt\" # may be absent; with it clients must show a certificate of this CA
  [kubernetes]                      # only on Kubernetes; needs the variables POD_NAME and POD_UID
  cluster = \"demo\"
  namespace = \"default\"
Environment: RUST_LOG sets what is logged, such as info or node_replication=debug.";

/// Why a config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file, or it cannot be read.
    #[error("failed to read the {what} {}", .path.display())]
    Read {
        /// Which file.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no TOML, or not of this shape.
    #[error("failed to understand the config file {}", .path.display())]
    Parse {
        /// Where.
        path: PathBuf,
        /// Line, key and what was expected.
        source: toml::de::Error,
    },
    /// A value that cannot be.
    #[error("failed to use the file {}: {why}", .path.display())]
    Value {
        /// Where.
        path: PathBuf,
        /// Which value, and what it should be.
        why: String,
    },
}

/// A config that can be used.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's own folder.
    pub data_dir: PathBuf,
    /// What all nodes of the cluster share.
    pub cluster_key: ClusterKey,
    /// Where to listen.
    pub listen: Listen,
    /// Where peers reach this node.
    pub advertise_host: String,
    /// Heartbeats and elections.
    pub timing: Timing,
    /// Bounds of the log.
    pub limits: Limits,
    /// Passwords and tokens.
    pub access: AccessConfig,
    /// Bounds of the keys, and of requests.
    pub server_limits: node_server::Limits,
    /// TLS for the clients of etcd, if they have it.
    pub etcd_tls: Option<TlsFiles>,
    /// The node's place in Kubernetes, if it has one.
    pub kubernetes: Option<Kubernetes>,
}

/// Where to listen; port 0 takes a free one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Host name or address.
    #[serde(default = "any_address")]
    pub host: String,
    /// Keys over HTTP.
    #[serde(default = "http_port")]
    pub http_port: u16,
    /// Clients of etcd.
    #[serde(default = "etcd_port")]
    pub etcd_port: u16,
    /// The admin API.
    #[serde(default = "admin_port")]
    pub admin_port: u16,
    /// Peers.
    #[serde(default = "peer_port")]
    pub peer_port: u16,
    /// Metrics and health.
    #[serde(default = "metrics_port")]
    pub metrics_port: u16,
}

/// A node's place in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Name of the Cluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// Name of this node's pod and ClusterNode.
    pub pod_name: String,
    /// UID of this node's pod.
    pub pod_uid: String,
}

fn any_address() -> String {
    "0.0.0.0".to_owned()
}
fn http_port() -> u16 {
    8080
}
fn etcd_port() -> u16 {
    2379
}
fn admin_port() -> u16 {
    6357
}
fn peer_port() -> u16 {
    6356
}
fn metrics_port() -> u16 {
    2112
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            host: any_address(),
            http_port: http_port(),
            etcd_port: etcd_port(),
            admin_port: admin_port(),
            peer_port: peer_port(),
            metrics_port: metrics_port(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: PathBuf,
    cluster_key_file: PathBuf,
    #[serde(default)]
    listen: Listen,
    advertise: Option<FileAdvertise>,
    #[serde(default)]
    raft: FileRaft,
    #[serde(default)]
    log: FileLog,
    #[serde(default)]
    auth: FileAuth,
    #[serde(default)]
    kv: FileKv,
    etcd_tls: Option<FileEtcdTls>,
    kubernetes: Option<FileKubernetes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAdvertise {
    host: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRaft {
    heartbeat_ms: Option<u64>,
    election_min_ms: Option<u64>,
    election_max_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLog {
    snapshot_every_entries: Option<u64>,
    keep_entries: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAuth {
    root_password_file: Option<PathBuf>,
    jwt_private_key_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKv {
    quota_bytes: Option<u64>,
    auto_compaction_mode: Option<String>,
    auto_compaction_retention: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEtcdTls {
    cert_file: PathBuf,
    key_file: PathBuf,
    client_ca_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKubernetes {
    cluster: String,
    namespace: String,
}

impl Config {
    /// Reads and checks the file at `path`, and the key file it names.
    ///
    /// # Errors
    /// With the file, and the line and key or the value that is wrong.
    pub fn load(path: &Path, environment: Environment) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            what: "config file",
            path: path.to_owned(),
            source,
        })?;
        let file: File = toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source,
        })?;
        let key = read("cluster key file", &file.cluster_key_file)?;
        let access = access(&file.auth)?;
        Self::checked(file, &key, access, environment).map_err(|why| ConfigError::Value {
            path: path.to_owned(),
            why,
        })
    }

    fn checked(
        file: File,
        key: &[u8],
        access: AccessConfig,
        environment: Environment,
    ) -> Result<Self, String> {
        let cluster_key = ClusterKey::new(key.trim_ascii().to_vec()).ok_or_else(|| {
            let (name, least) = (file.cluster_key_file.display(), ClusterKey::BYTES_MIN);
            format!("cluster_key_file: {name} holds fewer than {least} bytes")
        })?;
        let advertised = file.advertise.map(|advertise| advertise.host);
        let advertise_host = environment.advertise_host.or(advertised).ok_or(
            "advertise.host is missing: peers must know where to reach this node (or set KLUSTER_ADVERTISE_HOST)",
        )?;
        if advertise_host.is_empty() || advertise_host.contains(char::is_whitespace) {
            return Err(format!(
                "advertise.host: {advertise_host:?} is no host name or address"
            ));
        }
        let mut listen = file.listen;
        listen.host = environment.bind_host.unwrap_or(listen.host);
        let kubernetes = match file.kubernetes {
            Some(FileKubernetes { cluster, namespace }) => Some(Kubernetes {
                cluster,
                namespace,
                pod_name: environment
                    .pod_name
                    .ok_or("[kubernetes] is set, but the variable POD_NAME is not")?,
                pod_uid: environment
                    .pod_uid
                    .ok_or("[kubernetes] is set, but the variable POD_UID is not")?,
            }),
            None => None,
        };
        Ok(Self {
            data_dir: file.data_dir,
            cluster_key,
            listen,
            advertise_host,
            timing: timing(&file.raft)?,
            limits: limits(&file.log)?,
            access,
            server_limits: server_limits(&file.kv)?,
            etcd_tls: file.etcd_tls.map(|tls| TlsFiles {
                cert_file: tls.cert_file,
                key_file: tls.key_file,
                client_ca_file: tls.client_ca_file,
            }),
            kubernetes,
        })
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|source| ConfigError::Read {
        what,
        path: path.to_owned(),
        source,
    })
}

fn access(file: &FileAuth) -> Result<AccessConfig, ConfigError> {
    let wrong = |path: &Path, why: String| ConfigError::Value {
        path: path.to_owned(),
        why,
    };
    let root_password = match &file.root_password_file {
        None => None,
        Some(path) => {
            let password = String::from_utf8(read("password file of root", path)?);
            let password = password.map_err(|error| wrong(path, error.to_string()))?;
            let password = password.trim_end_matches(['\r', '\n']);
            if password.is_empty() {
                return Err(wrong(path, "the password of root is empty".to_owned()));
            }
            Some(Secret(password.to_owned()))
        }
    };
    let token_key = match &file.jwt_private_key_file {
        None => None,
        Some(path) => {
            let key = TokenKey::from_pem(&read("private key file of tokens", path)?);
            Some(key.map_err(|error| wrong(path, error.to_string()))?)
        }
    };
    Ok(AccessConfig {
        token_key,
        root_password,
    })
}

fn timing(file: &FileRaft) -> Result<Timing, String> {
    let usual = Timing::default();
    let timing = Timing {
        heartbeat_ms: file.heartbeat_ms.unwrap_or(usual.heartbeat_ms),
        election_min_ms: file.election_min_ms.unwrap_or(usual.election_min_ms),
        election_max_ms: file.election_max_ms.unwrap_or(usual.election_max_ms),
    };
    let Timing {
        heartbeat_ms,
        election_min_ms,
        election_max_ms,
    } = timing;
    if heartbeat_ms == 0 || heartbeat_ms * 2 > election_min_ms {
        return Err(format!(
            "raft.heartbeat_ms: {heartbeat_ms} must be above 0 and at most half of election_min_ms"
        ));
    }
    if election_min_ms < ELECTION_MIN_MS {
        return Err(format!(
            "raft.election_min_ms: {election_min_ms} must be at least {ELECTION_MIN_MS}"
        ));
    }
    if election_min_ms >= election_max_ms {
        return Err(format!(
            "raft.election_min_ms: {election_min_ms} must be below election_max_ms {election_max_ms}"
        ));
    }
    Ok(timing)
}

fn limits(file: &FileLog) -> Result<Limits, String> {
    let usual = Limits::default();
    let snapshot_every_entries = file
        .snapshot_every_entries
        .unwrap_or(usual.snapshot_every_entries);
    if snapshot_every_entries == 0 {
        return Err("log.snapshot_every_entries must be above 0".to_owned());
    }
    Ok(Limits {
        snapshot_every_entries,
        keep_entries: file.keep_entries.unwrap_or(usual.keep_entries),
        ..usual
    })
}

fn server_limits(file: &FileKv) -> Result<node_server::Limits, String> {
    let usual = node_server::Limits::default();
    let quota_bytes = file.quota_bytes.unwrap_or(usual.quota_bytes);
    if quota_bytes == 0 {
        return Err("kv.quota_bytes must be above 0".to_owned());
    }
    let mode = file.auto_compaction_mode.as_deref();
    let auto_compaction = retention::read(mode, file.auto_compaction_retention.as_deref())?;
    Ok(node_server::Limits {
        quota_bytes,
        auto_compaction,
        ..usual
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "data_dir = \"/d\"\ncluster_key_file = \"/k\"\n[advertise]\nhost = \"h\"\n";
    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef\n";

    fn check(text: &str, key: &[u8], environment: Environment) -> Result<Config, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        Config::checked(file, key, AccessConfig::default(), environment)
    }

    #[test]
    fn the_least_config_has_the_usual_ports_and_times() {
        let config = check(GOOD, KEY, Environment::default()).unwrap();
        assert_eq!(
            (config.listen.http_port, config.listen.peer_port),
            (8080, 6356)
        );
        assert_eq!(config.timing, Timing::default());
        assert!(config.kubernetes.is_none() && config.etcd_tls.is_none());
    }

    #[test]
    fn the_environment_says_what_differs_from_pod_to_pod() {
        let environment = Environment {
            bind_host: Some("127.0.1.2".to_owned()),
            advertise_host: Some("pod-0.peers".to_owned()),
            ..Environment::default()
        };
        let config = check(GOOD, KEY, environment).unwrap();
        assert_eq!(
            (config.listen.host.as_str(), config.advertise_host.as_str()),
            ("127.0.1.2", "pod-0.peers")
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (format!("colour = 1\n{GOOD}"), "colour"),
            (format!("{GOOD}[listen]\nhttp_prot = 1\n"), "http_prot"),
            (format!("{GOOD}[listen]\nhttp_port = 70000\n"), "http_port"),
            (
                format!("{GOOD}[raft]\nheartbeat_ms = 200\n"),
                "heartbeat_ms",
            ),
            (
                format!("{GOOD}[raft]\nelection_min_ms = 249\n"),
                "election_min_ms: 249",
            ),
            (
                format!("{GOOD}[raft]\nelection_max_ms = 200\n"),
                "election_m",
            ),
            (
                format!("{GOOD}[log]\nsnapshot_every_entries = 0\n"),
                "snapshot_every_entries",
            ),
            (format!("{GOOD}[kv]\nquota_bytes = 0\n"), "kv.quota_bytes"),
            (format!("{GOOD}[kv]\nquota_bytes = -1\n"), "quota_bytes"),
            (
                format!("{GOOD}[kv]\nauto_compaction_retention = \"1x\"\n"),
                "kv.auto_compaction_retention",
            ),
            (
                format!("{GOOD}[etcd_tls]\ncert_file = \"/c\"\n"),
                "key_file",
            ),
            (
                format!("{GOOD}[kubernetes]\ncluster = \"c\"\nnamespace = \"n\"\n"),
                "POD_NAME",
            ),
            (
                "data_dir = \"/d\"\ncluster_key_file = \"/k\"\n".to_owned(),
                "advertise.host",
            ),
            ("cluster_key_file = \"/k\"\n".to_owned(), "data_dir"),
        ];
        for (text, named) in cases {
            let error = check(&text, KEY, Environment::default()).expect_err(&text);
            assert!(error.contains(named), "{error:?} does not name {named:?}");
        }
        let short = check(GOOD, b"short", Environment::default()).expect_err("a short key");
        assert!(
            short.contains("cluster_key_file") && short.contains("32"),
            "{short}"
        );
    }
}
