//! Writes, syncs and reads that fail.

use super::{Bench, append, ids};
use crate::disk::memory::SEGMENT_BYTES;
use crate::{Error, Lane};

#[test]
fn nothing_is_acknowledged_that_was_not_synced() {
    for survives in [true, false] {
        let mut bench = Bench::new();
        let queue = bench.open();
        append(&queue, "kept").unwrap();
        bench.disk.faults(|faults| faults.fail_sync = true);
        let error = append(&queue, "lost").unwrap_err();
        assert!(matches!(error, Error::Commit { .. }), "{error}");
        assert!(error.to_string().contains("open the queue again"), "{error}");

        assert!(matches!(append(&queue, "later"), Err(Error::Stopped)));
        assert!(matches!(queue.receipt("kept"), Err(Error::Stopped)));
        assert!(matches!(queue.set_aside("kept", "why"), Err(Error::Stopped)));
        assert!(matches!(queue.refused("kept", "why", 1), Err(Error::Stopped)));
        assert!(matches!(queue.pending(9, |_| false), Err(Error::Stopped)));
        assert!(matches!(queue.contains("kept"), Err(Error::Stopped)));
        assert_eq!(queue.depth().pending, 1, "what was acknowledged still counts");
        drop(queue);

        bench.disk = bench.disk.after_power_cut(|| survives);
        let queue = bench.open();
        assert!(queue.damage().is_none(), "{:?}", queue.damage());
        assert!(queue.contains("kept").unwrap());
        append(&queue, "lost").unwrap();
        assert_eq!(ids(&queue), ["kept", "lost"]);
    }
}

/// What a failed sync left may be seen by this system and not be on the disk: it must not count at the next opening.
#[test]
fn what_a_failed_sync_left_is_cut_off() {
    let bench = Bench::new();
    let queue = bench.open();
    append(&queue, "kept").unwrap();
    bench.disk.faults(|faults| faults.fail_sync = true);
    append(&queue, "lost").unwrap_err();
    drop(queue);
    assert_eq!(ids(&bench.open()), ["kept"]);
}

#[test]
fn a_write_that_fails_leaves_nothing_and_the_queue_goes_on() {
    for written in [0, 10, 50, 200] {
        let mut bench = Bench::new();
        let queue = bench.open();
        append(&queue, "kept").unwrap();
        bench.disk.faults(|faults| faults.short_write = Some(written));
        let many = ["a", "b", "c"].map(|id| crate::Draft {
            lane: Lane::Critical,
            id,
            payload: b"x",
            now_ms: 1,
        });
        let error = queue.append_many(&many).unwrap_err();
        assert!(matches!(error, Error::NotStored { .. }), "{error}");
        assert_eq!(ids(&queue), ["kept"]);
        append(&queue, "later").unwrap();
        assert!(queue.receipt("kept").unwrap());
        drop(queue);
        bench.disk = bench.disk.after_power_cut(|| true);
        let queue = bench.open();
        assert!(queue.damage().is_none(), "{:?}", queue.damage());
        assert_eq!(ids(&queue), ["later"]);
    }
}

#[test]
fn a_write_that_fails_and_cannot_be_taken_back_stops_the_queue() {
    let bench = Bench::new();
    let queue = bench.open();
    append(&queue, "kept").unwrap();
    bench.disk.faults(|faults| {
        faults.short_write = Some(40);
        faults.fail_resize = true;
    });
    assert!(matches!(append(&queue, "lost"), Err(Error::Commit { .. })));
    assert!(matches!(append(&queue, "later"), Err(Error::Stopped)));
    drop(queue);
    bench.disk.faults(|faults| faults.fail_resize = false);
    let queue = bench.open();
    assert!(queue.damage().is_none(), "a torn end is no damage");
    assert_eq!(ids(&queue), ["kept"]);
}

#[test]
fn a_full_disk_refuses_what_needs_room_and_lets_go_on() {
    let bench = Bench::new();
    let queue = bench.open();
    let payload = vec![1; 500];
    bench.disk.faults(|faults| faults.full = true);
    let mut stored = Vec::new();
    let refused = (0..100).find(|number| {
        let id = number.to_string();
        match queue.append(Lane::Results, &id, &payload, 1) {
            Ok(_) => stored.push(id),
            Err(Error::NotStored { .. }) => return true,
            Err(error) => panic!("{error}"),
        }
        false
    });
    assert!(refused.is_some() && SEGMENT_BYTES as usize / 700 < stored.len());
    assert_eq!(ids(&queue), stored);
    bench.disk.faults(|faults| faults.full = false);
    append(&queue, "later").unwrap();
    drop(queue);
    stored.push("later".to_owned());
    assert_eq!(ids(&bench.open()), stored);
}

#[test]
fn an_action_that_changes_nothing_costs_no_sync() {
    let bench = Bench::new();
    let queue = bench.open();
    let first = append(&queue, "a").unwrap();
    let syncs = bench.disk.syncs();
    assert_eq!(append(&queue, "a").unwrap(), first);
    assert!(!queue.receipt("unknown").unwrap());
    assert!(!queue.set_aside("unknown", "why").unwrap());
    assert!(!queue.try_again("a").unwrap());
    assert_eq!(bench.disk.syncs(), syncs);
    assert_eq!(queue.receipts(&["a", "unknown", "a"]).unwrap(), 1);
    assert_eq!(bench.disk.syncs(), syncs + 1);
}

#[test]
fn a_read_that_fails_is_an_error_and_not_an_empty_queue() {
    let bench = Bench::new();
    let queue = bench.open();
    append(&queue, "a").unwrap();
    bench.disk.faults(|faults| faults.fail_reads = true);
    assert!(matches!(queue.pending(9, |_| false), Err(Error::Read { .. })));
    assert!(queue.damage().is_none(), "nobody knows that it is damaged");
    assert!(bench.try_open().is_err());
    bench.disk.faults(|faults| faults.fail_reads = false);
    assert_eq!(ids(&queue), ["a"]);
}

#[test]
fn a_newer_format_is_neither_read_nor_called_damage() {
    let bench = Bench::new();
    append(&bench.open(), "a").unwrap();
    bench.disk.tamper(1, |bytes| {
        bytes[6] += 1;
        let sum = crc32fast::hash(&bytes[..32]).to_le_bytes();
        bytes[32..36].copy_from_slice(&sum);
    });
    let error = bench.try_open().unwrap_err();
    assert!(matches!(error, crate::StoreError::Format { .. }) && !error.is_damage());
}
