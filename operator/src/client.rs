//! The operator's client of the API server.

use std::time::Duration;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const WRITE_MAX: Duration = Duration::from_secs(10);

/// A client that fails soon: it repeats nothing by itself (one call could then sleep for minutes, and a lost lease
/// must end every write), since a reconcile that failed is repeated as a whole, with a growing delay.
pub fn client(mut access: kube::Config) -> Result<kube::Client, kube::Error> {
    access.default_retry = false;
    access.connect_timeout = Some(CONNECT_MAX);
    access.write_timeout = Some(WRITE_MAX);
    kube::Client::try_from(access)
}
