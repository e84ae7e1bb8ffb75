//! `klusterctl bench`: a load, and what it showed.

mod disk;
mod load;
mod report;
mod stream;

pub use load::run;
