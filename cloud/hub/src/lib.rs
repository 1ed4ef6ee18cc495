//! The regional hub.
