//! node-daemon: see the map in README.md.
