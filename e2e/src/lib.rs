//! e2e: see the map in README.md.
