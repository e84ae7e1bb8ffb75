//! `klusterctl soak`: a writer that never stops, and at its end the proof that nothing acknowledged was lost.

mod check;
mod run;
mod writer;

pub use run::run;
