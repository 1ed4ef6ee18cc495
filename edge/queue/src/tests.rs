//! Failures that a real disk does not give on demand, over a store in memory.

use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::layout::{self, Place};
use crate::mark::Mark;
use crate::opening;
use crate::store::MemoryStore;
use crate::{Config, Damage, DamagedRecord, Error, Flaw, Lane, Queue, StoreError};

struct Bench {
    store: Arc<MemoryStore>,
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::default()),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn mark(&self) -> PathBuf {
        self.dir.path().join("mark")
    }

    fn try_open(&self) -> Result<Queue, StoreError> {
        let mark = Mark::open(&self.mark()).unwrap();
        let store = Arc::clone(&self.store);
        let foundation = opening::lay(store, mark, 0, None)?;
        Ok(Queue::start(foundation, &Config::default()).unwrap())
    }

    fn open(&self) -> Queue {
        self.try_open().unwrap()
    }

    fn cut_power(&mut self) {
        self.store = Arc::new(self.store.after_power_cut());
    }
}

fn ids(queue: &Queue) -> Vec<String> {
    let records = queue.pending(usize::MAX, |_| false).unwrap();
    records.into_iter().map(|record| record.id).collect()
}

fn append(queue: &Queue, id: &str) -> Result<u64, Error> {
    queue.append(Lane::Results, id, id.as_bytes(), 7)
}

#[test]
fn nothing_is_acknowledged_that_was_not_synced() {
    for fail in [MemoryStore::fail_next_sync, MemoryStore::fail_next_apply] {
        let mut bench = Bench::new();
        let queue = bench.open();
        append(&queue, "kept").unwrap();
        fail(&bench.store);
        let error = append(&queue, "lost").unwrap_err();
        assert!(matches!(error, Error::Commit { .. }), "{error}");
        assert!(error.to_string().contains("open the queue again"), "{error}");

        assert!(matches!(append(&queue, "later"), Err(Error::Stopped)));
        assert!(matches!(queue.receipt("kept"), Err(Error::Stopped)));
        assert!(matches!(queue.set_aside("kept", "why"), Err(Error::Stopped)));
        assert!(matches!(queue.pending(9, |_| false), Err(Error::Stopped)));
        assert!(matches!(queue.contains("kept"), Err(Error::Stopped)));
        assert_eq!(queue.depth().pending, 1, "what was acknowledged still counts");
        drop(queue);

        bench.cut_power();
        let queue = bench.open();
        assert!(queue.damage().is_none());
        assert_eq!(ids(&queue), ["kept"]);
        append(&queue, "lost").unwrap();
        assert_eq!(ids(&queue), ["kept", "lost"]);
    }
}

#[test]
fn an_action_that_changes_nothing_costs_no_sync() {
    let bench = Bench::new();
    let queue = bench.open();
    let first = append(&queue, "a").unwrap();
    let syncs = bench.store.syncs();
    assert_eq!(append(&queue, "a").unwrap(), first);
    assert!(!queue.receipt("unknown").unwrap());
    assert!(!queue.set_aside("unknown", "why").unwrap());
    assert_eq!(bench.store.syncs(), syncs);
}

#[test]
fn a_read_that_fails_is_an_error_and_not_an_empty_queue() {
    let bench = Bench::new();
    let queue = bench.open();
    append(&queue, "a").unwrap();
    bench.store.fail_reads();
    assert!(matches!(queue.pending(9, |_| false), Err(Error::Read { .. })));
    assert!(matches!(queue.contains("a"), Err(Error::Read { .. })));
    assert!(bench.try_open().is_err());
}

/// Three records of three parts each; what `harm` does to the middle one is found at the next opening.
fn check_harm(harm: impl Fn(&MemoryStore, u64), expected: impl Fn(u64) -> Damage, left: &[&str]) {
    let bench = Bench::new();
    let queue = bench.open();
    let payload = vec![7; 10_000];
    let mut sequences = Vec::new();
    for id in ["a", "b", "c"] {
        sequences.push(queue.append(Lane::Results, id, &payload, 1).unwrap());
    }
    drop(queue);
    harm(&bench.store, sequences[1]);

    let queue = bench.open();
    assert_eq!(queue.damage(), expected(sequences[1]));
    assert_eq!(ids(&queue), left);
    assert_eq!(queue.depth().pending, left.len() as u64);
    for record in queue.pending(9, |_| false).unwrap() {
        assert_eq!(record.payload, payload);
    }
    let again = queue.append(Lane::Results, "b", &payload, 1).unwrap();
    assert_eq!(
        again == sequences[1],
        left.contains(&"b"),
        "queued again when it was lost"
    );
    drop(queue);

    let queue = bench.open();
    assert!(queue.damage().is_none(), "reported once and cleared away");
    assert_eq!(queue.depth().pending, 3);
    for id in ["a", "b", "c"] {
        assert!(queue.receipt(id).unwrap());
    }
    assert_eq!(bench.store.keys(), [layout::meta_key()], "nothing stays behind");
}

fn one(sequence: u64, flaw: Flaw) -> Damage {
    Damage {
        records: vec![DamagedRecord {
            sequence,
            id: Some("b".to_owned()),
            flaw,
        }],
        ..Damage::default()
    }
}

fn part(sequence: u64, part: u16) -> Vec<u8> {
    layout::part_key(Place::Lane(Lane::Results), sequence, part)
}

fn flip(mut value: Vec<u8>) -> Option<Vec<u8>> {
    let last = value.len() - 1;
    value[last] ^= 1;
    Some(value)
}

#[test]
fn a_damaged_record_is_reported_and_the_others_stay() {
    for number in 0..3 {
        check_harm(
            |store, sequence| store.tamper(&part(sequence, number), flip),
            |sequence| one(sequence, Flaw::Checksum),
            &["a", "c"],
        );
        check_harm(
            |store, sequence| store.tamper(&part(sequence, number), |_| None),
            |sequence| one(sequence, Flaw::MissingPart),
            &["a", "c"],
        );
    }
}

#[test]
fn an_index_entry_without_a_record_is_a_lost_record() {
    check_harm(
        |store, sequence| (0..3).for_each(|number| store.tamper(&part(sequence, number), |_| None)),
        |sequence| one(sequence, Flaw::MissingPart),
        &["a", "c"],
    );
}

#[test]
fn a_record_that_left_no_trace_is_counted() {
    check_harm(
        |store, sequence| {
            (0..3).for_each(|number| store.tamper(&part(sequence, number), |_| None));
            store.tamper(&layout::index_key("b"), |_| None);
        },
        |_| Damage {
            missing_records: 1,
            ..Damage::default()
        },
        &["a", "c"],
    );
}

#[test]
fn the_index_is_repaired_from_the_records() {
    check_harm(
        |store, _| store.tamper(&layout::index_key("b"), |_| None),
        |_| Damage::default(),
        &["a", "b", "c"],
    );
    check_harm(
        |store, _| store.tamper(&layout::index_key("b"), flip),
        |_| Damage::default(),
        &["a", "b", "c"],
    );
}

#[test]
fn damage_that_comes_later_is_passed_over_and_reported() {
    let bench = Bench::new();
    let queue = bench.open();
    let first = append(&queue, "a").unwrap();
    append(&queue, "b").unwrap();
    bench.store.tamper(&part(first, 0), flip);
    for _ in 0..2 {
        assert_eq!(ids(&queue), ["b"]);
    }
    let damage = queue.damage();
    assert_eq!(damage.records.len(), 1, "{damage:?}");
    assert_eq!(
        (damage.records[0].sequence, damage.records[0].flaw),
        (first, Flaw::Checksum)
    );
}

#[test]
fn a_damaged_meta_record_is_damage_and_a_newer_format_is_not() {
    let bench = Bench::new();
    append(&bench.open(), "a").unwrap();
    let good = layout::meta_key();
    bench.store.tamper(&good, flip);
    let error = bench.try_open().unwrap_err();
    assert!(matches!(error, StoreError::Meta) && error.is_damage());
    bench.store.tamper(&good, |mut value| {
        value[0] = layout::FORMAT + 1;
        Some(value)
    });
    let error = bench.try_open().unwrap_err();
    assert!(matches!(error, StoreError::Format { .. }) && !error.is_damage());
}

#[test]
fn a_store_that_fell_back_is_noticed_and_sequences_do_not() {
    let mut bench = Bench::new();
    let queue = bench.open();
    append(&queue, "a").unwrap();
    let old = bench.store.after_power_cut();
    append(&queue, "b").unwrap();
    let last = append(&queue, "c").unwrap();
    drop(queue);

    bench.store = Arc::new(old);
    let queue = bench.open();
    assert_eq!(queue.damage().lost_commits, 2);
    assert!(last < append(&queue, "d").unwrap());
    drop(queue);
    assert!(bench.open().damage().is_none());
}

#[test]
fn a_commit_stays_small() {
    let bench = Bench::new();
    let queue = bench.open();
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let queue = queue.clone();
            scope.spawn(move || {
                for number in 0..6 {
                    let id = format!("{thread}-{number}");
                    queue.append(Lane::Images, &id, &vec![1; 60_000], 1).unwrap();
                }
            });
        }
    });
    assert_eq!(queue.depth().pending, 72);
    assert!(
        bench.store.largest_apply() < 140 * 1024,
        "{}",
        bench.store.largest_apply()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever was answered is so after a power cut, at every moment.
    #[test]
    fn a_power_cut_takes_back_no_answer(
        actions in prop::collection::vec((0u8..4, 0u8..12, 0usize..9000), 1..60),
    ) {
        let mut bench = Bench::new();
        let mut queue = bench.open();
        for (action, number, bytes) in actions {
            let id = number.to_string();
            match action {
                0 => {
                    queue.append(Lane::Critical, &id, &vec![number; bytes], 1).unwrap();
                }
                1 => {
                    queue.receipt(&id).unwrap();
                }
                2 => {
                    queue.set_aside(&id, "refused").unwrap();
                }
                _ => {
                    let before = (
                        queue.pending(99, |_| false).unwrap(),
                        queue.set_aside_records(99).unwrap(),
                        queue.depth(),
                    );
                    drop(queue);
                    bench.cut_power();
                    queue = bench.open();
                    prop_assert!(queue.damage().is_none());
                    let after = (
                        queue.pending(99, |_| false).unwrap(),
                        queue.set_aside_records(99).unwrap(),
                        queue.depth(),
                    );
                    prop_assert_eq!(before, after);
                }
            }
        }
    }
}
