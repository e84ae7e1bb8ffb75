//! node-agent: see the map in README.md.
