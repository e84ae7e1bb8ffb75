//! What an operator costs that looks after many Clusters at rest, on a real API server. The nodes are played: their
//! pods are objects that no kubelet runs, and their reports are patched at the pace of real agents.

mod measure;
mod operator;
mod play;

pub use measure::measure;
