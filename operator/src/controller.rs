//! The reconcile of one Cluster: observe, validate, plan, apply, report.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config, Error as Ended};
use kube::runtime::events::{Recorder, Reporter as Instance};
use kube::{Client, ResourceExt};
use tokio::time::timeout;

use crate::apply::{self, WriteError, Writer};
use crate::config::{self, Pace};
use crate::lease::Fence;
use crate::metrics::Metrics;
use crate::observe::{self, ObserveError};
use crate::plan::{self, Plan, Reason};
use crate::report::{self, ReportError, Reporter};
use crate::validate::{self, Subject};
use crate::watches::{self, Guarded, Scope};

/// How many Clusters are reconciled at once.
const CONCURRENCY: u16 = 16;
/// Longest pass; one that takes longer is given up and repeated.
const PASS_MAX: Duration = Duration::from_secs(60);
/// When to look again though nothing changed. Every kind but the key's Secret is watched, so that little is found then; an
/// alert asks why a Cluster was not looked at for 15 minutes.
const RESYNC: Duration = Duration::from_secs(480);
/// When to look again while something is waited for that a watch tells of: a watch may be late.
const WAITING: Duration = Duration::from_secs(60);
/// When to look again while something is waited for that no watch tells of.
const UNWATCHED: Duration = Duration::from_secs(15);

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something could not be read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// Something could not be written.
    #[error(transparent)]
    Apply(#[from] WriteError),
    /// A Cluster that cannot be read could not be told so.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// It took too long.
    #[error("failed to finish a pass in {PASS_MAX:?}")]
    TooSlow,
}

impl Error {
    /// The kind of failure, for metrics.
    fn kind(&self) -> &'static str {
        match self {
            Error::Observe(_) => "observe",
            Error::Apply(WriteError::Fenced { .. }) => "fenced",
            Error::Apply(WriteError::Refused { .. }) => "apply",
            Error::Report(_) => "report",
            Error::TooSlow => "slow",
        }
    }

    /// How long the API server asks to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        let source = match self {
            Error::Observe(ObserveError { source, .. })
            | Error::Apply(WriteError::Refused { source, .. })
            | Error::Report(ReportError::Read(source))
            | Error::Report(ReportError::Write(WriteError::Refused { source, .. })) => source,
            Error::Apply(WriteError::Fenced { .. })
            | Error::Report(ReportError::Write(WriteError::Fenced { .. }))
            | Error::TooSlow => return None,
        };
        match source {
            kube::Error::Api(status) => {
                let seconds = status.details.as_ref()?.retry_after_seconds;
                Some(Duration::from_secs(seconds.into()))
            }
            _ => None,
        }
    }
}

/// What every pass shares.
pub struct Context {
    client: Client,
    writer: Writer,
    reporter: Reporter,
    metrics: Metrics,
    pace: Pace,
    /// Failures in a row, by namespace and name; forgotten after a pass that went well.
    failures: Mutex<HashMap<(String, String), u32>>,
}

impl Context {
    /// A context whose writes end when `fence` no longer holds.
    pub fn new(client: Client, fence: Fence, metrics: Metrics, config: &config::Config) -> Context {
        let writer = Writer::new(client.clone(), fence, metrics.clone());
        let instance = Instance {
            controller: crds::labels::OPERATOR.to_owned(),
            instance: Some(config.identity.clone()),
        };
        let recorder = Recorder::new(client.clone(), instance);
        let reporter = Reporter::new(writer.clone(), recorder, metrics.clone());
        Context {
            client,
            writer,
            reporter,
            metrics,
            pace: config.pace,
            failures: Mutex::default(),
        }
    }
}

/// Watches and reconciles until dropped; dropping it cancels every pass.
pub async fn control(scope: Scope, context: Context) {
    let (controller, _) = watches::controller(&scope);
    let context = Arc::new(context);
    let known = context.clone();
    controller
        .with_config(
            Config::default()
                .concurrency(CONCURRENCY)
                .debounce(context.pace.debounce),
        )
        .run(reconcile, retry, context)
        .for_each(async |outcome| match outcome {
            Err(Ended::QueueError(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a watch was interrupted"
            ),
            // Its watch passes deletions on, so that this comes for each Cluster that is gone.
            Err(Ended::ObjectNotFound(gone)) => {
                let namespace = gone.namespace.clone().unwrap_or_default();
                known.metrics.forget(&namespace, &gone.name);
                forget(&known, namespace, gone.name.clone());
            }
            Ok(_) | Err(_) => {}
        })
        .await;
}

#[tracing::instrument(skip_all, fields(namespace = cluster.namespace(), name = cluster.name_any()))]
async fn reconcile(cluster: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let watched = context.metrics.begin(&namespace, &name);
    let outcome = timeout(PASS_MAX, pass(&context, &namespace, &name))
        .await
        .unwrap_or(Err(Error::TooSlow));
    watched.ended(outcome.is_ok());
    match &outcome {
        Ok(_) => forget(&context, namespace, name),
        Err(error) => {
            context.metrics.failed(error.kind());
            tracing::warn!(error = error as &dyn std::error::Error, "a pass failed");
        }
    }
    outcome
}

async fn pass(context: &Context, namespace: &str, name: &str) -> Result<Action, Error> {
    let cluster = match observe::cluster(&context.client, namespace, name).await? {
        None => {
            context.metrics.forget(namespace, name);
            return Ok(Action::await_change());
        }
        Some(DeserializeGuard(Err(invalid))) => {
            report::undecodable(&context.writer, &invalid).await?;
            context.metrics.unreadable(namespace, name);
            return Ok(Action::requeue(RESYNC));
        }
        Some(DeserializeGuard(Ok(cluster))) => cluster,
    };
    let subject = Subject::of(&cluster);
    let observed = match observe::observe(&context.client, &cluster).await {
        Err(error) if error.undecodable() => {
            context.reporter.unread(&subject, &error).await;
            return Err(error.into());
        }
        observed => observed?,
    };
    let validated = validate::validate(&cluster);
    let plan = plan::plan(&subject, &validated, &observed);
    let again = again(&subject, &plan);
    let applied = apply::apply(&context.writer, &subject, &plan, &observed).await;
    context
        .reporter
        .report(&subject, &observed.pods, plan, &applied)
        .await?;
    match applied.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(again),
    }
}

/// When to look again: soon while something is waited for, else seldom. A thousand Clusters that wait at once must leave
/// the workers time for those that have news.
fn again(subject: &Subject, plan: &Plan) -> Action {
    if subject.deleting {
        return Action::await_change();
    }
    let unwatched = plan.wait.as_ref().is_some_and(|wait| {
        matches!(
            wait.reason,
            Reason::NameConflict | Reason::FormerClusterLeaving | Reason::SecretMissing
        )
    });
    if unwatched {
        return Action::requeue(UNWATCHED);
    }
    let under_way = plan
        .status
        .as_ref()
        .is_some_and(|status| status.operation.is_some());
    let waits = plan.wait.is_some() || plan.step.is_some() || under_way;
    Action::requeue(spread(if waits { WAITING } else { RESYNC }, &subject.uid))
}

/// `least` and up to three quarters more, each Cluster at its own time.
fn spread(least: Duration, uid: &str) -> Duration {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 750).unwrap_or_default();
    least + least * thousandths / 1000
}

fn forget(context: &Context, namespace: String, name: String) {
    context
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&(namespace, name));
}

/// After a failure the same Cluster is tried again, later each time, and not before the API server wants to be asked; the
/// others do not wait for it.
fn retry(cluster: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    let key = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let mut failures = context
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let count = failures.entry(key).or_default();
    let asked = error.retry_after().unwrap_or_default();
    let delay = delay(&context.pace, *count, asked);
    *count = count.saturating_add(1);
    Action::requeue(delay)
}

/// How long to wait after so many failures before this one, where the API server asks to be left alone for `asked`.
fn delay(pace: &Pace, failures: u32, asked: Duration) -> Duration {
    let own = pace.retry_min * 2_u32.saturating_pow(failures.min(10));
    own.min(pace.retry_max).max(asked.min(pace.asked_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_in_a_row_doubles_the_delay_and_what_the_api_server_asks_for_is_kept() {
        let pace = Pace::default();
        let seconds = |failures, asked| {
            let asked = Duration::from_secs(asked);
            delay(&pace, failures, asked).as_secs_f32()
        };
        assert_eq!([0, 1, 2, 7].map(|n| seconds(n, 0)), [0.5, 1.0, 2.0, 64.0]);
        assert_eq!([8, 10, u32::MAX].map(|n| seconds(n, 0)), [120.0; 3]);
        assert_eq!([0, 6, 8].map(|n| seconds(n, 30)), [30.0, 32.0, 120.0]);
        assert_eq!([300, 9_999].map(|asked| seconds(0, asked)), [300.0, 600.0]);
    }

    #[test]
    fn what_the_api_server_asks_for_is_found_in_every_kind_of_refusal() {
        let refusal = || {
            let mut status = kube::core::Status::failure("busy", "TooManyRequests").with_code(429);
            status.details = Some(kube::core::response::StatusDetails {
                name: String::new(),
                group: String::new(),
                kind: String::new(),
                uid: String::new(),
                causes: Vec::new(),
                retry_after_seconds: 7,
            });
            kube::Error::Api(status.boxed())
        };
        let (verb, what) = ("apply", "Service demo".to_owned());
        let refused = || WriteError::Refused {
            verb,
            what: what.clone(),
            source: refusal(),
        };
        let unread = ObserveError {
            what: "pods".to_owned(),
            source: refusal(),
        };
        for error in [
            Error::Observe(unread),
            Error::Apply(refused()),
            Error::Report(ReportError::Read(refusal())),
            Error::Report(ReportError::Write(refused())),
        ] {
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{error}");
        }
        assert_eq!(Error::TooSlow.retry_after(), None);
    }
}
