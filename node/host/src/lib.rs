//! node-host: see the map in README.md.
