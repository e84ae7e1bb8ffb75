//! The chart: its values, its page of conditions, its alerts and its dashboard say what is so.

mod alerts;
mod conditions;
mod page;
mod render;
mod values;
