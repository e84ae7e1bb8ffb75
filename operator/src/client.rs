//! The operator's client of the API server.

use std::time::Duration;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const WRITE_MAX: Duration = Duration::from_secs(10);

/// A client that is [`bounded`].
pub fn client(access: kube::Config) -> Result<kube::Client, kube::Error> {
    kube::Client::try_from(bounded(access))
}

/// Bounds what a client does with `access`, for who builds one of more layers: it fails soon and repeats nothing by
/// itself (one call could then sleep for minutes, and a lost lease must end every write), since a reconcile that
/// failed is repeated as a whole, with a growing delay.
pub fn bounded(mut access: kube::Config) -> kube::Config {
    access.default_retry = false;
    access.connect_timeout = Some(CONNECT_MAX);
    access.write_timeout = Some(WRITE_MAX);
    access
}
