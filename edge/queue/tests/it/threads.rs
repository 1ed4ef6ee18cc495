//! Many users of one queue.

use std::collections::HashMap;
use std::thread;

use barefoot_queue::Lane;

use crate::{all, open};

#[test]
fn eight_threads_append_and_each_keeps_its_order() {
    const THREADS: usize = 8;
    const EACH: usize = 40;
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path());
    thread::scope(|scope| {
        for number in 0..THREADS {
            let queue = queue.clone();
            scope.spawn(move || {
                let mut last = 0;
                for step in 0..EACH {
                    let id = format!("{number}-{step:03}");
                    let sequence = queue.append(Lane::Results, &id, id.as_bytes(), 1).unwrap();
                    assert!(last < sequence);
                    last = sequence;
                }
            });
        }
    });
    let written = all(&queue);
    drop(queue);
    assert_eq!(all(&open(directory.path())), written);

    let mut per_thread: HashMap<String, Vec<String>> = HashMap::new();
    for record in written {
        assert_eq!(record.payload, record.id.as_bytes());
        let (thread, step) = record.id.split_once('-').unwrap();
        per_thread
            .entry(thread.to_owned())
            .or_default()
            .push(step.to_owned());
    }
    assert_eq!(per_thread.len(), THREADS);
    for steps in per_thread.values() {
        assert_eq!(steps.len(), EACH);
        assert!(steps.is_sorted());
    }
}

#[test]
fn readers_meet_only_whole_records_while_others_write() {
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path());
    thread::scope(|scope| {
        let writer = scope.spawn({
            let queue = queue.clone();
            move || {
                for step in 0..120u8 {
                    let id = step.to_string();
                    queue.append(Lane::Images, &id, &vec![step; 30_000], 1).unwrap();
                    if step % 2 == 0 {
                        assert!(queue.receipt(&id).unwrap());
                    }
                }
            }
        });
        while !writer.is_finished() {
            for record in all(&queue) {
                let step: u8 = record.id.parse().unwrap();
                assert_eq!(record.payload, vec![step; 30_000]);
            }
        }
    });
    assert!(queue.damage().is_none(), "{:?}", queue.damage());
    assert_eq!(queue.depth().of(Lane::Images), 60);
}

#[test]
fn whoever_waits_for_records_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path());
    let mut changed = queue.changed();
    assert!(!changed.has_changed().unwrap());
    let sequence = queue.append(Lane::Critical, "a", b"x", 1).unwrap();
    assert!(changed.has_changed().unwrap());
    assert_eq!(*changed.borrow_and_update(), sequence);
    queue.append(Lane::Critical, "a", b"x", 1).unwrap();
    queue.receipt("a").unwrap();
    assert!(!changed.has_changed().unwrap(), "nothing new to send");
    drop(queue);
    assert!(changed.has_changed().is_err(), "the queue is closed");
}
