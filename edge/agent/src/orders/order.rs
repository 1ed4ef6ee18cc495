//! One order: one patient, one examination, one step of it on one scanner.

use std::fmt;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderState {
    Scheduled,
    /// A scanner said that it has begun.
    Started,
    Done,
    Cancelled,
}

impl OrderState {
    /// Scanners may still ask for it.
    pub(crate) fn is_listed(self) -> bool {
        matches!(self, Self::Scheduled | Self::Started)
    }
}

/// What was ordered. Identity: `Debug` says nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Ours, a ULID.
    pub id: String,
    pub state: OrderState,
    pub changed_at_ms: i64,
    pub study_uid: String,
    pub wish: Wish,
}

/// What somebody wished, without what we made of it. Empty text: not said.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wish {
    /// The ordering system's number, by which it changes or takes back; empty for the form's orders.
    pub placer: String,
    pub filler: String,
    pub accession: String,
    /// Empty: we give one.
    #[serde(default)]
    pub study_uid: String,
    pub patient: Patient,
    pub referring_physician: String,
    pub requesting_physician: String,
    pub requesting_service: String,
    pub procedure_id: String,
    pub description: String,
    pub code: Code,
    pub reason: String,
    /// `STAT`, `HIGH`, `ROUTINE`, `MEDIUM` or `LOW`.
    pub priority: String,
    pub admission_id: String,
    pub location: String,
    pub step_id: String,
    pub modality: String,
    /// Empty: whichever scanner asks.
    pub station_ae: String,
    /// `YYYYMMDD`.
    pub date: String,
    /// `HHMM` or `HHMMSS`.
    pub time: String,
    pub performer: String,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Patient {
    /// As DICOM writes names: components parted by `^`, groups by `=`.
    pub name: String,
    pub id: String,
    pub id_issuer: String,
    pub birth_date: String,
    pub sex: String,
    /// Kilograms.
    pub weight: String,
    pub allergies: String,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    pub value: String,
    pub scheme: String,
    pub meaning: String,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wish(redacted)")
    }
}

impl Order {
    /// Gives the numbers that were not given.
    pub(crate) fn new(mut wish: Wish, now_ms: i64) -> Self {
        let id = Ulid::generate().to_string();
        // Fourteen of the ULID's characters: time, and some of its random ones. SH takes sixteen.
        let number = format!("B{}", id.get(..14).unwrap_or(&id));
        for missing in [&mut wish.accession, &mut wish.procedure_id, &mut wish.step_id] {
            if missing.is_empty() {
                missing.clone_from(&number);
            }
        }
        Self {
            id,
            state: OrderState::Scheduled,
            changed_at_ms: now_ms,
            study_uid: if wish.study_uid.is_empty() {
                fresh_uid()
            } else {
                wish.study_uid.clone()
            },
            wish,
        }
    }

    /// Takes another wish in; numbers that were given once stay where the new one is silent.
    pub(crate) fn change(&mut self, mut wish: Wish, now_ms: i64) {
        for (new, old) in [
            (&mut wish.accession, &self.wish.accession),
            (&mut wish.procedure_id, &self.wish.procedure_id),
            (&mut wish.step_id, &self.wish.step_id),
        ] {
            if new.is_empty() {
                new.clone_from(old);
            }
        }
        if self.wish != wish {
            self.wish = wish;
            self.changed_at_ms = now_ms;
        }
    }
}

/// A UUID as a UID (PS3.5 annex B.2).
fn fresh_uid() -> String {
    let random: u128 = rand::random();
    let uuid = random & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    format!("2.25.{uuid}")
}
