//! node-disk: see the map in README.md.
