//! One changed bit or one lost stretch anywhere: what is returned is right, and what is missing does not go unsaid.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::Bench;
use crate::{Flaw, Lane, Queue, Record};

/// Records, receipts, refusals, some set aside: in several segments.
fn filled(bench: &Bench) -> (Vec<Record>, BTreeSet<String>) {
    let queue = bench.open();
    let mut receipted = BTreeSet::new();
    for number in 0..40u8 {
        let id = format!("id-{number}");
        let lane = Lane::ALL[usize::from(number) % 4];
        queue
            .append(lane, &id, &vec![number; 200 + usize::from(number) * 9], 5)
            .unwrap();
        match number % 5 {
            1 => {
                queue.receipt(&id).unwrap();
                receipted.insert(id);
            }
            2 => drop(queue.refused(&id, "why", 6).unwrap()),
            3 => drop(queue.set_aside(&id, "why").unwrap()),
            _ => {}
        }
    }
    (held(&queue).into_values().collect(), receipted)
}

fn held(queue: &Queue) -> BTreeMap<String, Record> {
    let pending = queue.pending(usize::MAX, |_| false).unwrap();
    let aside = queue.set_aside_records(usize::MAX).unwrap();
    let all = pending
        .into_iter()
        .chain(aside.into_iter().map(|aside| aside.record));
    all.map(|record| (record.id.clone(), record)).collect()
}

fn check(harm: impl FnOnce(&Bench)) {
    let bench = Bench::new();
    let (written, receipted) = filled(&bench);
    harm(&bench);
    let queue = bench.open();
    let damage = queue.damage();
    let there = held(&queue);
    let mut missing = 0;
    for record in &written {
        match there.get(&record.id) {
            Some(found) => assert_eq!(found, record),
            None => missing += 1,
        }
    }
    assert!(
        missing <= damage.lost_entries + damage.records.len() as u64,
        "{missing}: {damage:?}"
    );
    let back = receipted.iter().filter(|id| there.contains_key(*id)).count();
    assert!(back as u64 <= damage.lost_entries, "{back} are back: {damage:?}");
    let last = written.iter().map(|record| record.sequence).max().unwrap();
    let sequence = queue.append(Lane::Critical, "new", b"new", 1).unwrap();
    assert!(last < sequence, "sequences never go back");
    drop(queue);
    let queue = bench.open();
    assert!(queue.damage().is_none(), "reported once: {:?}", queue.damage());
    let mut again = held(&queue);
    assert_eq!(again.remove("new").unwrap().sequence, sequence);
    assert_eq!(again, there);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn any_changed_bit(segment in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        check(|bench| {
            let segments = bench.segments();
            bench.disk.tamper(segments[segment.index(segments.len())], |bytes| {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            });
        });
    }

    #[test]
    fn any_lost_stretch(
        segment in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), length in 1usize..2000,
        value in any::<u8>(), cut in any::<bool>(),
    ) {
        check(|bench| {
            let segments = bench.segments();
            bench.disk.tamper(segments[segment.index(segments.len())], |bytes| {
                let at = at.index(bytes.len());
                if cut {
                    bytes.truncate(at);
                } else {
                    bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = value);
                }
            });
        });
    }
}

impl Bench {
    fn segments(&self) -> Vec<u64> {
        crate::disk::Disk::segments(&self.disk).unwrap()
    }
}

#[test]
fn a_segment_that_is_gone() {
    let bench = Bench::new();
    filled(&bench);
    let segments = bench.segments();
    assert!(2 < segments.len());
    for gone in segments {
        check(|bench| crate::disk::Disk::remove(&bench.disk, gone).unwrap());
    }
    check(|bench| {
        for segment in bench.segments() {
            crate::disk::Disk::remove(&bench.disk, segment).unwrap();
        }
    });
}

#[test]
fn a_lost_mark_costs_nothing() {
    let bench = Bench::new();
    let (written, _) = filled(&bench);
    for harm in [
        |mark: &std::path::Path| std::fs::remove_file(mark).unwrap(),
        |mark: &std::path::Path| std::fs::write(mark, b"nonsense").unwrap(),
    ] {
        harm(&bench.mark());
        let queue = bench.open();
        assert!(queue.damage().is_none(), "{:?}", queue.damage());
        assert_eq!(held(&queue).into_values().collect::<Vec<_>>(), written);
    }
}

#[test]
fn damage_that_comes_later_is_passed_over_reported_and_forgotten() {
    let bench = Bench::new();
    let queue = bench.open();
    let first = queue.append(Lane::Results, "a", &[7; 100], 1).unwrap();
    queue.append(Lane::Results, "b", &[8; 100], 1).unwrap();
    bench.disk.tamper(1, |bytes| {
        let payload = bytes.windows(100).position(|window| window == [7; 100]).unwrap();
        bytes[payload + 50] ^= 1;
    });
    for _ in 0..2 {
        assert_eq!(held(&queue).into_keys().collect::<Vec<_>>(), ["b"]);
    }
    let damage = queue.damage();
    assert_eq!(damage.records.len(), 1, "{damage:?}");
    assert_eq!(damage.records[0].sequence, first);
    assert_eq!(damage.records[0].id.as_deref(), Some("a"));
    assert_eq!(damage.records[0].flaw, Flaw::Checksum);
    assert!(!queue.contains("a").unwrap(), "it can be queued again");
    assert!(first < queue.append(Lane::Results, "a", &[7; 100], 1).unwrap());
    drop(queue);
    let queue = bench.open();
    assert!(queue.damage().is_none(), "reported once");
    assert_eq!(held(&queue).into_keys().collect::<Vec<_>>(), ["a", "b"]);
}
