//! The operator as a process, with nothing between it and the API server, and what it says of itself.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::process;
use crate::environment;

/// A running operator; it ends when this is dropped.
pub struct Operator {
    child: Child,
    metrics: std::net::SocketAddr,
}

impl Operator {
    /// Starts it with this kubeconfig; its log goes to `<folder>/operator.log`.
    ///
    /// # Errors
    /// When it is not built or does not start.
    pub fn start(kubeconfig: &Path, folder: &Path) -> Result<Self> {
        let program = environment::programs()?.join("kluster-operator");
        let metrics = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = std::fs::File::create(folder.join("operator.log"))?;
        let child = Command::new(&program)
            .env("KUBECONFIG", kubeconfig)
            .env("LEADER_ELECTION", "false")
            .env("METRICS_ADDRESS", metrics.to_string())
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        Ok(Self { child, metrics })
    }

    /// CPU time used so far, in seconds.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu_s(&self) -> Result<f64> {
        Ok(process::cpu_us(&[self.child.id()])? as f64 / 1e6)
    }

    /// Memory in RAM now, in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory_mib(&self) -> Result<f64> {
        process::memory_mib(self.child.id())
    }

    /// What it counts, as text.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect(self.metrics).await?;
        stream
            .write_all(b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if !answer.starts_with("HTTP/1.0 200") && !answer.starts_with("HTTP/1.1 200") {
            bail!("the operator's metrics are not served: {answer}");
        }
        Ok(answer)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // A child that has ended by itself cannot be killed again; waiting for it is all that is left to do.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

/// Sum of all series of a metric.
pub fn sum(metrics: &str, name: &str) -> f64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let ours = rest.starts_with('{') || rest.starts_with(' ');
        ours.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    };
    metrics.lines().filter_map(value).sum()
}

/// The upper bound of the bucket that holds the share `share` of what came between two readings of a histogram.
pub fn quantile(before: &str, after: &str, name: &str, share: f64) -> Option<f64> {
    let buckets = |metrics: &str| -> Vec<(f64, f64)> {
        let prefix = format!("{name}_bucket{{le=\"");
        let read = |line: &str| {
            let (bound, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
            let bound = if bound == "+Inf" {
                f64::INFINITY
            } else {
                bound.parse().ok()?
            };
            Some((bound, count.split(' ').next()?.parse().ok()?))
        };
        metrics.lines().filter_map(read).collect()
    };
    let earlier = buckets(before);
    let grown: Vec<(f64, f64)> = buckets(after)
        .into_iter()
        .map(|(bound, count)| {
            let was = earlier.iter().find(|(known, _)| *known == bound);
            (bound, count - was.map_or(0.0, |(_, count)| *count))
        })
        .collect();
    let total = grown.last()?.1;
    let reached = grown.iter().find(|(_, count)| *count >= total * share);
    reached.map(|(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::{quantile, sum};

    #[test]
    fn sums_and_quantiles_are_read_from_text() {
        let text = "w_total{verb=\"a\"} 2\nw_total{verb=\"b\"} 3\nw_total_other 9\n";
        assert_eq!(sum(text, "w_total"), 5.0);
        let before = "d_bucket{le=\"0.1\"} 5\nd_bucket{le=\"0.2\"} 5\nd_bucket{le=\"+Inf\"} 5\n";
        let after = "d_bucket{le=\"0.1\"} 5\nd_bucket{le=\"0.2\"} 104\nd_bucket{le=\"+Inf\"} 105\n";
        assert_eq!(quantile(before, after, "d", 0.5), Some(0.2));
        assert_eq!(quantile(before, after, "d", 0.999), Some(f64::INFINITY));
    }
}
