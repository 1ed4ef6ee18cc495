//! A queue of the store before the log: its records are taken into the log, then the store is removed.
//!
//! Cut short at any moment, it begins again: a record that is in the log already is passed over, and nobody can receipt
//! one before all of them are there.

mod layout;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::StoreError;
use crate::damage::DamagedRecord;
use crate::disk::sync_directory;
use crate::log::frame::{Aside, Entry, StoredRecord};
use crate::opening::Foundation;
use layout::{KeyValue, Meta, Place, Whole};

const STORE: &str = "store";
const TAKEN: &str = "store.taken-over";

/// Payloads in one group.
const GROUP_BYTES: usize = 512 * 1024;

pub(crate) fn take_over(directory: &Path, foundation: &mut Foundation) -> Result<(), StoreError> {
    let (store, taken) = (directory.join(STORE), directory.join(TAKEN));
    if store.is_dir() {
        let old = read(&store)?;
        foundation.damage.records.extend(old.damaged);
        foundation.damage.lost_entries += old.missing;
        copy(&old.records, foundation)?;
        // From here on it counts as taken over, whatever becomes of its files.
        fs::rename(&store, &taken)
            .and_then(|()| sync_directory(directory))
            .map_err(StoreError::Io)?;
    }
    if taken.is_dir() {
        fs::remove_dir_all(&taken).map_err(StoreError::Io)?;
    }
    Ok(())
}

fn copy(records: &[Whole], foundation: &mut Foundation) -> Result<(), StoreError> {
    let mut rest = records;
    while !rest.is_empty() {
        let mut bytes = 0;
        let group = rest.iter().take_while(|whole| {
            let room = bytes < GROUP_BYTES;
            bytes += whole.record.payload.len();
            room
        });
        let (group, behind) = rest.split_at(group.count());
        rest = behind;
        let entries: Vec<_> = group
            .iter()
            .filter(|whole| foundation.ledger.find(&whole.record.id).is_none())
            .map(entry)
            .collect();
        let highest = group.iter().map(|whole| whole.record.sequence).max();
        foundation.append(&entries, highest.unwrap_or_default().saturating_add(1))?;
    }
    Ok(())
}

fn entry(whole: &Whole) -> Entry<'_> {
    let aside = whole.is_aside.then(|| Aside::new(&whole.reason, None));
    Entry::Record(StoredRecord {
        sequence: whole.record.sequence,
        lane: whole.record.lane,
        id: &whole.record.id,
        queued_at_ms: whole.record.queued_at_ms,
        refusals: 0,
        aside,
        payload: &whole.record.payload,
    })
}

#[derive(Debug, Default)]
struct Old {
    records: Vec<Whole>,
    damaged: Vec<DamagedRecord>,
    /// Counted by the store, and without a trace.
    missing: u64,
}

fn read(store: &Path) -> Result<Old, StoreError> {
    let opened = || sled::Config::new().path(store).flush_every_ms(None).open();
    let db = guarded(opened)?;
    let meta = match guarded(|| db.get(layout::meta_key()))? {
        None => Meta::default(),
        Some(value) => match layout::format_of(&value) {
            Some(found) if found != layout::FORMAT => {
                return Err(StoreError::Format {
                    found,
                    known: layout::FORMAT,
                });
            }
            _ => layout::decode_meta(&value).ok_or(StoreError::Meta)?,
        },
    };
    let mut old = Old::default();
    for place in Place::all() {
        for (sequence, parts) in parts_of(&db, place)? {
            match layout::assemble(place, sequence, &parts) {
                Ok(whole) => old.records.push(whole),
                Err(flaw) => old.damaged.push(DamagedRecord {
                    sequence,
                    id: None,
                    flaw,
                }),
            }
        }
    }
    old.records.sort_by_key(|whole| whole.record.sequence);
    let found = (old.records.len() + old.damaged.len()) as u64;
    old.missing = (meta.pending + meta.aside).saturating_sub(found);
    Ok(old)
}

fn parts_of(db: &sled::Db, place: Place) -> Result<BTreeMap<u64, Vec<KeyValue>>, StoreError> {
    guarded(|| {
        let mut parts: BTreeMap<u64, Vec<KeyValue>> = BTreeMap::new();
        for entry in db.scan_prefix(layout::place_prefix(place)) {
            let (key, value) = entry?;
            if let Some(sequence) = layout::sequence_of(&key) {
                let of_record = parts.entry(sequence).or_default();
                of_record.push((key.to_vec(), value.to_vec()));
            }
        }
        Ok(parts)
    })
}

/// sled panics on some damage; that must end an opening, not the daemon.
fn guarded<T>(operation: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(result) => result.map_err(StoreError::Engine),
        Err(_) => Err(StoreError::EngineBrokeOff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damage::Flaw;
    use crate::{Config, Error, Lane, Opened, Queue, Record};

    /// Sixty records of the store before the log, every tenth set aside; with what the harm makes of them.
    fn old_queue(directory: &Path, harm: impl Fn(&sled::Db)) -> Vec<Record> {
        let db = sled::open(directory.join(STORE)).unwrap();
        let mut records = Vec::new();
        for sequence in 1..=60u64 {
            let record = Record {
                sequence: 3 * sequence,
                lane: Lane::ALL[sequence as usize % 4],
                id: format!("id-{sequence}"),
                queued_at_ms: sequence,
                payload: vec![sequence as u8; if sequence % 7 == 0 { 9_000 } else { 500 }],
            };
            let (place, reason) = match sequence % 10 {
                3 => (Place::Aside, "refused"),
                _ => (Place::Lane(record.lane), ""),
            };
            for (key, value) in layout::encode_record(place, &record, reason) {
                db.insert(key, value).unwrap();
            }
            records.push(record);
        }
        let meta = Meta {
            commit: 60,
            next_sequence: 200,
            pending: 54,
            aside: 6,
        };
        db.insert(layout::meta_key(), layout::encode_meta(meta)).unwrap();
        harm(&db);
        db.flush().unwrap();
        records
    }

    fn held(queue: &Queue) -> Vec<Record> {
        let mut held = queue.pending(usize::MAX, |_| false).unwrap();
        let aside = queue.set_aside_records(usize::MAX).unwrap();
        assert!(aside.iter().all(|aside| aside.reason == "refused"));
        held.extend(aside.into_iter().map(|aside| aside.record));
        held.sort_by_key(|record| record.sequence);
        held
    }

    #[test]
    fn an_old_queue_is_taken_over_with_its_order_and_reasons() {
        let place = tempfile::tempdir().unwrap();
        let records = old_queue(place.path(), |_| {});
        for _ in 0..2 {
            let queue = Queue::open(place.path(), Config::default()).unwrap();
            assert!(queue.damage().is_none(), "{:?}", queue.damage());
            assert_eq!(held(&queue), records);
            assert_eq!(queue.depth().set_aside, 6);
            assert!(!place.path().join(STORE).exists() && !place.path().join(TAKEN).exists());
            assert!(180 < queue.append(Lane::Results, "new", b"x", 1).unwrap());
            assert!(queue.receipt("new").unwrap());
        }
    }

    #[test]
    fn cut_short_it_begins_again() {
        let place = tempfile::tempdir().unwrap();
        let records = old_queue(place.path(), |_| {});
        // As if the power had gone before the store was put away: the log has all of it already.
        drop(Queue::open(place.path(), Config::default()).unwrap());
        old_queue(place.path(), |_| {});
        let queue = Queue::open(place.path(), Config::default()).unwrap();
        assert_eq!(held(&queue), records);
        drop(queue);
        // And before its files were removed.
        fs::create_dir(place.path().join(TAKEN)).unwrap();
        let queue = Queue::open(place.path(), Config::default()).unwrap();
        assert_eq!(held(&queue), records);
        assert!(!place.path().join(TAKEN).exists());
    }

    #[test]
    fn what_is_damaged_in_it_is_reported() {
        let place = tempfile::tempdir().unwrap();
        let records = old_queue(place.path(), |db| {
            // Sequence 21 has three parts, sequence 3 one.
            let damaged = layout::part_key(Place::Lane(Lane::Images), 21, 1);
            let mut value = db.get(&damaged).unwrap().unwrap().to_vec();
            value[2000] ^= 1;
            db.insert(damaged, value).unwrap();
            db.remove(layout::part_key(Place::Lane(Lane::Reports), 3, 0))
                .unwrap()
                .unwrap();
        });
        let queue = Queue::open(place.path(), Config::default()).unwrap();
        let damage = queue.damage();
        assert_eq!(damage.lost_entries, 1);
        assert_eq!(damage.records.len(), 1);
        assert_eq!(
            (damage.records[0].sequence, damage.records[0].flaw),
            (21, Flaw::Checksum)
        );
        let left: Vec<_> = records
            .into_iter()
            .filter(|record| record.sequence != 3 && record.sequence != 21)
            .collect();
        assert_eq!(held(&queue), left);
    }

    #[test]
    fn one_that_does_not_open_is_moved_only_on_request() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("queue");
        for number in 1..=2 {
            fs::create_dir_all(&directory).unwrap();
            old_queue(&directory, |db| {
                db.insert(layout::meta_key(), vec![layout::FORMAT, 1, 2]).unwrap();
            });
            let error = Queue::open(&directory, Config::default()).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
            let opened = Queue::open_or_set_aside(&directory, Config::default()).unwrap();
            let Opened::Fresh { set_aside, queue, .. } = opened else {
                panic!("the damage was overlooked");
            };
            assert_eq!(set_aside, place.path().join(format!("queue.damaged-{number}")));
            queue.append(Lane::Results, "new", b"x", 1).unwrap();
        }
        fs::create_dir_all(&directory).unwrap();
        old_queue(&directory, |db| {
            db.insert(layout::meta_key(), vec![layout::FORMAT + 1]).unwrap();
        });
        let error = Queue::open_or_set_aside(&directory, Config::default()).unwrap_err();
        assert!(
            matches!(error, Error::Open { .. }),
            "a newer format is not damage: {error:?}"
        );
    }
}
