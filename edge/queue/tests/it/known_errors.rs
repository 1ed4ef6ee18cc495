//! Damage that disks and people do, on a real disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use barefoot_queue::{Config, Error, Lane, Queue, Record, inspection};

use crate::{all, copy, open};

/// Sixty records, a few receipted; closed again.
fn filled(directory: &Path) -> Vec<Record> {
    let queue = open(directory);
    for number in 0..60u8 {
        let lane = Lane::ALL[usize::from(number) % 4];
        let bytes = if number % 7 == 0 { 9_000 } else { 500 };
        let id = format!("id-{number}");
        queue
            .append(lane, &id, &vec![number; bytes], u64::from(number))
            .unwrap();
        if number % 10 == 3 {
            assert!(queue.receipt(&id).unwrap());
        }
    }
    all(&queue)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn segment(directory: &Path) -> PathBuf {
    directory.join("log/0000000000000001.seg")
}

/// The promise under any damage: what is returned is right, and what is missing does not go unsaid.
fn check_honest(directory: &Path, written: &[Record]) {
    let last = written.iter().map(|record| record.sequence).max().unwrap();
    let queue = open(directory);
    let there: BTreeMap<_, _> = all(&queue)
        .into_iter()
        .map(|record| (record.id.clone(), record))
        .collect();
    let mut missing = 0;
    for record in written {
        match there.get(&record.id) {
            Some(found) => assert_eq!(found, record),
            None => missing += 1,
        }
    }
    assert!(
        missing == 0 || !queue.damage().is_none(),
        "{missing} records are gone in silence"
    );
    let sequence = queue.append(Lane::Critical, "new", b"new", 1).unwrap();
    assert!(last < sequence, "sequences never go back");
    drop(queue);
    let queue = open(directory);
    assert!(queue.damage().is_none(), "reported once and cleared away");
    assert!(all(&queue).iter().any(|record| record.sequence == sequence));
}

fn check_damage(harm: impl Fn(&Path)) {
    let place = tempfile::tempdir().unwrap();
    let written = filled(place.path());
    harm(place.path());
    check_honest(place.path(), &written);
}

#[test]
fn a_flipped_byte_anywhere_in_the_log_is_never_passed_on() {
    let place = tempfile::tempdir().unwrap();
    let once = place.path().join("once");
    let written = filled(&once);
    let used = fs::read(segment(&once)).unwrap();
    let used = used.iter().rposition(|byte| *byte != 0).unwrap();
    for step in 0..40 {
        // With the index, which does not look into the records, and without.
        for keeps_index in [true, false] {
            let directory = place.path().join(format!("{step}-{keeps_index}"));
            copy(&once, &directory);
            if !keeps_index {
                remove_index(&directory);
            }
            change(&segment(&directory), |bytes| bytes[used * step / 40 + 31] ^= 0x10);
            check_honest(&directory, &written);
        }
    }
}

fn remove_index(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("index.") {
            fs::remove_dir_all(path).unwrap();
        }
    }
}

#[test]
fn a_torn_or_missing_file_is_never_passed_over_in_silence() {
    for lost in [1, 700, 20_000] {
        check_damage(|directory| {
            change(&segment(directory), |bytes| {
                let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
                bytes.truncate(used + 1 - lost);
            });
        });
    }
    check_damage(|directory| fs::write(segment(directory), b"").unwrap());
    check_damage(|directory| fs::write(segment(directory), b"nonsense").unwrap());
    check_damage(|directory| fs::remove_file(segment(directory)).unwrap());
    check_damage(|directory| fs::remove_dir_all(directory.join("log")).unwrap());
}

#[test]
fn a_segment_that_vanishes_stops_the_queue() {
    let place = tempfile::tempdir().unwrap();
    let queue = open(place.path());
    queue.append(Lane::Results, "a", b"x", 1).unwrap();
    fs::remove_file(segment(place.path())).unwrap();
    let error = queue.append(Lane::Results, "b", b"x", 1).unwrap_err();
    assert!(matches!(error, Error::Commit { .. }), "{error:?}");
    assert!(matches!(queue.receipt("a"), Err(Error::Stopped)));
}

#[test]
fn an_inspection_says_what_a_segment_holds() {
    let place = tempfile::tempdir().unwrap();
    filled(place.path());
    let bytes = fs::read(segment(place.path())).unwrap();
    let found = inspection::inspect(1, &bytes);
    assert!(found.has_header);
    assert_eq!((found.records, found.other_entries), (60, 6));
    assert_eq!((found.damaged_entries, found.unreadable), (0, 0));
    let mut harmed = bytes;
    harmed[4000] ^= 1;
    let found = inspection::inspect(1, &harmed);
    assert_eq!(found.damaged_entries + found.unreadable, 1);
}

#[test]
fn a_queue_in_use_is_neither_opened_nor_set_aside() {
    let place = tempfile::tempdir().unwrap();
    let queue = open(place.path());
    assert!(matches!(
        Queue::open(place.path(), Config::default()),
        Err(Error::InUse { .. })
    ));
    assert!(matches!(
        Queue::open_or_set_aside(place.path(), Config::default()),
        Err(Error::InUse { .. })
    ));
    drop(queue);
    open(place.path());
}

#[test]
fn wrong_sizes_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let queue = open(place.path());
    let limit = Config::default().max_record_bytes;
    assert!(matches!(
        queue.append(Lane::Results, "a", &vec![0; limit + 1], 1),
        Err(Error::TooLarge { .. })
    ));
    for id in ["", &"x".repeat(129)] {
        assert!(matches!(
            queue.append(Lane::Results, id, b"x", 1),
            Err(Error::Id { .. })
        ));
        assert!(!queue.receipt(id).unwrap());
        assert!(!queue.set_aside(id, "why").unwrap());
    }
    queue
        .append(Lane::Results, &"x".repeat(128), &vec![0; limit], 1)
        .unwrap();
    assert_eq!(queue.depth().pending_bytes, limit as u64);

    let wrong: [fn(&mut Config); 6] = [
        |config| config.telemetry_limit = 0,
        |config| config.max_record_bytes = 0,
        |config| config.max_record_bytes = Config::LARGEST_RECORD + 1,
        |config| config.max_records = 7,
        |config| config.max_bytes = 7,
        |config| config.refusals = 0,
    ];
    for harm in wrong {
        let mut config = Config::default();
        harm(&mut config);
        assert!(matches!(
            Queue::open(place.path(), config),
            Err(Error::Config { .. })
        ));
    }
}

#[test]
fn what_a_record_carries_never_shows() {
    let place = tempfile::tempdir().unwrap();
    let queue = open(place.path());
    queue.append(Lane::Results, "a", &[171; 300], 1).unwrap();
    for shown in [format!("{queue:?}"), format!("{:?}", all(&queue))] {
        assert!(!shown.contains("171"), "{shown}");
    }
}
