//! The one place where the environment is read: one immutable configuration, checked before anything starts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// What the operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The one namespace it looks after; all when nothing. (`WATCH_NAMESPACE`)
    pub watch_namespace: Option<String>,
    /// Where `/metrics`, `/livez` and `/readyz` are served; not at all when nothing. (`METRICS_ADDRESS`)
    pub metrics_address: Option<SocketAddr>,
    /// The lease that decides which of several operators acts; nothing when there is only one. (`LEADER_ELECTION`)
    pub lease: Option<LeaseConfig>,
    /// Names this process in leases and events. (`POD_NAME`)
    pub identity: String,
    /// How soon it looks at a Cluster again.
    pub pace: Pace,
}

/// How soon the operator looks at a Cluster again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Changes that come together within this time are looked at once.
    pub debounce: Duration,
    /// First delay after a failure; it doubles with each further one.
    pub retry_min: Duration,
    /// Longest delay after a failure, unless the API server asks for more.
    pub retry_max: Duration,
    /// The most that it may ask for.
    pub asked_max: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            debounce: Duration::from_millis(200),
            retry_min: Duration::from_millis(500),
            retry_max: Duration::from_secs(120),
            asked_max: Duration::from_secs(600),
        }
    }
}

/// The lease that decides which of several operators acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseConfig {
    /// Its namespace. (`POD_NAMESPACE`)
    pub namespace: String,
    /// Its name. (`LEASE_NAME`)
    pub name: String,
    /// How long it lasts unrenewed: no other operator acts before. (`LEASE_SECONDS`)
    pub ttl: Duration,
    /// A holder that could not renew it for so long stops writing; two thirds of `ttl` where nothing is said.
    /// (`LEASE_RENEW_DEADLINE_SECONDS`)
    pub renew_deadline: Duration,
    /// How often it is renewed by who holds it and looked at by who waits for it; a third of `ttl` where nothing is
    /// said. (`LEASE_RETRY_PERIOD_SECONDS`)
    pub retry_period: Duration,
}

impl LeaseConfig {
    /// A lease of this duration, with what is usual of the other times.
    pub fn lasting(ttl: Duration, namespace: &str, name: &str) -> LeaseConfig {
        LeaseConfig {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ttl,
            renew_deadline: ttl * 2 / 3,
            retry_period: ttl / 3,
        }
    }
}

/// A variable of the environment is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("failed to understand {name}={value:?}: expected {expected}")]
pub struct ConfigError {
    name: &'static str,
    value: String,
    expected: &'static str,
}

const METRICS_PORT: u16 = 2112;
const LEASE: Duration = Duration::from_secs(15);
const LOG: &str = "info";

impl Config {
    /// Reads the environment.
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::from_variables(&|name| std::env::var(name).ok())
    }

    /// Reads variables; an empty one counts as absent.
    pub fn from_variables(get: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let get = |name: &'static str| get(name).filter(|value| !value.trim().is_empty());
        let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), METRICS_PORT);
        let metrics_address = match get("METRICS_ADDRESS") {
            None => everywhere,
            Some(value) => value.parse().map_err(|_| ConfigError {
                name: "METRICS_ADDRESS",
                value,
                expected: "an address and a port, such as 0.0.0.0:2112",
            })?,
        };
        Ok(Config {
            watch_namespace: get("WATCH_NAMESPACE"),
            metrics_address: Some(metrics_address),
            lease: lease(&get)?,
            identity: get("POD_NAME")
                .unwrap_or_else(|| format!("kluster-operator-{}", std::process::id())),
            pace: Pace::default(),
        })
    }
}

/// What is logged (`RUST_LOG`): `info` when nothing is asked for, and when the filter cannot be understood, which is
/// then said on stderr.
pub fn log_filter() -> EnvFilter {
    let asked = std::env::var_os("RUST_LOG").unwrap_or_default();
    filter(&asked.to_string_lossy()).unwrap_or_else(|error| {
        eprintln!("kluster-operator: {error}; logging at {LOG}");
        EnvFilter::new(LOG)
    })
}

fn filter(asked: &str) -> Result<EnvFilter, ConfigError> {
    let asked = match asked.trim() {
        "" => LOG,
        asked => asked,
    };
    EnvFilter::try_new(asked).map_err(|_| ConfigError {
        name: "RUST_LOG",
        value: asked.to_owned(),
        expected: "a level or a filter, such as info or info,kube=debug",
    })
}

fn lease(get: &dyn Fn(&'static str) -> Option<String>) -> Result<Option<LeaseConfig>, ConfigError> {
    match get("LEADER_ELECTION").as_deref() {
        None | Some("true") => {}
        Some("false") => return Ok(None),
        Some(other) => {
            return Err(ConfigError {
                name: "LEADER_ELECTION",
                value: other.to_owned(),
                expected: "true or false",
            });
        }
    }
    let ttl = seconds(get, "LEASE_SECONDS", 3..=600)?.unwrap_or(LEASE);
    let namespace = get("POD_NAMESPACE").unwrap_or_else(|| "default".to_owned());
    let name = get("LEASE_NAME").unwrap_or_else(|| "kluster-operator".to_owned());
    let usual = LeaseConfig::lasting(ttl, &namespace, &name);
    let lease = LeaseConfig {
        renew_deadline: seconds(get, "LEASE_RENEW_DEADLINE_SECONDS", 2..=599)?
            .unwrap_or(usual.renew_deadline),
        retry_period: seconds(get, "LEASE_RETRY_PERIOD_SECONDS", 1..=598)?
            .unwrap_or(usual.retry_period),
        ..usual
    };
    if lease.retry_period >= lease.renew_deadline || lease.renew_deadline >= lease.ttl {
        return Err(ConfigError {
            name: "LEASE_SECONDS",
            value: lease.ttl.as_secs().to_string(),
            expected: "more than LEASE_RENEW_DEADLINE_SECONDS, which is more than LEASE_RETRY_PERIOD_SECONDS",
        });
    }
    Ok(Some(lease))
}

fn seconds(
    get: &dyn Fn(&'static str) -> Option<String>,
    name: &'static str,
    within: RangeInclusive<u64>,
) -> Result<Option<Duration>, ConfigError> {
    let Some(value) = get(name) else {
        return Ok(None);
    };
    match value
        .parse()
        .ok()
        .filter(|seconds| within.contains(seconds))
    {
        Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
        None => Err(ConfigError {
            name,
            value,
            expected: "a whole number of seconds, of at most ten minutes and not too few",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::from_variables(&|name| {
            variables
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn an_empty_environment_means_all_namespaces_and_an_election() {
        let config = config(&[("WATCH_NAMESPACE", "")]).unwrap();
        assert_eq!(config.watch_namespace, None);
        assert_eq!(config.lease.unwrap().ttl, Duration::from_secs(15));
        assert_eq!(config.metrics_address.unwrap().port(), 2112);
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (name, value) in [
            ("METRICS_ADDRESS", "here"),
            ("LEASE_SECONDS", "1"),
            ("LEASE_SECONDS", "soon"),
            ("LEASE_RENEW_DEADLINE_SECONDS", "1"),
            ("LEASE_RETRY_PERIOD_SECONDS", "0"),
            ("LEADER_ELECTION", "maybe"),
        ] {
            let error = config(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn the_times_of_the_lease_stand_in_their_order() {
        let lease = |variables: &[(&str, &str)]| config(variables).map(|all| all.lease.unwrap());
        let usual = lease(&[("LEASE_SECONDS", "30")]).unwrap();
        assert_eq!(usual.renew_deadline, Duration::from_secs(20));
        assert_eq!(usual.retry_period, Duration::from_secs(10));
        let told = lease(&[
            ("LEASE_SECONDS", "30"),
            ("LEASE_RENEW_DEADLINE_SECONDS", "25"),
            ("LEASE_RETRY_PERIOD_SECONDS", "2"),
        ]);
        assert_eq!(told.unwrap().retry_period, Duration::from_secs(2));
        for wrong in [
            ("LEASE_RENEW_DEADLINE_SECONDS", "15"),
            ("LEASE_RETRY_PERIOD_SECONDS", "10"),
        ] {
            let error = lease(&[wrong]).unwrap_err().to_string();
            assert!(error.contains(wrong.0), "{error}");
        }
    }

    #[test]
    fn a_filter_that_cannot_be_understood_is_named() {
        for good in ["", "debug", "info,kube=debug"] {
            filter(good).unwrap();
        }
        let error = filter("info,kube=loud").unwrap_err().to_string();
        assert!(
            error.contains("RUST_LOG") && error.contains("kube=loud"),
            "{error}"
        );
    }

    #[test]
    fn one_namespace_and_no_election_can_be_asked_for() {
        let config = config(&[
            ("WATCH_NAMESPACE", "a"),
            ("LEADER_ELECTION", "false"),
            ("POD_NAME", "me"),
        ])
        .unwrap();
        assert_eq!(config.watch_namespace.as_deref(), Some("a"));
        assert_eq!((config.lease, config.identity.as_str()), (None, "me"));
    }
}
