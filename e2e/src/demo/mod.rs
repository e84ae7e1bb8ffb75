//! `make demo`: the main job from an empty machine to five nodes, shown step by step.
//!
//! It uses the commands a person would use (`helm`, `kubectl`, `klusterctl`) and leaves the cluster running.

mod screen;
mod steps;

pub use steps::run;
