//! A real etcd of one member, and its own tool.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use e2e::child::Child;
use e2e::tools::{self, Cache, ETCD};
use tempfile::TempDir;
use tonic::transport::Channel;

use super::Clients;
use crate::deadline::{check, eventually};

/// An etcd. It ends when this is dropped.
pub struct Origin {
    pub url: String,
    folder: TempDir,
    _etcd: Child,
}

impl Origin {
    /// Starts one with these flags besides, in the version of the test-bed, and waits until it serves.
    pub async fn start(scheme: &str, flags: &[String]) -> Origin {
        let cache = Cache::from_environment().unwrap();
        tools::ensure(&cache, &ETCD, ETCD.programs).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let held = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let [client, peer] = held.each_ref().map(|held| held.local_addr().unwrap());
        let (url, peer) = (format!("{scheme}://{client}"), format!("http://{peer}"));
        let mut all = vec![
            format!("--data-dir={}", folder.path().join("data").display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--log-level=warn".to_owned(),
        ];
        all.extend_from_slice(flags);
        drop(held);
        let program = cache.program(&ETCD, "etcd");
        let etcd = Child::spawn("etcd", &program, &all, folder.path()).unwrap();
        eventually("an etcd that listens", async || {
            let connected = tokio::net::TcpStream::connect(client).await;
            check(connected.is_ok(), || etcd.log_tail())
        })
        .await;
        Origin {
            url,
            folder,
            _etcd: etcd,
        }
    }

    /// The clients of one that is served in the clear.
    pub fn clients(&self) -> Clients {
        Clients::over(
            Channel::from_shared(self.url.clone())
                .unwrap()
                .connect_lazy(),
        )
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What etcdctl prints when it is asked at an endpoint.
#[track_caller]
pub fn etcdctl(endpoint: &str, arguments: &[&str]) -> String {
    let program = Cache::from_environment().unwrap().program(&ETCD, "etcdctl");
    let all = [&["--endpoints", endpoint], arguments].concat();
    // It bounds its time by itself.
    let asked = Command::new(program).args(all).output().unwrap();
    let err = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "etcdctl {arguments:?}: {err}");
    String::from_utf8(asked.stdout).unwrap()
}
