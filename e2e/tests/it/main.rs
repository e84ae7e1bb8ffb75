//! The end-to-end tests, a module for each promise.

mod control_plane;
