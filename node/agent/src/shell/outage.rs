//! Failures of the API server in the log: one line when it goes away, one when it is back with the number of calls that
//! failed in between, and one for each thing that it refuses.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shared by everything that speaks to the API server.
#[derive(Debug, Default)]
pub struct Outage {
    failures: AtomicU64,
    /// What is refused, and why; keyed by what the agent does there, which are few.
    refusals: Mutex<BTreeMap<String, String>>,
}

/// What a failed call says about the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It is there and says no.
    Refused,
    /// A watch was too slow for its history and begins anew.
    Expired,
    /// It is away, or too busy.
    Away,
}

impl Outage {
    /// A call failed.
    pub fn failed(&self, what: &str, error: &(dyn Error + 'static)) {
        match meaning(error) {
            Meaning::Expired => {}
            Meaning::Refused => {
                let reason = chain(error);
                if self.refusals().insert(what.to_owned(), reason.clone()) != Some(reason.clone()) {
                    tracing::warn!(what, reason, "the API server refuses");
                }
            }
            Meaning::Away => {
                if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
                    let reason = chain(error);
                    tracing::warn!(
                        what,
                        reason,
                        "the API server cannot be used; the node goes on without it"
                    );
                }
            }
        }
    }

    /// A call was answered.
    pub fn answered(&self, what: &str) {
        let failures = self.failures.swap(0, Ordering::Relaxed);
        if failures > 0 {
            tracing::info!(failures, "the API server answers again");
        }
        if self.refusals().remove(what).is_some() {
            tracing::info!(what, "the API server refuses no more");
        }
    }

    fn refusals(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn meaning(error: &(dyn Error + 'static)) -> Meaning {
    let code = causes(error).find_map(|cause| {
        let api = match cause.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        };
        api.or_else(|| Some(cause.downcast_ref::<kube::core::Status>()?.code))
    });
    match code {
        Some(410) => Meaning::Expired,
        Some(408 | 429) | None => Meaning::Away,
        Some(400..500) => Meaning::Refused,
        Some(_) => Meaning::Away,
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error with all its causes, on one line; a cause that its effect quotes already is not said twice.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error).map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::runtime::watcher;

    use super::*;

    fn answer(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(Status::failure("no", "Reason").with_code(code)))
    }

    #[test]
    fn a_refusal_is_no_outage() {
        for (code, expected) in [
            (403, Meaning::Refused),
            (404, Meaning::Refused),
            (422, Meaning::Refused),
            (410, Meaning::Expired),
            (429, Meaning::Away),
            (500, Meaning::Away),
            (503, Meaning::Away),
        ] {
            assert_eq!(meaning(&answer(code)), expected, "{code}");
            let nested = watcher::Error::WatchStartFailed(answer(code));
            assert_eq!(meaning(&nested), expected, "{code} in a watch");
        }
        assert_eq!(
            meaning(&std::io::Error::other("connection refused")),
            Meaning::Away
        );
    }

    #[test]
    fn a_cause_that_is_quoted_is_not_said_twice() {
        let error = watcher::Error::WatchStartFailed(kube::Error::Service("gone".into()));
        let text = chain(&error);
        assert_eq!(text.matches("gone").count(), 1, "{text}");
    }
}
