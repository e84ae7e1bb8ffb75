//! `klusterctl bench`: a load, and what it showed.

mod disk;
mod load;
mod report;

pub use load::run;
