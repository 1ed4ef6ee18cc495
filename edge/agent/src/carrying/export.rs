use std::fmt;
use std::str::FromStr;

use barefoot_queue::{Lane, Record};
use barefoot_trust::{Purpose, Reader};
use barefoot_wire::{
    MAX_BATCH_BYTES, MAX_BATCH_ENVELOPES, Packing, encode_batch, encode_carried_results, v1,
};
use prost::Message;

use super::{Carrying, Error};
use crate::clock::now_ms;
use crate::hub_certificate;

/// What goes by hand, in the order of urgency. Images are too large for it, and what this box tells of itself too old.
const LANES: [Lane; 3] = [Lane::Critical, Lane::Reports, Lane::Results];

/// Records in one file; a second file holds the next ones.
const MOST_RECORDS: usize = if cfg!(test) { 5 } else { 20_000 };

/// How many are read from the queue at once.
const READ_AT_ONCE: usize = 512;

/// How far an export has come: everything up to this record of this lane is in earlier files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    lane: usize,
    sequence: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.lane, self.sequence)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (lane, sequence) = text.split_once('-').ok_or(())?;
        Ok(Self {
            lane: lane.parse().map_err(|_| ())?,
            sequence: sequence.parse().map_err(|_| ())?,
        })
    }
}

/// One sealed file.
pub(crate) struct Part {
    pub file: Vec<u8>,
    pub records: usize,
    /// The first and the last record in it.
    pub span: Option<(Place, Place)>,
    /// Where the next file begins; `None` when this is the last.
    pub next: Option<Place>,
}

impl Carrying {
    /// What waits behind `after`, sealed for the hub. Blocking.
    ///
    /// # Errors
    /// When the policy forbids it, the hub's certificate is not known, or the queue cannot be read.
    pub(crate) fn export(&self, after: Option<Place>) -> Result<Part, Error> {
        if !self.policy.get().hub.stick {
            return Err(Error::Policy);
        }
        let reader =
            hub_certificate::reader(&self.state, &self.identity).map_err(|source| Error::Hub { source })?;
        self.export_for(&reader, after)
    }

    fn export_for(&self, reader: &Reader, after: Option<Place>) -> Result<Part, Error> {
        let (mut frames, mut open) = (Vec::new(), OpenBatch::default());
        let (mut records, mut first, mut last) = (0, None, None);
        let mut at = after.unwrap_or(Place { lane: 0, sequence: 0 });
        while let Some(lane) = LANES.get(at.lane) {
            let room = READ_AT_ONCE.min(MOST_RECORDS - records);
            let found = self
                .queue
                .pending_of(&[*lane], room, |sequence| sequence <= at.sequence)
                .map_err(|source| Error::Queue { source })?;
            if found.is_empty() {
                at = Place {
                    lane: at.lane + 1,
                    sequence: 0,
                };
                continue;
            }
            for record in found {
                at.sequence = at.sequence.max(record.sequence);
                // One that cannot be read is the line's to set aside.
                let Some(envelope) = self.stamped(&record) else {
                    continue;
                };
                if let Some(full) = open.add(envelope) {
                    frames.push(full);
                }
                records += 1;
                first = first.or(Some(at));
                last = Some(at);
            }
            if MOST_RECORDS <= records {
                break;
            }
        }
        frames.extend(open.close());
        let content = encode_carried_results(frames, now_ms());
        let file = self
            .identity
            .seal(Purpose::Results, reader, &content)
            .map_err(|source| Error::Seal { source })?;
        Ok(Part {
            file,
            records,
            span: first.zip(last),
            next: (MOST_RECORDS <= records).then_some(at),
        })
    }

    fn stamped(&self, record: &Record) -> Option<Vec<u8>> {
        let mut envelope = v1::Envelope::decode(record.payload.as_slice()).ok()?;
        envelope.sequence = record.sequence;
        envelope.sent_at_ms = now_ms();
        envelope.clock_offset_ms = self.hub_clock.offset_ms(envelope.sent_at_ms);
        Some(envelope.encode_to_vec())
    }
}

/// A batch being filled.
#[derive(Default)]
struct OpenBatch {
    envelopes: Vec<Vec<u8>>,
    bytes: usize,
}

impl OpenBatch {
    /// The batch before it, when this envelope does not fit into it any more.
    fn add(&mut self, envelope: Vec<u8>) -> Option<Vec<u8>> {
        // Each envelope is preceded by its tag and length.
        let bytes = envelope.len() + 8;
        let fits = self.envelopes.len() < MAX_BATCH_ENVELOPES && self.bytes + bytes <= MAX_BATCH_BYTES;
        let full = if fits { None } else { self.close() };
        self.bytes += bytes;
        self.envelopes.push(envelope);
        full
    }

    fn close(&mut self) -> Option<Vec<u8>> {
        self.bytes = 0;
        let envelopes = std::mem::take(&mut self.envelopes);
        // Without the dictionary: nobody can be asked whether the hub has it.
        (!envelopes.is_empty()).then(|| encode_batch(envelopes, Packing::Zstd))
    }
}
