//! The disk holds what is pending and little more.

use std::time::{Duration, Instant};

use super::{Bench, ids};
use crate::disk::memory::SEGMENT_BYTES;
use crate::{Lane, Queue};

/// Live entries, a twentieth of dead ones, two segments, and the room of the one that is written to.
fn bound(queue: &Queue) -> u64 {
    let live = queue.depth().pending_bytes + queue.depth().pending * 100;
    live + live / 20 + 3 * SEGMENT_BYTES
}

fn wait_for_bound(bench: &Bench, queue: &Queue) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while bound(queue) < bench.disk.used() {
        assert!(
            Instant::now() < deadline,
            "{} bytes on disk, {} allowed",
            bench.disk.used(),
            bound(queue)
        );
        std::thread::yield_now();
    }
}

fn put(queue: &Queue, from: usize, to: usize) {
    for number in from..to {
        let payload = vec![number as u8; 300];
        queue
            .append(Lane::Results, &number.to_string(), &payload, 1)
            .unwrap();
    }
}

#[test]
fn a_drained_backlog_gives_its_room_back() {
    let bench = Bench::new();
    let queue = bench.open();
    put(&queue, 0, 600);
    assert!(200_000 < bench.disk.used());
    for number in 0..600 {
        assert!(queue.receipt(&number.to_string()).unwrap());
    }
    wait_for_bound(&bench, &queue);
    assert!(bench.disk.used() <= 3 * SEGMENT_BYTES);
}

#[test]
fn old_records_among_dead_ones_do_not_hold_the_room() {
    let bench = Bench::new();
    let queue = bench.open();
    put(&queue, 0, 600);
    // One in ten stays, spread over all segments.
    for number in (0..600).filter(|number| number % 10 != 0) {
        assert!(queue.receipt(&number.to_string()).unwrap());
    }
    wait_for_bound(&bench, &queue);
    let left: Vec<_> = (0..600).step_by(10).map(|number| number.to_string()).collect();
    assert_eq!(ids(&queue), left, "moved, and still in their order");
    drop(queue);
    let queue = bench.open();
    assert!(queue.damage().is_none());
    assert_eq!(ids(&queue), left);
}

#[test]
fn what_is_moved_keeps_its_state() {
    let mut bench = Bench::new();
    bench.config.refusals = 2;
    let queue = bench.open();
    queue.append(Lane::Results, "aside", b"x", 1).unwrap();
    queue.set_aside("aside", "why").unwrap();
    queue.append(Lane::Results, "refused", b"x", 1).unwrap();
    queue.refused("refused", "once", 5).unwrap();
    for round in 0..40 {
        put(&queue, 100 * round, 100 * round + 20);
        for number in 100 * round..100 * round + 20 {
            queue.receipt(&number.to_string()).unwrap();
        }
    }
    wait_for_bound(&bench, &queue);
    assert!(1 < bench.disk.segments_removed(), "the first segments are gone");
    drop(queue);
    let queue = bench.open();
    let aside = queue.set_aside_records(9).unwrap();
    assert_eq!((aside.len(), aside[0].reason.as_str()), (1, "why"));
    assert_eq!(ids(&queue), ["refused"]);
    assert_eq!(
        queue.refused("refused", "twice", 6).unwrap(),
        crate::Refused::SetAside
    );
    let aside = queue.set_aside_records(9).unwrap();
    assert_eq!((aside[1].reason.as_str(), aside[1].refusals), ("twice", 2));
    assert_eq!(aside[1].refused_at_ms, Some(6));
    assert!(queue.try_again("refused").unwrap());
    assert_eq!(ids(&queue), ["refused"]);
    assert_eq!(
        queue.refused("refused", "anew", 7).unwrap(),
        crate::Refused::Waits { refusals: 1 }
    );
}

/// One step moves less than the oldest segment holds.
#[test]
fn a_queue_at_rest_comes_to_its_bound_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), crate::Config::default()).unwrap();
    let payload = vec![3; 60_000];
    let id = |number: usize| number.to_string();
    for number in 0..600 {
        queue.append(Lane::Results, &id(number), &payload, 1).unwrap();
    }
    // The oldest segments stay full, the others go but for their first record.
    let gone: Vec<String> = (140..600).filter(|number| number % 60 != 0).map(id).collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    queue.receipts(&gone).unwrap();
    let segment = 4 * 1024 * 1024;
    let live = queue.depth().pending_bytes;
    let allowed = live + live / 20 + 4 * segment;
    let deadline = Instant::now() + Duration::from_secs(20);
    let used = || -> u64 {
        let files = std::fs::read_dir(folder.path().join("log")).unwrap();
        files
            .map(|file| file.unwrap().metadata().map_or(0, |file| file.len()))
            .sum()
    };
    while allowed < used() {
        assert!(Instant::now() < deadline, "{} bytes, {allowed} allowed", used());
        std::thread::sleep(Duration::from_millis(20));
    }
}
