//! crds: see the map in README.md.
