//! operator: see the map in README.md.
