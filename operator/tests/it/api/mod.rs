//! The operator, in this process and with its own ServiceAccount and the chart's rights, against a real API server
//! and real controllers. No kubelet: the tests say themselves what pods and nodes would report.

mod conflicts;
mod drift;
mod guards;
mod idle;
mod lease;
mod manifests;
mod metrics;
mod refusals;
mod rights;
mod stage;
mod undecodable;
