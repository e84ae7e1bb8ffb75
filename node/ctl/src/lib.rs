//! node-ctl: see the map in README.md.
