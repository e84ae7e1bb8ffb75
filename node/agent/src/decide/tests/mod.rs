//! The promises of [`decide`](super::decide): golden cases of wishes, and tables of reports.

mod fixture;
mod golden;
mod reports;
