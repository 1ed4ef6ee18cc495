//! By what the hub tells this box from another that has its identity: a new name at each start, and the names before it.
//!
//! A name is written down before the hub hears it, and stays until the hub has answered a later one: so the hub's last is always
//! among those that are told, also after a power cut between its word and ours. Without a line nothing is told, and nothing is
//! written.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use barefoot_wire::{MAX_FOLLOWS, START_BYTES};
use ring::rand::{SecureRandom, SystemRandom};

use super::machine;
use crate::durable;

const FILE: &str = "link.start";

type Start = [u8; START_BYTES];

/// What is told with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) start: Start,
    pub(super) follows: Vec<Start>,
    pub(super) machine: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Starts(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    named: Named,
    answered: bool,
}

impl Starts {
    /// This start, written down in `state`; `None` where it cannot be, since then the next one could not name it. Waits for the
    /// disk the first time.
    pub(super) fn name(&self, state: &Path, clinic: &str) -> Option<Named> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            let named = begin(state, clinic);
            if named.is_none() {
                tracing::warn!("The box's start could not be written down; the hub does not hear of it.");
            }
            *known = named.map(|named| Known {
                named,
                answered: false,
            });
        }
        known.as_ref().map(|known| known.named.clone())
    }

    /// The hub has answered a birth of this start: those before need not be named any more.
    pub(super) fn answered(&self, state: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.as_mut().filter(|known| !known.answered) else {
            return;
        };
        match durable::replace(&state.join(FILE), &known.named.start) {
            Ok(()) => known.answered = true,
            // All of them stay named, which says the same.
            Err(error) => tracing::warn!(%error, "What the hub answered could not be written down."),
        }
    }
}

fn begin(state: &Path, clinic: &str) -> Option<Named> {
    let path = state.join(FILE);
    let mut start = Start::default();
    SystemRandom::new().fill(&mut start).ok()?;
    let before = durable::read(&path).ok()?.unwrap_or_default();
    let (names, _) = before.as_chunks::<START_BYTES>();
    let newest = names.len().saturating_sub(MAX_FOLLOWS);
    let follows = names.get(newest..).unwrap_or_default().to_vec();
    let all = [follows.as_slice(), &[start]].concat();
    durable::replace(&path, all.as_flattened()).ok()?;
    Some(Named {
        start,
        follows,
        machine: machine::mark(clinic),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_names_what_the_hub_may_have_heard() {
        let dir = tempfile::tempdir().unwrap();
        let name = |starts: &Starts| starts.name(dir.path(), "clinic-7").unwrap();
        let (first, second, third, fourth) = (
            Starts::default(),
            Starts::default(),
            Starts::default(),
            Starts::default(),
        );
        let one = name(&first);
        assert!(one.follows.is_empty());
        assert_eq!(name(&first), one, "one name a start");
        let two = name(&second);
        assert_eq!(two.follows, [one.start], "it was told and not answered");
        second.answered(dir.path());
        second.answered(dir.path());
        let three = name(&third);
        assert_eq!(three.follows, [two.start]);
        assert_ne!(three.start, two.start);
        assert_eq!(name(&fourth).follows, [two.start, three.start]);
        for _ in 0..50 {
            assert!(name(&Starts::default()).follows.len() <= MAX_FOLLOWS);
        }
    }

    #[test]
    fn without_a_disk_nothing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        assert_eq!(Starts::default().name(&gone, "clinic-7"), None);
    }
}
