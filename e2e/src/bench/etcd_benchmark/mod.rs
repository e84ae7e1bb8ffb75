//! Figures of etcd's own tool, `benchmark`, which does the same at ours and at etcd.

mod command;
mod measure;
mod report;

pub use measure::measure;
