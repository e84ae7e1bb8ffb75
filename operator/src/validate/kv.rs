//! What the kv engine is set to.

use crds::{Authentication, AutoCompaction, ClusterSpec, CompactionMode, Tls};

use super::quantity;
use super::spec::Found;

/// Bytes above which a quota says nothing: a number of 64 bits with fractions counts no further one by one.
const QUOTA_BYTES_MAX: f64 = (1_u64 << 53) as f64;

/// Settings of the kv engine, which hold no contradiction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kv {
    /// What keys, values and their history may take.
    pub quota_bytes: Option<u64>,
    /// Which old revisions are given up.
    pub auto_compaction: Option<AutoCompaction>,
    /// TLS for clients of etcd.
    pub tls: Option<Tls>,
    /// Secrets of users and roles.
    pub auth: Option<Authentication>,
}

impl Kv {
    /// The Secrets that it needs, by the field of the spec that names each.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &str)> {
        named(self.tls.as_ref(), self.auth.as_ref())
    }
}

/// The Secrets that a spec names, as it is, by the field that names each.
pub fn named_secrets(spec: &ClusterSpec) -> impl Iterator<Item = (&'static str, &str)> {
    let kv = spec.engines.as_ref().and_then(|all| all.kv.as_ref());
    let tls = kv.and_then(|kv| kv.tls.as_ref());
    named(tls, kv.and_then(|kv| kv.auth.as_ref()))
}

fn named<'a>(
    tls: Option<&'a Tls>,
    auth: Option<&'a Authentication>,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let tls = tls.map(|tls| ("spec.engines.kv.tls.secretName", &*tls.secret_name));
    let auth = auth.map(|auth| ("spec.engines.kv.auth.secretName", &*auth.secret_name));
    tls.into_iter().chain(auth)
}

pub(super) fn validate(spec: &ClusterSpec, found: &mut Found) -> Kv {
    let kv = spec.engines.clone().unwrap_or_default();
    let kv = kv.kv.unwrap_or_default();
    let quota = kv.quota.map(|quota| quantity::parse(&quota.0));
    found.unless(
        quota.is_none_or(|bytes| {
            bytes.is_some_and(|bytes| (1.0..=QUOTA_BYTES_MAX).contains(&bytes))
        }),
        "spec.engines.kv.quota",
        "must be a quantity above zero and at most 8Pi, such as 8Gi",
    );
    if let Some(compaction) = &kv.auto_compaction {
        check_retention(compaction, found);
    }
    let checked = Kv {
        // Within its bounds, as was just seen.
        quota_bytes: quota.flatten().map(|bytes| bytes as u64),
        auto_compaction: kv.auto_compaction,
        tls: kv.tls,
        auth: kv.auth,
    };
    for (field, name) in checked.secrets() {
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        found.unless(
            !name.is_empty() && name.len() <= 253 && name.bytes().all(letters),
            field,
            "must be the name of a Secret: lower-case letters, digits, '-' and '.'",
        );
    }
    checked
}

/// It goes into the config file as it is.
fn check_retention(compaction: &AutoCompaction, found: &mut Found) {
    let AutoCompaction { mode, retention } = compaction;
    let (number, digits_max, rule) = match mode {
        CompactionMode::Periodic => (
            retention.strip_suffix(['h', 'm', 's']).unwrap_or_default(),
            6,
            "must be a time such as 1h, 30m or 90s, since mode is Periodic",
        ),
        CompactionMode::Revision => (
            &**retention,
            15,
            "must be a number of revisions such as 1000, since mode is Revision",
        ),
    };
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    found.unless(
        digits && (1..=digits_max).contains(&number.len()) && !number.starts_with('0'),
        "spec.engines.kv.autoCompaction.retention",
        rule,
    );
}
