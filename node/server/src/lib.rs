//! node-server: see the map in README.md.
