//! The queue as its users see it, on a real disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's broken assumption must stop it"
)]

mod budgets;
mod index;
mod known_errors;
mod model;
mod refusals;
mod threads;
mod turns;

use std::path::Path;

use barefoot_queue::{Config, Queue, Record};

fn open(directory: &Path) -> Queue {
    Queue::open(directory, Config::default()).unwrap()
}

fn all(queue: &Queue) -> Vec<Record> {
    queue.pending(usize::MAX, |_| false).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
