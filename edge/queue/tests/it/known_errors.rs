//! Damage that disks and people do, on the real store.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use barefoot_queue::{Config, Error, Flaw, Lane, Opened, Queue, Record};

use crate::{all, open};

/// Sixty records, some of several parts, a few receipted and set aside; closed again.
fn filled(directory: &Path) -> Vec<Record> {
    let queue = open(directory);
    for number in 0..60u8 {
        let lane = Lane::ALL[usize::from(number) % 4];
        let bytes = if number % 7 == 0 { 9_000 } else { 500 };
        queue
            .append(
                lane,
                &format!("id-{number}"),
                &vec![number; bytes],
                u64::from(number),
            )
            .unwrap();
        if number % 10 == 3 {
            assert!(queue.receipt(&format!("id-{number}")).unwrap());
        }
    }
    all(&queue)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// sled writes one when it is opened again.
fn snapshot(directory: &Path) -> PathBuf {
    drop(open(directory));
    let entries = fs::read_dir(directory.join("store")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."))
        .unwrap()
}

/// The promise under any damage: what is returned is right, and what is missing does not go unsaid.
fn check_honest(directory: &Path, written: &[Record]) {
    let last = written.iter().map(|record| record.sequence).max().unwrap();
    let opened = Queue::open_or_set_aside(directory, Config::default()).unwrap();
    match &opened {
        Opened::Fresh { queue, set_aside, .. } => {
            assert!(set_aside.join("store").exists());
            assert!(all(queue).is_empty());
        }
        Opened::Kept(queue) => {
            let there: BTreeMap<_, _> = all(queue)
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
        }
    }
    let queue = opened.into_queue();
    let sequence = queue.append(Lane::Critical, "new", b"new", 1).unwrap();
    assert!(last < sequence, "sequences never go back");
    drop(queue);
    let queue = open(directory);
    assert!(queue.damage().is_none(), "reported once and cleared away");
    assert!(all(&queue).iter().any(|record| record.sequence == sequence));
}

fn check_damage(harm: impl Fn(&Path)) {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("queue");
    let written = filled(&directory);
    harm(&directory);
    check_honest(&directory, &written);
}

#[test]
fn a_flipped_byte_anywhere_in_the_files_is_never_passed_on() {
    let place = tempfile::tempdir().unwrap();
    let once = place.path().join("once");
    let written = filled(&once);
    let twice = place.path().join("twice");
    copy(&once, &twice);
    // Opened again, sled has a snapshot and reads its log lazily.
    assert_eq!(all(&open(&twice)), written);

    for (source, name) in [(&once, "once"), (&twice, "twice")] {
        let used = fs::read(source.join("store/db")).unwrap();
        let used = used.iter().rposition(|byte| *byte != 0).unwrap();
        for step in 0..12 {
            let directory = place.path().join(format!("{name}-{step}"));
            copy(source, &directory);
            change(&directory.join("store/db"), |bytes| {
                bytes[used * step / 12 + 31] ^= 0x10
            });
            check_honest(&directory, &written);
        }
    }
}

#[test]
fn a_flipped_byte_in_a_stored_value_costs_that_record_only() {
    let place = tempfile::tempdir().unwrap();
    let written = filled(place.path());
    let victim = written
        .iter()
        .find(|record| 5_000 < record.payload.len())
        .unwrap();
    {
        let store = sled::open(place.path().join("store")).unwrap();
        let of_victim = |key: &[u8]| key[0] == b'r' && key[2..10] == victim.sequence.to_be_bytes();
        let parts: Vec<_> = store
            .iter()
            .map(Result::unwrap)
            .filter(|(key, _)| of_victim(key))
            .collect();
        assert_eq!(parts.len(), 3);
        let (key, value) = &parts[1];
        let mut value = value.to_vec();
        value[2000] ^= 1;
        store.insert(key, value).unwrap();
        store.flush().unwrap();
    }
    let queue = open(place.path());
    let damage = queue.damage();
    assert_eq!(
        (damage.lost_commits, damage.missing_records, damage.records.len()),
        (0, 0, 1)
    );
    assert_eq!(damage.records[0].sequence, victim.sequence);
    assert_eq!(damage.records[0].id.as_ref(), Some(&victim.id));
    assert_eq!(damage.records[0].flaw, Flaw::Checksum);
    let others: Vec<_> = written
        .iter()
        .filter(|record| record.id != victim.id)
        .cloned()
        .collect();
    assert_eq!(all(&queue), others);
    assert!(!queue.contains(&victim.id).unwrap(), "it can be queued again");
}

#[test]
fn a_torn_or_missing_file_is_never_passed_over_in_silence() {
    for lost in [1, 700, 70_000] {
        check_damage(|directory| {
            change(&directory.join("store/db"), |bytes| {
                let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
                bytes.truncate(used + 1 - lost);
            });
        });
    }
    check_damage(|directory| fs::write(directory.join("store/db"), b"").unwrap());
    check_damage(|directory| fs::remove_file(directory.join("store/db")).unwrap());
    check_damage(|directory| fs::write(directory.join("store/conf"), b"nonsense").unwrap());
    check_damage(|directory| fs::remove_dir_all(directory.join("store")).unwrap());
    check_damage(|directory| change(&snapshot(directory), |bytes| bytes[9] ^= 1));
    check_damage(|directory| fs::remove_file(snapshot(directory)).unwrap());
}

#[test]
fn a_lost_mark_costs_nothing_but_its_warning() {
    for harm in [
        |mark: &Path| fs::remove_file(mark).unwrap(),
        |mark: &Path| fs::write(mark, b"nonsense").unwrap(),
    ] {
        let place = tempfile::tempdir().unwrap();
        let written = filled(place.path());
        harm(&place.path().join("mark"));
        let queue = open(place.path());
        assert_eq!(all(&queue), written);
        assert!(queue.damage().is_none());
        let last = written.iter().map(|record| record.sequence).max().unwrap();
        assert!(last < queue.append(Lane::Results, "new", b"x", 1).unwrap());
    }
}

#[test]
fn damage_is_moved_only_on_request_and_never_over_older_damage() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("queue");
    for number in 1..=2 {
        filled(&directory);
        change(&snapshot(&directory), |bytes| bytes[9] ^= 1);
        let error = Queue::open(&directory, Config::default()).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("set it aside"), "{error}");
        let opened = Queue::open_or_set_aside(&directory, Config::default()).unwrap();
        let Opened::Fresh { set_aside, .. } = opened else {
            panic!("the damage was overlooked");
        };
        assert_eq!(set_aside, place.path().join(format!("queue.damaged-{number}")));
    }
}

#[test]
fn a_data_file_that_vanishes_stops_the_queue() {
    let place = tempfile::tempdir().unwrap();
    let queue = open(place.path());
    queue.append(Lane::Results, "a", b"x", 1).unwrap();
    fs::remove_file(place.path().join("store/db")).unwrap();
    let error = queue.append(Lane::Results, "b", b"x", 1).unwrap_err();
    assert!(matches!(error, Error::Commit { .. }), "{error:?}");
    assert!(matches!(queue.receipt("a"), Err(Error::Stopped)));
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
    }
    queue
        .append(Lane::Results, &"x".repeat(128), &vec![0; limit], 1)
        .unwrap();
    assert_eq!(queue.depth().pending_bytes, limit as u64);

    for config in [
        Config {
            telemetry_limit: 0,
            ..Config::default()
        },
        Config {
            max_record_bytes: 0,
            ..Config::default()
        },
        Config {
            max_record_bytes: Config::LARGEST_RECORD + 1,
            ..Config::default()
        },
    ] {
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
