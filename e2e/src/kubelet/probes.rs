//! Probes of a container: HTTP and TCP, with the periods and thresholds that the pod names.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How much of an answer is read, in bytes; the status stands in its first line.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// What the probes say of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub started: bool,
    pub ready: bool,
    pub alive: bool,
}

/// The probes of one start of a container.
#[derive(Debug)]
pub(super) struct Probes {
    startup: Option<Probing>,
    readiness: Option<Probing>,
    liveness: Option<Probing>,
    /// Why the last probe that failed did so.
    pub complaint: Option<String>,
}

#[derive(Debug)]
struct Probing {
    what: &'static str,
    probe: Probe,
    target: Target,
    due: Instant,
    verdict: bool,
    successes: i32,
    failures: i32,
}

#[derive(Debug)]
enum Target {
    Http {
        host: Ipv4Addr,
        port: u16,
        path: String,
    },
    Tcp {
        host: Ipv4Addr,
        port: u16,
    },
}

impl Probes {
    /// The probes of a container that starts now at `host`.
    pub fn of(container: &Container, host: Ipv4Addr) -> Result<Self> {
        let probing = |what, probe: &Option<Probe>, verdict| {
            let probe = probe.as_ref();
            probe
                .map(|probe| Probing::of(what, probe, container, host, verdict))
                .transpose()
        };
        Ok(Self {
            startup: probing("startup", &container.startup_probe, false)?,
            readiness: probing("readiness", &container.readiness_probe, false)?,
            liveness: probing("liveness", &container.liveness_probe, true)?,
            complaint: None,
        })
    }

    /// Runs the probes that are due and says how the container is.
    pub async fn step(&mut self) -> Health {
        if let Some(startup) = &mut self.startup
            && !startup.verdict
        {
            let gave_up = startup.run(&mut self.complaint).await;
            return Health {
                started: startup.verdict,
                ready: startup.verdict && self.readiness.is_none(),
                alive: !gave_up,
            };
        }
        for probing in [&mut self.readiness, &mut self.liveness]
            .into_iter()
            .flatten()
        {
            probing.run(&mut self.complaint).await;
        }
        let verdict = |probing: &Option<Probing>| probing.as_ref().is_none_or(|p| p.verdict);
        Health {
            started: true,
            ready: verdict(&self.readiness),
            alive: verdict(&self.liveness),
        }
    }
}

impl Probing {
    fn of(
        what: &'static str,
        probe: &Probe,
        container: &Container,
        host: Ipv4Addr,
        verdict: bool,
    ) -> Result<Self> {
        let target = match (&probe.http_get, &probe.tcp_socket) {
            (Some(get), _) => http(get, container, host)?,
            (None, Some(socket)) => Target::Tcp {
                host,
                port: port(&socket.port, container)?,
            },
            (None, None) => bail!("the stand-in does not know this {what} probe"),
        };
        Ok(Self {
            what,
            probe: probe.clone(),
            target,
            due: Instant::now() + seconds(probe.initial_delay_seconds, 0),
            verdict,
            successes: 0,
            failures: 0,
        })
    }

    /// Probes if it is due; true if the failures have reached their threshold.
    async fn run(&mut self, complaint: &mut Option<String>) -> bool {
        if Instant::now() < self.due {
            return false;
        }
        self.due = Instant::now() + seconds(self.probe.period_seconds, 10);
        let timeout = seconds(self.probe.timeout_seconds, 1);
        let answer = tokio::time::timeout(timeout, self.target.probe()).await;
        let answer = answer.unwrap_or_else(|_| bail!("no answer within {} s", timeout.as_secs()));
        match answer {
            Ok(()) => {
                self.successes += 1;
                self.failures = 0;
                self.verdict |= self.successes >= self.probe.success_threshold.unwrap_or(1);
            }
            Err(error) => {
                *complaint = Some(format!("{} probe failed: {error:#}", self.what));
                self.failures += 1;
                self.successes = 0;
                if self.failures >= self.probe.failure_threshold.unwrap_or(3) {
                    self.verdict = false;
                    return true;
                }
            }
        }
        false
    }
}

impl Target {
    async fn probe(&self) -> Result<()> {
        match self {
            Self::Tcp { host, port } => {
                TcpStream::connect((*host, *port)).await?;
                Ok(())
            }
            Self::Http { host, port, path } => get(*host, *port, path).await,
        }
    }
}

/// One GET without anything kept alive, as a kubelet does it: 2xx and 3xx are good.
async fn get(host: Ipv4Addr, port: u16, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect((host, port))
        .await
        .with_context(|| format!("failed to connect to {host}:{port}"))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: kube-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split_whitespace().nth(1);
    let status: u16 = status
        .and_then(|status| status.parse().ok())
        .with_context(|| format!("no HTTP answer from {host}:{port}"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    ensure!(
        (200..400).contains(&status),
        "{path} answered {status}: {}",
        body.trim()
    );
    Ok(())
}

fn http(get: &HTTPGetAction, container: &Container, host: Ipv4Addr) -> Result<Target> {
    ensure!(
        get.scheme.as_deref().is_none_or(|scheme| scheme == "HTTP"),
        "the stand-in probes plain HTTP only"
    );
    Ok(Target::Http {
        host,
        port: port(&get.port, container)?,
        path: get.path.clone().unwrap_or_else(|| "/".to_owned()),
    })
}

fn port(port: &IntOrString, container: &Container) -> Result<u16> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let found = ports.find(|port| port.name.as_ref() == Some(name));
            found
                .with_context(|| format!("the container has no port {name}"))?
                .container_port
        }
    };
    u16::try_from(number).with_context(|| format!("{number} is no port"))
}

fn seconds(given: Option<i32>, otherwise: u64) -> Duration {
    Duration::from_secs(given.and_then(|s| s.try_into().ok()).unwrap_or(otherwise))
}
