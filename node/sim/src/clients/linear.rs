//! Linearizability of each key, by the search of Wing and Gong with Lowe's memory of what was tried ("Testing for
//! linearizability", 2017): could these operations have been done one after the other, each between its beginning and
//! its end, with these answers? What has an unknown outcome may have been done at any time after its beginning, or never.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::history::{Action, Answer, Operation};

/// Steps after which the search of one key gives up.
const STEPS_MAX: usize = 20_000_000;

/// Why a history is not linearizable, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotLinearizable {
    /// No order explains the answers.
    Key {
        /// The key.
        key: u64,
        /// Its operations.
        operations: String,
    },
    /// The search was given up.
    Undecided {
        /// The key.
        key: u64,
    },
}

impl fmt::Display for NotLinearizable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotLinearizable::Key { key, operations } => write!(
                f,
                "no order explains the answers about key {key}:\n{operations}"
            ),
            NotLinearizable::Undecided { key } => write!(f, "key {key} took too long to judge"),
        }
    }
}

/// Checks each key by itself.
///
/// # Errors
/// With the first key whose answers no order explains.
pub fn check(operations: &[Operation]) -> Result<(), NotLinearizable> {
    let mut keys: BTreeMap<u64, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        let says_nothing = match operation.answer {
            Some(Answer::Refused) => true,
            Some(Answer::Unknown) | None => !operation.writes(),
            Some(_) => false,
        };
        if !says_nothing {
            keys.entry(operation.key).or_default().push(operation);
        }
    }
    for (key, operations) in keys {
        match Search::new(&operations).run() {
            Some(true) => {}
            Some(false) => {
                let lines: Vec<String> = operations.iter().map(|o| format!("{o:?}")).collect();
                let operations = lines.join("\n");
                return Err(NotLinearizable::Key { key, operations });
            }
            None => return Err(NotLinearizable::Undecided { key }),
        }
    }
    Ok(())
}

/// What a key holds.
type State = Option<u64>;

/// The state after the operation, if its answer fits the state before.
fn step(operation: &Operation, state: State) -> Option<State> {
    let fits = |existed: Option<bool>| existed.is_none_or(|existed| existed == state.is_some());
    match (operation.action, operation.answer) {
        (Action::Put(value), Some(Answer::Wrote { existed, .. })) => {
            fits(existed).then_some(Some(value))
        }
        (Action::Put(value), _) => Some(Some(value)),
        (Action::Delete, Some(Answer::Wrote { existed, .. })) => fits(existed).then_some(None),
        (Action::Delete, Some(Answer::Read(_))) => state.is_none().then_some(None),
        (Action::Delete, _) => Some(None),
        (Action::Get, Some(Answer::Read(read))) => {
            (read.map(|(value, _)| value) == state).then_some(state)
        }
        (Action::Get, _) => Some(state),
    }
}

/// A beginning or an end, as a link in the list of those that are not yet ordered.
#[derive(Clone, Copy)]
struct Event {
    operation: usize,
    begins: bool,
    previous: usize,
    next: usize,
}

struct Search<'a> {
    operations: &'a [&'a Operation],
    /// Events in order of time, behind a head at 0.
    events: Vec<Event>,
    /// The event at which each operation ends.
    ends: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(operations: &'a [&'a Operation]) -> Search<'a> {
        let mut moments = Vec::with_capacity(2 * operations.len());
        for (number, operation) in operations.iter().enumerate() {
            moments.push((operation.invoked, number, true));
            let known = operation.answer != Some(Answer::Unknown);
            let end = operation.returned.filter(|_| known);
            moments.push((end.unwrap_or(u64::MAX), number, false));
        }
        moments.sort_unstable();
        let mut ends = vec![0; operations.len()];
        let mut events = vec![Event {
            operation: usize::MAX,
            begins: false,
            previous: 0,
            next: 1,
        }];
        for (_, operation, begins) in moments {
            let here = events.len();
            events.push(Event {
                operation,
                begins,
                previous: here - 1,
                next: here + 1,
            });
            if let Some(end) = ends.get_mut(operation).filter(|_| !begins) {
                *end = here;
            }
        }
        Search {
            operations,
            events,
            ends,
        }
    }

    /// Whether there is an order; nothing when the search was given up.
    fn run(mut self) -> Option<bool> {
        let end = self.events.len();
        let mut done = vec![0_u64; self.operations.len().div_ceil(64)];
        let mut tried = HashSet::new();
        let mut chosen: Vec<(usize, State)> = Vec::new();
        let mut state: State = None;
        let mut at = self.event(0).next;
        for _ in 0..STEPS_MAX {
            if self.event(0).next == end {
                return Some(true);
            }
            // Only what is unknown is left: it may never have been done.
            let event = self.event(at);
            if event.begins {
                let operation = self.operations.get(event.operation)?;
                let next = step(operation, state).filter(|next| {
                    flip(&mut done, event.operation);
                    let new = tried.insert((done.clone(), *next));
                    if !new {
                        flip(&mut done, event.operation);
                    }
                    new
                });
                match next {
                    Some(next) => {
                        chosen.push((at, state));
                        state = next;
                        self.lift(at);
                        at = self.event(0).next;
                    }
                    None => at = event.next,
                }
                continue;
            }
            if self.is_open(event.operation) {
                return Some(true);
            }
            // Its end is reached and it has no place: what was chosen last was wrong.
            let Some((last, before)) = chosen.pop() else {
                return Some(false);
            };
            state = before;
            flip(&mut done, self.event(last).operation);
            self.put_back(last);
            at = self.event(last).next;
        }
        None
    }

    fn is_open(&self, operation: usize) -> bool {
        let operation = self.operations.get(operation);
        operation.is_some_and(|o| matches!(o.answer, None | Some(Answer::Unknown)))
    }

    fn event(&self, at: usize) -> Event {
        *self
            .events
            .get(at)
            .expect("invariant: a link leads to an event")
    }

    fn link(&mut self, before: usize, after: usize) {
        if let Some(event) = self.events.get_mut(before) {
            event.next = after;
        }
        if let Some(event) = self.events.get_mut(after) {
            event.previous = before;
        }
    }

    fn end_of(&self, at: usize) -> usize {
        let end = self.ends.get(self.event(at).operation);
        *end.expect("invariant: every operation has an end")
    }

    /// Takes an operation's beginning and end out of the list.
    fn lift(&mut self, begins: usize) {
        for at in [begins, self.end_of(begins)] {
            let event = self.event(at);
            self.link(event.previous, event.next);
        }
    }

    /// Puts them back.
    fn put_back(&mut self, begins: usize) {
        for at in [self.end_of(begins), begins] {
            let event = self.event(at);
            self.link(event.previous, at);
            self.link(at, event.next);
        }
    }
}

fn flip(bits: &mut [u64], at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word ^= 1 << (at % 64);
    }
}

#[cfg(test)]
mod tests {
    use node_engines::kv::Revision;

    use super::*;

    fn operation(action: Action, invoked: u64, returned: u64, answer: Answer) -> Operation {
        Operation {
            key: 1,
            action,
            has_request: false,
            invoked,
            returned: Some(returned),
            answer: Some(answer),
        }
    }

    fn put(value: u64, invoked: u64, returned: u64, existed: bool) -> Operation {
        let revision = Revision(value);
        let answer = Answer::Wrote {
            revision,
            existed: Some(existed),
        };
        operation(Action::Put(value), invoked, returned, answer)
    }

    fn get(value: Option<u64>, invoked: u64, returned: u64) -> Operation {
        let read = value.map(|value| (value, Revision(value)));
        operation(Action::Get, invoked, returned, Answer::Read(read))
    }

    fn unknown(value: u64, invoked: u64) -> Operation {
        operation(Action::Put(value), invoked, invoked + 1, Answer::Unknown)
    }

    fn holds(operations: &[Operation]) -> bool {
        check(operations).is_ok()
    }

    #[test]
    fn one_after_the_other() {
        assert!(holds(&[
            put(1, 1, 2, false),
            get(Some(1), 3, 4),
            put(2, 5, 6, true)
        ]));
        assert!(!holds(&[put(1, 1, 2, false), get(None, 3, 4)]));
        assert!(!holds(&[put(1, 1, 2, true)]), "nothing existed before");
    }

    #[test]
    fn at_the_same_time_either_order_will_do_but_only_one() {
        let both = [put(1, 1, 10, false), get(None, 2, 3), get(Some(1), 4, 5)];
        assert!(holds(&both));
        let back = [put(1, 1, 10, false), get(Some(1), 2, 3), get(None, 4, 5)];
        assert!(!holds(&back), "seen, and then not");
    }

    #[test]
    fn an_unknown_outcome_may_come_late_or_never_and_not_twice() {
        let late = [unknown(1, 1), get(None, 5, 6), get(Some(1), 7, 8)];
        assert!(holds(&late));
        assert!(holds(&[unknown(1, 1), get(None, 5, 6)]));
        let twice = [
            unknown(1, 1),
            get(Some(1), 3, 4),
            put(2, 5, 6, true),
            get(Some(1), 7, 8),
        ];
        assert!(!holds(&twice));
    }

    #[test]
    fn a_refused_write_was_never_done_and_keys_do_not_meet() {
        let refused = operation(Action::Put(1), 1, 2, Answer::Refused);
        assert!(!holds(&[refused, get(Some(1), 3, 4)]));
        let mut other = get(None, 3, 4);
        other.key = 2;
        assert!(holds(&[put(1, 1, 2, false), other]));
    }

    /// Against all orders, tried one by one.
    #[test]
    fn it_agrees_with_trying_every_order() {
        let mut draw = 88_172_645_463_325_252_u64;
        let mut below = |end: u64| {
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            draw % end
        };
        let mut verdicts = [0, 0];
        for _ in 0..3000 {
            let operations: Vec<Operation> = (0..6)
                .map(|n| {
                    let (invoked, value) = (10 * below(6) + n, 1 + below(3));
                    let returned = invoked + 1 + 10 * below(3);
                    match below(5) {
                        0 | 1 => get(Some(value).filter(|_| below(3) > 0), invoked, returned),
                        2 => unknown(value, invoked),
                        _ => put(value, invoked, returned, below(2) == 0),
                    }
                })
                .collect();
            let all: Vec<&Operation> = operations.iter().collect();
            let expected = some_order(&all, None);
            assert_eq!(holds(&operations), expected, "{operations:#?}");
            verdicts[usize::from(expected)] += 1;
        }
        assert!(verdicts.iter().all(|count| *count > 100), "{verdicts:?}");
    }

    fn some_order(left: &[&Operation], state: State) -> bool {
        let open = |o: &&Operation| o.answer == Some(Answer::Unknown);
        if left.iter().all(open) {
            return true;
        }
        let ends = left.iter().filter(|o| !open(o)).filter_map(|o| o.returned);
        let first_end = ends.min().unwrap_or(u64::MAX);
        (0..left.len()).any(|n| {
            let Some(next) = step(left[n], state).filter(|_| left[n].invoked < first_end) else {
                return false;
            };
            let mut rest = left.to_vec();
            rest.remove(n);
            some_order(&rest, next)
        })
    }
}
