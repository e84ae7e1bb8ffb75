//! Appends on their way to one member, and their answers.

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{Stream, StreamExt};
use openraft::alias::LogIdOf;
use openraft::errors::RPCError;
use openraft::raft::StreamAppendResult;

use crate::raft::config::C;

/// What comes of one append.
pub type Answer = Result<StreamAppendResult<C>, RPCError<C>>;

/// Starts the calls that `input` makes, so many at a time, and gives their answers in this order. With each call comes the
/// last entry that the member has when it succeeds.
///
/// openraft tells from an answer's entry alone which requests it answers, and takes it that the member followed this
/// leader when the last of them was sent. A request without entries ends where the one before it does: the answer to that
/// one would vouch for both, and a leader that stood still could confirm a read with what a member said before it
/// followed another. Of calls that end alike, all on their way, only the last one's success is told therefore.
pub fn answers<F: Future<Output = Answer>>(
    input: impl Stream<Item = (Option<LogIdOf<C>>, F)>,
    depth: usize,
) -> impl Stream<Item = Answer> {
    let mut newest: Option<(Option<LogIdOf<C>>, Arc<AtomicBool>)> = None;
    input
        .map(move |(end, call)| {
            let repeated = Arc::new(AtomicBool::new(false));
            if let Some((_, before)) = newest.take_if(|(before, _)| *before == end) {
                before.store(true, Ordering::Relaxed);
            }
            newest = Some((end, repeated.clone()));
            async move { (repeated, call.await) }
        })
        .buffered(depth)
        .filter_map(|(repeated, answer)| {
            let untold = matches!(answer, Ok(Ok(_))) && repeated.load(Ordering::Relaxed);
            ready((!untold).then_some(answer))
        })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::stream;
    use openraft::raft::StreamAppendError;
    use tokio::sync::oneshot;

    use super::*;
    use crate::ids::LogId;
    use crate::raft::convert;

    fn end(index: u64) -> Option<LogIdOf<C>> {
        let (term, leader) = (3, 7);
        Some(convert::raft_log_id(LogId {
            term,
            leader,
            index,
        }))
    }

    /// Calls that end at these entries, all on their way; what answers each; and the answers.
    fn on_their_way<const N: usize>(
        ends: [u64; N],
    ) -> (
        [oneshot::Sender<Answer>; N],
        impl Stream<Item = Answer> + Unpin,
    ) {
        let channels = ends.map(|index| (end(index), oneshot::channel()));
        let calls = channels.map(|(end, (member, call))| {
            let call = call.map(|answer| answer.expect("the test answers each call"));
            (member, (end, call))
        });
        let mut members = Vec::new();
        let calls = calls.map(|(member, call)| {
            members.push(member);
            call
        });
        let members = members.try_into().expect("one of each");
        (members, Box::pin(answers(stream::iter(calls), N)))
    }

    /// The entry of the next answer, where there is one now.
    fn told(answers: &mut (impl Stream<Item = Answer> + Unpin)) -> Option<Option<LogIdOf<C>>> {
        let answer = answers.next().now_or_never()?.expect("not at its end");
        Some(answer.expect("answered").expect("a success"))
    }

    #[test]
    fn a_success_does_not_vouch_for_a_later_call_with_the_same_end() {
        let ([entries, commit], mut answers) = on_their_way([5, 5]);
        assert_eq!(told(&mut answers), None);
        entries.send(Ok(Ok(end(5)))).unwrap();
        assert_eq!(told(&mut answers), None);
        commit.send(Ok(Ok(end(5)))).unwrap();
        assert_eq!(told(&mut answers), Some(end(5)));
        assert!(answers.next().now_or_never().unwrap().is_none());
    }

    #[test]
    fn a_success_waits_for_no_call_with_another_end() {
        let ([first, second], mut answers) = on_their_way([5, 6]);
        first.send(Ok(Ok(end(5)))).unwrap();
        assert_eq!(told(&mut answers), Some(end(5)));
        assert_eq!(told(&mut answers), None);
        second.send(Ok(Ok(end(6)))).unwrap();
        assert_eq!(told(&mut answers), Some(end(6)));
    }

    #[test]
    fn a_refusal_is_told_at_once() {
        let ([entries, _commit], mut answers) = on_their_way([5, 5]);
        let refusal = Ok(Err(StreamAppendError::Conflict(end(4).unwrap())));
        entries.send(refusal).unwrap();
        let answer = answers.next().now_or_never().unwrap().unwrap();
        assert!(matches!(answer, Ok(Err(_))), "{answer:?}");
    }
}
