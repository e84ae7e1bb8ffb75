//! What the operator counts, in Prometheus' words. Labels come from closed lists or name Clusters; error texts are
//! never labels. What it last told of each Cluster is in `cluster_gauges`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crds::ClusterStatus;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::cluster_gauges::ClusterGauges;

type Labels<const N: usize> = [(&'static str, String); N];

/// The operator's metrics; clones share the numbers.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<Labels<1>, Counter>,
    errors: Family<Labels<1>, Counter>,
    seconds: Histogram,
    in_progress: Family<Labels<2>, Gauge<f64, AtomicU64>>,
    writes: Family<Labels<2>, Counter>,
    leads: Gauge,
    lease_acquired: Counter,
    clusters: ClusterGauges,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("kluster_operator");
        let reconciles = Family::default();
        let errors = Family::default();
        let seconds = Histogram::new(exponential_buckets(0.005, 2.0, 14));
        let in_progress = Family::default();
        let writes = Family::default();
        let leads = Gauge::default();
        let lease_acquired = Counter::default();
        let clusters = ClusterGauges::default();
        registry.register("reconcile", "Passes by outcome", reconciles.clone());
        registry.register(
            "reconcile_errors",
            "Passes that failed, by kind of failure",
            errors.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Duration of a pass",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register_with_unit(
            "reconciliation_in_progress_start_time",
            "When the pass that is under way began; absent when none is",
            Unit::Seconds,
            in_progress.clone(),
        );
        registry.register(
            "writes",
            "Writes sent to the API server, by verb and kind",
            writes.clone(),
        );
        registry.register(
            "leads",
            "1 while this process holds the lease",
            leads.clone(),
        );
        registry.register(
            "lease_acquired",
            "How often this process took the lease",
            lease_acquired.clone(),
        );
        registry.register_collector(Box::new(clusters.clone()));
        Metrics {
            registry: Arc::new(registry),
            reconciles,
            errors,
            seconds,
            in_progress,
            writes,
            leads,
            lease_acquired,
            clusters,
        }
    }
}

impl Metrics {
    /// A write is being sent.
    pub fn wrote(&self, verb: &str, kind: &str) {
        self.writes
            .get_or_create(&[("verb", verb.to_owned()), ("kind", kind.to_owned())])
            .inc();
    }

    /// This process holds the lease, or does not. Who does not act says nothing of any Cluster: the operator that acts
    /// does, and two answers would contradict each other.
    pub fn leads(&self, leads: bool) {
        let led = self.leads.set(i64::from(leads)) != 0;
        if leads && !led {
            self.lease_acquired.inc();
        }
        if !leads {
            self.clusters.clear();
        }
    }

    /// This is what was told of the Cluster.
    pub fn told(&self, namespace: &str, name: &str, status: &ClusterStatus) {
        self.clusters.told(namespace, name, status);
    }

    /// The Cluster cannot be read, and was told so.
    pub fn unreadable(&self, namespace: &str, name: &str) {
        self.clusters
            .unreadable(namespace, name, &["SpecValid", "Ready"]);
    }

    /// The Cluster is gone, or goes.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.clusters.forget(namespace, name);
    }

    /// A pass over the Cluster begins.
    pub fn begin(&self, namespace: &str, name: &str) -> Pass {
        let labels = [
            ("namespace", namespace.to_owned()),
            ("name", name.to_owned()),
        ];
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.in_progress
            .get_or_create(&labels)
            .set(now.as_secs_f64());
        Pass {
            metrics: self.clone(),
            labels,
            began: Instant::now(),
        }
    }

    /// A pass failed, in the way that `kind` (from a closed list) names.
    pub fn failed(&self, kind: &str) {
        self.errors
            .get_or_create(&[("kind", kind.to_owned())])
            .inc();
    }

    /// All of it as text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A pass under way; it ends when dropped, also when it is cancelled.
pub struct Pass {
    metrics: Metrics,
    labels: Labels<2>,
    began: Instant,
}

impl Pass {
    /// The pass came to an end, well or not.
    pub fn ended(self, well: bool) {
        if well {
            let [(_, namespace), (_, name)] = &self.labels;
            self.metrics.clusters.passed(namespace, name);
        }
        let outcome = if well { "ok" } else { "error" };
        self.metrics
            .reconciles
            .get_or_create(&[("outcome", outcome.to_owned())])
            .inc();
        self.metrics
            .seconds
            .observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.metrics.in_progress.remove(&self.labels);
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn a_pass_under_way_shows_and_a_finished_one_counts() {
        let metrics = Metrics::default();
        let pass = metrics.begin("default", "demo");
        metrics.wrote("apply", "Service");
        let text = metrics.text().unwrap();
        assert!(
            text.contains(r#"in_progress_start_time_seconds{namespace="default",name="demo"}"#),
            "{text}"
        );
        assert!(
            text.contains(r#"kluster_operator_writes_total{verb="apply",kind="Service"} 1"#),
            "{text}"
        );
        pass.ended(true);
        let text = metrics.text().unwrap();
        assert!(!text.contains(r#"name="demo""#), "{text}");
        assert!(
            text.contains(r#"kluster_operator_reconcile_total{outcome="ok"} 1"#),
            "{text}"
        );
    }
}
