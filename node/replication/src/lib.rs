//! node-replication: see the map in README.md.
