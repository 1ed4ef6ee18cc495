//! Durable store-and-forward.
