//! node-api: see the map in README.md.
