//! Which clinics are connected, and when each was last heard.
//!
//! Memory only: after a restart the times are those of the last committed results, and a clinic is online again when
//! it has reconnected.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_domain::ClinicId;
use tokio_util::sync::CancellationToken;

use crate::changes::Changes;
use crate::clock::now_ms;

/// With an external broker the hub sees no connections: a clinic counts as online for this long after a message.
const HEARD_RECENTLY_MS: i64 = 10 * 60 * 1000;

#[derive(Debug, Clone)]
pub(crate) struct Presence {
    clinics: Arc<Mutex<BTreeMap<ClinicId, Entry>>>,
    changes: Changes,
    connection: Connection,
}

/// Whether the hub itself holds the clinics' sessions, as with its own endpoint, or a broker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    Seen,
    /// `online` then only means that the clinic sent something lately.
    Unseen,
}

#[derive(Debug, Default)]
struct Entry {
    session: Option<(u64, CancellationToken)>,
    opened: u64,
    last_seen_ms: i64,
}

/// One clinic as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClinicState {
    pub(crate) clinic: ClinicId,
    pub(crate) connection: Connection,
    pub(crate) online: bool,
    pub(crate) last_seen_ms: i64,
}

/// A clinic's one session; dropping it takes the clinic offline, unless a newer session has taken over.
#[derive(Debug)]
pub(crate) struct Session {
    presence: Presence,
    clinic: ClinicId,
    number: u64,
    taken_over: CancellationToken,
}

impl Presence {
    pub(crate) fn new(
        changes: Changes,
        connection: Connection,
        known: impl IntoIterator<Item = (ClinicId, i64)>,
    ) -> Self {
        let clinics = known
            .into_iter()
            .map(|(clinic, last_seen_ms)| {
                let entry = Entry {
                    last_seen_ms,
                    ..Entry::default()
                };
                (clinic, entry)
            })
            .collect();
        Self {
            clinics: Arc::new(Mutex::new(clinics)),
            changes,
            connection,
        }
    }

    /// Makes `clinic` online; its older session, if any, is told that it was taken over. `None` when `most` other
    /// clinics are online.
    pub(crate) fn open_session(&self, clinic: &ClinicId, most: usize) -> Option<Session> {
        let taken_over = CancellationToken::new();
        let number = {
            let mut clinics = self.lock();
            let others = clinics
                .iter()
                .filter(|(other, entry)| entry.session.is_some() && *other != clinic)
                .count();
            if most <= others {
                return None;
            }
            let entry = clinics.entry(clinic.clone()).or_default();
            if let Some((_, older)) = &entry.session {
                older.cancel();
            }
            entry.opened += 1;
            entry.session = Some((entry.opened, taken_over.clone()));
            entry.last_seen_ms = now_ms();
            entry.opened
        };
        self.changes.announce();
        Some(Session {
            presence: self.clone(),
            clinic: clinic.clone(),
            number,
            taken_over,
        })
    }

    /// Notes that `clinic` sent something.
    pub(crate) fn heard(&self, clinic: &ClinicId) {
        let now = now_ms();
        let mut clinics = self.lock();
        match clinics.get_mut(clinic) {
            Some(entry) => entry.last_seen_ms = now,
            None => clinics.entry(clinic.clone()).or_default().last_seen_ms = now,
        }
    }

    pub(crate) fn snapshot(&self) -> Vec<ClinicState> {
        let now = now_ms();
        self.lock()
            .iter()
            .map(|(clinic, entry)| ClinicState {
                clinic: clinic.clone(),
                connection: self.connection,
                online: match self.connection {
                    Connection::Seen => entry.session.is_some(),
                    Connection::Unseen => now - entry.last_seen_ms < HEARD_RECENTLY_MS,
                },
                last_seen_ms: entry.last_seen_ms,
            })
            .collect()
    }

    /// The map stays whole whatever a panicking holder did: every change to it is a single assignment.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClinicId, Entry>> {
        self.clinics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    pub(crate) fn clinic(&self) -> &ClinicId {
        &self.clinic
    }

    /// Returns once a newer session of the same clinic was opened.
    pub(crate) async fn taken_over(&self) {
        self.taken_over.cancelled().await;
    }

    pub(crate) fn heard(&self) {
        self.presence.heard(&self.clinic);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        {
            let mut clinics = self.presence.lock();
            let Some(entry) = clinics.get_mut(&self.clinic) else {
                return;
            };
            if entry
                .session
                .as_ref()
                .is_none_or(|(number, _)| *number != self.number)
            {
                return;
            }
            entry.session = None;
            entry.last_seen_ms = now_ms();
        }
        self.presence.changes.announce();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_session_decides_whether_a_clinic_is_online() {
        let presence = Presence::new(Changes::new(), Connection::Seen, []);
        let clinic = ClinicId::new("clinic-7").unwrap();
        let online = || presence.snapshot().iter().any(|state| state.online);
        let older = presence.open_session(&clinic, 1).unwrap();
        let newer = presence
            .open_session(&clinic, 1)
            .expect("its own older session does not count");
        assert!(
            presence
                .open_session(&ClinicId::new("clinic-8").unwrap(), 1)
                .is_none(),
            "full"
        );
        assert!(older.taken_over.is_cancelled() && !newer.taken_over.is_cancelled());
        drop(older);
        assert!(online(), "the older session's end changes nothing");
        drop(newer);
        assert!(!online());
        assert_eq!(presence.snapshot().len(), 1, "an offline clinic stays listed");
    }
}
