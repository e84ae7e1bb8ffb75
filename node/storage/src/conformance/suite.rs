//! What is tested, and how it is run.

use std::sync::Arc;

use super::{content, durability, replacement};
use crate::Storage;

/// A storage under test, with the two things that can happen to it between openings.
pub trait Subject {
    /// A handle to the storage as it is open now.
    fn storage(&self) -> Arc<dyn Storage>;
    /// Closes the storage as a program that ends well does, and opens it again. Handles given out before are dropped first.
    fn reopen(&mut self);
    /// Ends the storage as a power loss at this moment could, and opens what is left. As much of what was not persisted is
    /// lost as the subject can bring about.
    fn crash(&mut self);
}

/// Runs the whole suite; `make` gives a new, empty storage each time.
pub fn check(make: &dyn Fn() -> Box<dyn Subject>) {
    content::check(make);
    durability::check(make);
    replacement::check(make);
}
