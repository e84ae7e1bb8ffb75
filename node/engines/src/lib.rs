//! node-engines: see the map in README.md.
