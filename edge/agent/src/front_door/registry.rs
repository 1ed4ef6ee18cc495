//! Who is inside: limits on associations, in all and for each scanner. An association that has been idle the longest
//! makes room for a newcomer, so that forgotten ones never keep a scanner out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handoff::AssociationId;

/// Pauses between two images are shorter; who has said nothing for so long can be asked to leave.
const RESTING: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Entry {
    /// Address and AE title, once the association is established.
    scanner: Option<String>,
    /// Since when it waits for its peer; `None` while a message is under way.
    idle_since: Option<Instant>,
    cut: CancellationToken,
}

#[derive(Debug)]
struct Inner {
    max_associations: usize,
    max_per_scanner: usize,
    entries: Mutex<HashMap<AssociationId, Entry>>,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Registry(Arc<Inner>);

/// One association's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    registry: Registry,
    id: AssociationId,
    cut: CancellationToken,
}

impl Registry {
    pub(super) fn new(max_associations: usize, max_per_scanner: usize) -> Self {
        Self(Arc::new(Inner {
            max_associations,
            max_per_scanner,
            entries: Mutex::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AssociationId, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection; `None` when all are taken and everybody is busy.
    pub(super) fn enter(&self, id: AssociationId, now: Instant) -> Option<Place> {
        let mut entries = self.lock();
        if self.0.max_associations <= entries.len() && !make_room(&mut entries, now, |_| true) {
            return None;
        }
        let cut = CancellationToken::new();
        let entry = Entry {
            scanner: None,
            idle_since: Some(now),
            cut: cut.clone(),
        };
        entries.insert(id, entry);
        Some(Place {
            registry: self.clone(),
            id,
            cut,
        })
    }
}

/// Cuts the association that has been idle the longest among those that `meant` names.
fn make_room(
    entries: &mut HashMap<AssociationId, Entry>,
    now: Instant,
    meant: impl Fn(&Entry) -> bool,
) -> bool {
    let longest = entries
        .iter()
        .filter(|(_, entry)| meant(entry))
        .filter_map(|(id, entry)| Some((entry.idle_since?, *id)))
        .filter(|(since, _)| RESTING <= now.saturating_duration_since(*since))
        .min_by_key(|(since, _)| *since);
    let Some(gone) = longest.and_then(|(_, id)| entries.remove(&id)) else {
        return false;
    };
    gone.cut.cancel();
    true
}

impl Place {
    /// The association is established; `false` when its scanner has too many that are busy.
    pub(super) fn establish(&self, scanner: &str, now: Instant) -> bool {
        let mut entries = self.registry.lock();
        let of_scanner = |entry: &Entry| entry.scanner.as_deref() == Some(scanner);
        let count = entries.values().filter(|entry| of_scanner(entry)).count();
        if self.registry.0.max_per_scanner <= count && !make_room(&mut entries, now, of_scanner) {
            return false;
        }
        if let Some(entry) = entries.get_mut(&self.id) {
            entry.scanner = Some(scanner.to_owned());
        }
        true
    }

    /// `None`: a message is under way.
    pub(super) fn set_idle(&self, since: Option<Instant>) {
        if let Some(entry) = self.registry.lock().get_mut(&self.id) {
            entry.idle_since = since;
        }
    }

    /// Cancelled when somebody else needs the place.
    pub(super) fn cut(&self) -> &CancellationToken {
        &self.cut
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> AssociationId {
        AssociationId(n)
    }

    #[test]
    fn the_longest_idle_makes_room_and_the_busy_never_do() {
        let registry = Registry::new(2, 2);
        let start = Instant::now();
        let first = registry.enter(id(1), start).unwrap();
        let second = registry.enter(id(2), start + RESTING / 2).unwrap();
        assert!(
            registry.enter(id(3), start + RESTING / 2).is_none(),
            "nobody has rested long enough"
        );
        first.set_idle(None);
        let third = registry.enter(id(3), start + 2 * RESTING).unwrap();
        assert!(second.cut().is_cancelled() && !first.cut().is_cancelled());
        third.set_idle(None);
        assert!(registry.enter(id(4), start + 9 * RESTING).is_none());
        drop(first);
        assert!(registry.enter(id(4), start + 9 * RESTING).is_some());
    }

    #[test]
    fn a_scanner_with_too_many_loses_its_own_oldest_only() {
        let registry = Registry::new(10, 1);
        let start = Instant::now();
        let other = registry.enter(id(1), start).unwrap();
        assert!(other.establish("OTHER", start));
        let first = registry.enter(id(2), start + RESTING).unwrap();
        assert!(first.establish("CT", start + RESTING));
        let second = registry.enter(id(3), start + RESTING).unwrap();
        assert!(
            !second.establish("CT", start + RESTING),
            "the first was active just now"
        );
        assert!(second.establish("CT", start + 2 * RESTING));
        assert!(first.cut().is_cancelled() && !other.cut().is_cancelled());
    }
}
