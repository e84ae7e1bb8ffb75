//! Downgrades: the cluster's version is that of the API that its nodes serve, and nothing lowers it. So no target is valid, and
//! none is ever under way. To go back to an older program is a matter of whoever administers the cluster.

use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::DowngradeRequest;
use node_api::etcd::etcdserverpb::downgrade_request::DowngradeAction;

/// The cluster's version, as answers to this show it.
const VERSION: &str = "3.7";

/// The cluster's version, where there is nothing to refuse: etcd too ends a downgrade that there is not without a word.
pub fn answer(request: &DowngradeRequest) -> Result<&'static str, Error> {
    match DowngradeAction::try_from(request.action) {
        Ok(DowngradeAction::Validate | DowngradeAction::Enable) => {
            match is_version(&request.version) {
                true => Err(Error::InvalidDowngradeTargetVersion),
                false => Err(Error::WrongDowngradeVersionFormat),
            }
        }
        Ok(DowngradeAction::Cancel) => Ok(VERSION),
        Err(_) => Err(Error::UnknownMethod),
    }
}

/// Whether it is a version of three numbers, of which the last may be missing. What follows a `-` or a `+` is not looked at.
fn is_version(text: &str) -> bool {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = numbers.split('.').collect();
    matches!(parts.len(), 2 | 3) && parts.iter().all(|part| part.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(action: i32, version: &str) -> Result<&'static str, Error> {
        let version = version.to_owned();
        answer(&DowngradeRequest { action, version })
    }

    #[test]
    fn no_target_is_valid_and_nothing_is_under_way() {
        for action in [0, 1] {
            for version in ["3.6", "3.6.0", "3.7", "3.8.1-rc.0+x", "2.3"] {
                let refused = answered(action, version);
                assert_eq!(
                    refused,
                    Err(Error::InvalidDowngradeTargetVersion),
                    "{version}"
                );
            }
            for version in ["", "3", "x", "3.x", "3.6.0.0", "-3.6"] {
                let refused = answered(action, version);
                assert_eq!(
                    refused,
                    Err(Error::WrongDowngradeVersionFormat),
                    "{version}"
                );
            }
        }
        assert_eq!(answered(2, ""), Ok("3.7"));
        assert_eq!(answered(3, "3.6"), Err(Error::UnknownMethod));
    }
}
