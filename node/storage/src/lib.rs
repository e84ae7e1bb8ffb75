//! node-storage: see the map in README.md.
