use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_trust::Peer;

/// Places for connections whose peer is known. Each peer gets a few of them, so that no single certificate takes all.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    taken: Arc<Mutex<Taken>>,
    most: usize,
    most_per_peer: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<String, usize>,
}

/// One connection's place; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<Mutex<Taken>>,
    peer: String,
}

/// Why there is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("all places are taken")]
    All,
    #[error("{peer} has taken all places of one peer")]
    Peer { peer: String },
}

impl Places {
    pub(crate) fn new(most: usize, most_per_peer: usize) -> Self {
        Self {
            taken: Arc::default(),
            most,
            most_per_peer,
        }
    }

    pub(crate) fn take(&self, peer: &Peer) -> Result<Place, Full> {
        let peer = name(peer);
        let mut taken = lock(&self.taken);
        if self.most <= taken.all {
            return Err(Full::All);
        }
        let own = taken.by_peer.get(&peer).copied().unwrap_or_default();
        if self.most_per_peer <= own {
            return Err(Full::Peer { peer });
        }
        taken.all += 1;
        taken.by_peer.insert(peer.clone(), own + 1);
        drop(taken);
        Ok(Place {
            taken: Arc::clone(&self.taken),
            peer,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_peer.get_mut(&self.peer) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

/// A clinic and a person may have the same name.
fn name(peer: &Peer) -> String {
    match peer {
        Peer::Clinic(clinic) => format!("clinic {clinic}"),
        Peer::Person(person) => format!("{} {}", person.role.unit(), person.name),
    }
}

/// Whole after any panic: nothing between two changes can.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use barefoot_domain::ClinicId;
    use barefoot_trust::{Person, Role};

    use super::*;

    #[test]
    fn no_peer_takes_the_places_of_others_and_all_come_back() {
        let places = Places::new(3, 2);
        let clinic = Peer::Clinic(ClinicId::new("mara").unwrap());
        let person = Peer::Person(Person::new(Role::Maintainer, "mara").unwrap());
        let held = [places.take(&clinic).unwrap(), places.take(&clinic).unwrap()];
        let peer = "clinic mara".to_owned();
        assert_eq!(places.take(&clinic).unwrap_err(), Full::Peer { peer });
        let other = places.take(&person).unwrap();
        assert_eq!(places.take(&person).unwrap_err(), Full::All);
        drop((held, other));
        assert!(lock(&places.taken).by_peer.is_empty());
        let again = [&clinic, &clinic, &person].map(|peer| places.take(peer).unwrap());
        assert_eq!(places.take(&person).unwrap_err(), Full::All);
        drop(again);
    }
}
