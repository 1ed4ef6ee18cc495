//! A commit in the making: actions in, writes out. Reads the store, changes nothing in it.

use crate::layout::{self, Entry, Place, Whole};
use crate::ledger::Ledger;
use crate::store::{Store, Writes};
use crate::{Config, Lane, Record, StoreError, reading};

/// What a user of the queue asks for.
#[derive(Debug)]
pub(crate) enum Action {
    Append {
        lane: Lane,
        id: String,
        payload: Vec<u8>,
        now_ms: u64,
    },
    Receipt {
        id: String,
    },
    SetAside {
        id: String,
        reason: String,
    },
}

impl Action {
    /// Roughly the bytes it adds to its commit.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Append { payload, .. } => payload.len(),
            // Its size is not known before it is read.
            Self::SetAside { .. } => Config::LARGEST_RECORD / 2,
            Self::Receipt { .. } => 0,
        }
    }
}

/// The answer of an action on an id that is not in the queue. Sequences start at 1.
pub(crate) const NO_RECORD: u64 = 0;

#[derive(Debug)]
pub(crate) struct Draft<'a> {
    store: &'a dyn Store,
    ledger: &'a mut Ledger,
    telemetry_limit: usize,
    writes: Writes,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(store: &'a dyn Store, ledger: &'a mut Ledger, telemetry_limit: usize) -> Self {
        Self {
            store,
            ledger,
            telemetry_limit,
            writes: Writes::new(),
        }
    }

    /// The sequence of the record concerned, or [`NO_RECORD`].
    pub(crate) fn perform(&mut self, action: Action) -> Result<u64, StoreError> {
        match action {
            Action::Append {
                lane,
                id,
                payload,
                now_ms,
            } => self.append(lane, id, payload, now_ms),
            Action::Receipt { id } => self.remove(&id),
            Action::SetAside { id, reason } => self.set_aside(&id, &reason),
        }
    }

    /// What to write: nothing when no action changed anything.
    pub(crate) fn into_writes(mut self) -> Option<Writes> {
        if self.writes.is_empty() {
            return None;
        }
        self.ledger.commit += 1;
        self.writes
            .insert(layout::meta_key(), Some(layout::encode_meta(self.ledger.meta())));
        Some(self.writes)
    }

    fn append(&mut self, lane: Lane, id: String, payload: Vec<u8>, now_ms: u64) -> Result<u64, StoreError> {
        if let Some(entry) = self.entry(&id)? {
            return Ok(entry.sequence);
        }
        let sequence = self.ledger.next_sequence;
        self.ledger.next_sequence += 1;
        self.put(
            Place::Lane(lane),
            &Record {
                sequence,
                lane,
                id,
                queued_at_ms: now_ms,
                payload,
            },
            "",
        );
        while let Some(oldest) = self.ledger.drop_telemetry_over(self.telemetry_limit) {
            self.remove(&oldest)?;
        }
        Ok(sequence)
    }

    fn remove(&mut self, id: &str) -> Result<u64, StoreError> {
        let Some(entry) = self.entry(id)? else {
            return Ok(NO_RECORD);
        };
        for part in 0..entry.parts {
            self.writes
                .insert(layout::part_key(entry.place, entry.sequence, part), None);
        }
        self.writes.insert(layout::index_key(id), None);
        self.ledger
            .removed(entry.place, entry.sequence, u64::from(entry.payload_bytes));
        Ok(entry.sequence)
    }

    fn set_aside(&mut self, id: &str, reason: &str) -> Result<u64, StoreError> {
        let Some(entry) = self.entry(id)? else {
            return Ok(NO_RECORD);
        };
        if entry.place == Place::Aside {
            return Ok(entry.sequence);
        }
        // A record that cannot be read whole cannot be kept; it is reported where it is met in its lane.
        let Some(whole) = self.whole(entry)? else {
            return Ok(NO_RECORD);
        };
        self.remove(id)?;
        self.put(Place::Aside, &whole.record, reason);
        Ok(entry.sequence)
    }

    fn put(&mut self, place: Place, record: &Record, reason: &str) {
        let (entry, parts) = layout::encode_record(place, record, reason);
        self.writes
            .extend(parts.into_iter().map(|(key, value)| (key, Some(value))));
        let (key, value) = layout::encode_entry(&record.id, entry);
        self.writes.insert(key, Some(value));
        self.ledger.added(
            place,
            record.sequence,
            &record.id,
            record.queued_at_ms,
            u64::from(entry.payload_bytes),
        );
    }

    /// The index as it will be after this commit.
    fn entry(&self, id: &str) -> Result<Option<Entry>, StoreError> {
        let key = layout::index_key(id);
        let value = match self.writes.get(&key) {
            Some(drafted) => drafted.clone(),
            None => self.store.get(&key)?,
        };
        Ok(value.and_then(|value| layout::decode_entry(&key, &value)))
    }

    fn whole(&self, entry: Entry) -> Result<Option<Whole>, StoreError> {
        let drafted: Vec<_> = self
            .writes
            .range(layout::record_range(entry.place, entry.sequence))
            .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
            .collect();
        if !drafted.is_empty() {
            return Ok(layout::assemble(entry.place, entry.sequence, &drafted).ok());
        }
        let stored = reading::record(self.store, entry.place, entry.sequence)?;
        Ok(stored.and_then(Result::ok))
    }
}
