//! What happened in a run, as lines of text: two runs of a seed are compared by it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The lines of one world. Clones write to the same lines.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    /// Notes what happened at this age of the world.
    pub fn note(&self, age: Duration, what: impl AsRef<str>) {
        let line = format!("{:>8} ms {}", age.as_millis(), what.as_ref());
        self.0
            .lock()
            .expect("invariant: nobody panics while noting")
            .push(line);
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .expect("invariant: nobody panics while noting")
            .clone()
    }
}
