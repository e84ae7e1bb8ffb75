//! Revisions keep the order of time, over all keys: what was answered before something began has the lower one.

use super::history::{Action, Answer, Operation};

/// Checks it for all writes with an answer, and for what linearizable reads saw.
///
/// # Errors
/// When a later operation has, or saw, an earlier revision than it must.
pub fn check(operations: &[Operation]) -> Result<(), String> {
    let mut done: Vec<(u64, u64)> = Vec::new();
    for operation in operations {
        if let (Some(Answer::Wrote { revision, .. }), Some(returned)) =
            (operation.answer, operation.returned)
        {
            done.push((returned, revision.0));
        }
    }
    done.sort_unstable();
    let mut begun: Vec<&Operation> = operations.iter().filter(|o| o.answer.is_some()).collect();
    begun.sort_by_key(|operation| operation.invoked);
    let (mut highest, mut done) = (0, done.into_iter().peekable());
    for operation in begun {
        while let Some((_, revision)) = done.next_if(|(returned, _)| *returned < operation.invoked)
        {
            highest = highest.max(revision);
        }
        if let (Action::Put(_) | Action::Delete, Some(Answer::Wrote { revision, .. })) =
            (operation.action, operation.answer)
            && revision.0 <= highest
        {
            return Err(format!(
                "revision {highest} was acknowledged before this began: {operation:?}"
            ));
        }
    }
    let mut revisions: Vec<u64> = operations
        .iter()
        .filter_map(|operation| match operation.answer {
            Some(Answer::Wrote { revision, .. }) => Some(revision.0),
            _ => None,
        })
        .collect();
    revisions.sort_unstable();
    match revisions
        .windows(2)
        .find(|pair| pair.first() == pair.last())
    {
        Some(pair) => Err(format!("two writes have the same revision: {pair:?}")),
        None => Ok(()),
    }
}
