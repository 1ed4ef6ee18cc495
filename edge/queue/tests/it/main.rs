//! The queue as its users see it, on a real disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's broken assumption must stop it"
)]

mod known_errors;
mod model;
mod threads;

use std::path::Path;

use barefoot_queue::{Config, Queue, Record};

fn open(directory: &Path) -> Queue {
    Queue::open(directory, Config::default()).unwrap()
}

fn all(queue: &Queue) -> Vec<Record> {
    queue.pending(usize::MAX, |_| false).unwrap()
}
