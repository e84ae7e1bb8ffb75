//! What read and changed nothing shows the keys as of the revision that it says, and none that is older than it must be.

use node_api::etcd::etcdserverpb::request_op::Request;

use super::super::asks::with_revision;
use super::super::model::Doing;
use super::{Bench, Breach, changes, is_local};
use crate::etcd::{Ask, Said};

/// Checks every answer that changed nothing.
pub fn check(bench: &Bench<'_>) -> Result<(), Breach> {
    for operation in bench.evidence.operations {
        let Some(revision) = operation.revision() else {
            continue;
        };
        if !is_local(operation) && revision < bench.floor.before(operation.invoked.0) {
            let seen = format!("{operation:?}");
            return Err(("nobody is shown less than was acknowledged before", seen));
        }
        if revision > bench.history.end() {
            let seen = format!("{operation:?}");
            return Err(("nobody is shown a revision that is none", seen));
        }
        let (Ask::Step(request), Said::Step(answer)) = (&operation.ask, &operation.said) else {
            continue;
        };
        let known = match request {
            Request::RequestRange(range) if range.revision != 0 => range.revision,
            _ => revision,
        };
        let Some(mut doing) = Doing::after(&bench.history, revision)
            .filter(|_| known >= bench.history.base && changes(answer) == 0)
        else {
            continue;
        };
        let expected = with_revision(doing.step(request), revision);
        if expected != *answer || !doing.events.is_empty() {
            let seen = format!("{operation:?}: not {expected:?}");
            return Err(("a read shows its revision", seen));
        }
    }
    Ok(())
}
