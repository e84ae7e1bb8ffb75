//! Every operation of every client: what was asked, when, and what came of it.

use std::sync::{Arc, Mutex, MutexGuard};

use node_engines::kv::Revision;

/// What a client asks of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sets a value that nobody else ever sets.
    Put(u64),
    /// Removes the key.
    Delete,
    /// Reads, linearizable.
    Get,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The write was done.
    Wrote {
        /// Its revision.
        revision: Revision,
        /// Whether the key had a value before, where that is told.
        existed: Option<bool>,
    },
    /// What the key held; of a deletion, that there was nothing to delete.
    Read(Option<(u64, Revision)>),
    /// Surely nothing.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// One operation. Moments are numbers in the order in which things happened in the world.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The key.
    pub key: u64,
    /// What was asked.
    pub action: Action,
    /// Whether it carried a request id, so that it could be repeated.
    pub has_request: bool,
    /// When it was asked first.
    pub invoked: u64,
    /// When it was answered for good.
    pub returned: Option<u64>,
    /// The answer; nothing while it is under way.
    pub answer: Option<Answer>,
}

impl Operation {
    /// Whether it writes.
    pub fn writes(&self) -> bool {
        self.action != Action::Get
    }
}

/// All operations of a world. Clones are the same history.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    moment: u64,
    operations: Vec<Operation>,
    broken: Vec<String>,
    acknowledged_index: u64,
    repeated: u64,
}

impl History {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0
            .lock()
            .expect("invariant: nobody panics while noting")
    }

    /// The next moment.
    pub fn moment(&self) -> u64 {
        let mut inner = self.inner();
        inner.moment += 1;
        inner.moment
    }

    /// Notes an operation that begins; gives its number.
    pub fn begin(&self, key: u64, action: Action, has_request: bool) -> usize {
        let invoked = self.moment();
        let mut inner = self.inner();
        inner.operations.push(Operation {
            key,
            action,
            has_request,
            invoked,
            returned: None,
            answer: None,
        });
        inner.operations.len() - 1
    }

    /// Notes the answer for good, which came at `moment`.
    pub fn end(&self, number: usize, moment: u64, answer: Answer) {
        let mut inner = self.inner();
        if let Some(operation) = inner.operations.get_mut(number) {
            operation.returned = Some(moment);
            operation.answer = Some(answer);
        }
    }

    /// Notes a promise that a client itself saw broken.
    pub fn note_broken(&self, what: String) {
        self.inner().broken.push(what);
    }

    /// Promises that clients saw broken.
    pub fn broken(&self) -> Vec<String> {
        self.inner().broken.clone()
    }

    /// Notes that an entry of this index was acknowledged.
    pub fn acknowledge(&self, index: u64) {
        let mut inner = self.inner();
        inner.acknowledged_index = inner.acknowledged_index.max(index);
    }

    /// The highest index that was acknowledged to anybody.
    pub fn acknowledged_index(&self) -> u64 {
        self.inner().acknowledged_index
    }

    /// Notes that a request was sent once more.
    pub fn note_repeated(&self) {
        self.inner().repeated += 1;
    }

    /// How often a request was sent once more.
    pub fn repeated(&self) -> u64 {
        self.inner().repeated
    }

    /// Every operation so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.inner().operations.clone()
    }
}
