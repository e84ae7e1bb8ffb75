//! node-sim: see the map in README.md.
