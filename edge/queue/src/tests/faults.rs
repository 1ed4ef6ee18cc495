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

/// Records lie one after the other from the segment's header on; this is in the middle of the second.
#[test]
fn a_bad_sector_costs_what_lies_in_it_and_nothing_else() {
    for reopens in [false, true] {
        let bench = Bench::new();
        let mut queue = bench.open();
        for id in ["a", "b", "c"] {
            queue.append(Lane::Results, id, &[7; 1000], 1).unwrap();
        }
        bench.disk.faults(|faults| faults.bad_sector = Some(1536..2048));
        if reopens {
            drop(queue);
            queue = bench.open();
        }
        assert_eq!(ids(&queue), ["a", "c"]);
        let damage = queue.damage();
        assert!(!damage.is_none(), "what is lost is told");
        queue.append(Lane::Results, "b", &[7; 1000], 1).unwrap();
        assert_eq!(ids(&queue), ["a", "c", "b"], "from its source");
        assert!(queue.receipt("a").unwrap());
    }
}

#[test]
fn a_sync_of_names_that_failed_once_stops_no_removal_for_good() {
    let bench = Bench::new();
    let queue = bench.open();
    let payload = vec![1; 300];
    for number in 0..200 {
        queue
            .append(Lane::Results, &number.to_string(), &payload, 1)
            .unwrap();
    }
    bench.disk.faults(|faults| faults.fail_names = true);
    for number in 0..200 {
        assert!(queue.receipt(&number.to_string()).unwrap());
    }
    assert!(bench.disk.used() <= 4 * SEGMENT_BYTES, "{}", bench.disk.used());
}

/// Ten records fill a segment. The oldest keeps its records, so its neighbours' dead bytes call for moving them; there is
/// room for the receipts or for what is moved, not for both.
#[test]
fn receipts_are_written_where_what_would_move_along_has_no_room() {
    let bench = Bench::new();
    let queue = bench.open();
    let payload = vec![1; 310];
    for number in 0..601 {
        queue
            .append(Lane::Results, &number.to_string(), &payload, 1)
            .unwrap();
    }
    bench.disk.faults(|faults| faults.full = true);
    let received: Vec<String> = (10..111).map(|number| number.to_string()).collect();
    let received: Vec<&str> = received.iter().map(String::as_str).collect();
    assert_eq!(queue.receipts(&received).unwrap(), received.len());
    assert_eq!(queue.depth().pending, 601 - 101);
}
