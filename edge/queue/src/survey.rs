//! The look through the store at opening: every record checked, the counts rebuilt, damage found and cleared away.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::StoreError;
use crate::layout::{self, Entry, KeyValue, Meta, Place};
use crate::ledger::Ledger;
use crate::mark::Mark;
use crate::reading;
use crate::store::{Store, Writes};

/// Keys written at once while clearing away; small like every commit.
const CLEARING_KEYS: usize = 64;

/// What a store lost or garbled. Whatever is named or counted here must be queued again from its source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// Records found damaged. Those found at opening were removed.
    pub records: Vec<DamagedRecord>,
    /// Commits that were made and that the store no longer knows.
    pub lost_commits: u64,
    /// Records that the store counted and that left no trace.
    pub missing_records: u64,
}

impl Damage {
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRecord {
    /// 0 when not even that can be told.
    pub sequence: u64,
    /// As far as the index still tells.
    pub id: Option<String>,
    pub flaw: Flaw,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("a part is missing")]
    MissingPart,
    #[error("a part's checksum is wrong")]
    Checksum,
    #[error("its head makes no sense")]
    Malformed,
    #[error("its id belongs to another record")]
    Duplicate,
}

/// Reads the whole store, repairs the index, removes what is damaged.
pub(crate) fn survey(store: &dyn Store, mark: &Mark) -> Result<(Ledger, Damage), StoreError> {
    let meta = read_meta(store)?;
    let mut findings = Findings::default();
    for place in Place::all() {
        findings.look_through(store, place)?;
    }
    findings.check_index(store)?;

    let Findings {
        mut ledger,
        damaged,
        fixes,
        highest_sequence,
        whole,
        ..
    } = findings;
    ledger.commit = meta.commit;
    ledger.next_sequence = [1, mark.ceiling(), meta.next_sequence, highest_sequence + 1]
        .into_iter()
        .fold(0, u64::max);
    let damage = Damage {
        lost_commits: mark.commit().saturating_sub(meta.commit),
        missing_records: (meta.pending + meta.aside).saturating_sub(whole + damaged.len() as u64),
        records: damaged,
    };
    if !damage.is_none() || !fixes.is_empty() {
        clear_away(store, &mut ledger, fixes)?;
    }
    Ok((ledger, damage))
}

fn read_meta(store: &dyn Store) -> Result<Meta, StoreError> {
    let Some(value) = store.get(&layout::meta_key())? else {
        return Ok(Meta::default());
    };
    match layout::format_of(&value) {
        Some(found) if found != layout::FORMAT => Err(StoreError::Format {
            found,
            known: layout::FORMAT,
        }),
        _ => layout::decode_meta(&value).ok_or(StoreError::Meta),
    }
}

/// The meta record goes last: should this be cut short, the next opening finds and reports the rest.
fn clear_away(store: &dyn Store, ledger: &mut Ledger, fixes: Writes) -> Result<(), StoreError> {
    ledger.commit += 1;
    let meta = (layout::meta_key(), Some(layout::encode_meta(ledger.meta())));
    let mut fixes = fixes.into_iter().chain([meta]).peekable();
    while fixes.peek().is_some() {
        store.apply(&fixes.by_ref().take(CLEARING_KEYS).collect())?;
        store.sync()?;
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Findings {
    ledger: Ledger,
    damaged: Vec<DamagedRecord>,
    damaged_at: HashMap<u64, usize>,
    fixes: Writes,
    /// Ids whose index entry was missing or wrong.
    reindexed: HashSet<String>,
    whole: u64,
    highest_sequence: u64,
}

impl Findings {
    fn look_through(&mut self, store: &dyn Store, place: Place) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        reading::each_record(store, place, &|_| true, &mut |sequence, parts| {
            outcome = self.look_at(store, place, sequence, parts);
            match outcome {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        outcome
    }

    fn look_at(
        &mut self,
        store: &dyn Store,
        place: Place,
        sequence: u64,
        parts: &[KeyValue],
    ) -> Result<(), StoreError> {
        self.highest_sequence = self.highest_sequence.max(sequence);
        let whole = match layout::assemble(place, sequence, parts) {
            Ok(whole) => whole,
            Err(flaw) => {
                self.found_damaged(sequence, None, flaw, parts);
                return Ok(());
            }
        };
        let (entry, _) = layout::encode_record(place, &whole.record, &whole.reason);
        let id = &whole.record.id;
        match indexed(store, id)? {
            _ if self.reindexed.contains(id) => {
                self.found_damaged(sequence, Some(id.clone()), Flaw::Duplicate, parts);
                return Ok(());
            }
            Some(found) if found == entry => {}
            Some(found) if found.sequence != sequence && is_there(store, found)? => {
                self.found_damaged(sequence, Some(id.clone()), Flaw::Duplicate, parts);
                return Ok(());
            }
            _ => {
                let (key, value) = layout::encode_entry(id, entry);
                self.fixes.insert(key, Some(value));
                self.reindexed.insert(id.clone());
            }
        }
        self.whole += 1;
        self.ledger.added(
            place,
            sequence,
            id,
            whole.record.queued_at_ms,
            whole.record.payload.len() as u64,
        );
        Ok(())
    }

    fn found_damaged(&mut self, sequence: u64, id: Option<String>, flaw: Flaw, parts: &[KeyValue]) {
        self.damaged_at.insert(sequence, self.damaged.len());
        self.damaged.push(DamagedRecord { sequence, id, flaw });
        self.fixes
            .extend(parts.iter().map(|(key, _)| (key.clone(), None)));
    }

    /// Index entries that lead to nothing. On a sound store counting them is enough.
    fn check_index(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let mut entries = 0;
        each_entry(store, &mut |_, _| {
            entries += 1;
            Ok(())
        })?;
        if entries == self.whole && self.damaged.is_empty() && self.reindexed.is_empty() {
            return Ok(());
        }
        each_entry(store, &mut |key, value| self.check_entry(store, key, value))
    }

    fn check_entry(&mut self, store: &dyn Store, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let id = layout::id_of_index_key(key).map(str::to_owned);
        if id.as_ref().is_some_and(|id| self.reindexed.contains(id)) {
            return Ok(());
        }
        let entry = layout::decode_entry(key, value);
        let known = entry
            .and_then(|entry| self.damaged_at.get(&entry.sequence))
            .and_then(|at| self.damaged.get_mut(*at));
        if let Some(damaged) = known {
            damaged.id = id;
        } else if let Some(entry) = entry
            && is_there(store, entry)?
        {
            return Ok(());
        } else {
            self.damaged.push(DamagedRecord {
                sequence: entry.map_or(0, |entry| entry.sequence),
                id,
                flaw: Flaw::MissingPart,
            });
        }
        self.fixes.insert(key.to_vec(), None);
        Ok(())
    }
}

type EntryVisit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

fn indexed(store: &dyn Store, id: &str) -> Result<Option<Entry>, StoreError> {
    let key = layout::index_key(id);
    Ok(store
        .get(&key)?
        .and_then(|value| layout::decode_entry(&key, &value)))
}

fn is_there(store: &dyn Store, entry: Entry) -> Result<bool, StoreError> {
    let first = layout::part_key(entry.place, entry.sequence, 0);
    Ok(store.get(&first)?.is_some())
}

fn each_entry(store: &dyn Store, visit: &mut EntryVisit<'_>) -> Result<(), StoreError> {
    let range = layout::index_range();
    let mut outcome = Ok(());
    store.scan(&range.start, &range.end, &mut |key, value| {
        outcome = visit(key, value);
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    outcome
}
