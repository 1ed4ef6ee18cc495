//! Which clinics are connected since when, when each was last heard, and how its box is.
//!
//! With its own endpoint the hub sees the sessions. Behind a broker it knows what boxes tell: a session's beginning, and
//! its end by the broker as its Last Will. Sessions are numbered by the box, so that a Will which comes late says nothing
//! of a newer session.
//!
//! What was told is kept in the archive; after a restart with an own endpoint a clinic is online again when it has
//! reconnected.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_domain::ClinicId;
use barefoot_wire::v1;
use tokio_util::sync::CancellationToken;

use crate::archive::LineRow;
use crate::changes::Changes;
use crate::clock::now_ms;

/// Behind a broker a box that never tells of its sessions counts as online for this long after a message.
const HEARD_RECENTLY_MS: i64 = 10 * 60 * 1000;

/// One that does tell is heard every few minutes; after this long its broker may have died with its Will.
const SILENT_MS: i64 = 30 * 60 * 1000;

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
    Unseen,
}

#[derive(Debug, Default)]
struct Entry {
    session: Option<(u64, CancellationToken)>,
    opened: u64,
    told: Option<Told>,
    /// Of the state it is in; `None` before anything was seen or told.
    since_ms: Option<i64>,
    last_seen_ms: i64,
    client_version: String,
    health: Option<(Arc<v1::BoxHealth>, i64)>,
}

/// What the box, or its Will, told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    session: u64,
    up: bool,
}

impl Told {
    /// Of one session its end is the last word; a newer session has the last word over an older one.
    fn yields_to(self, newer: Self) -> bool {
        self.session < newer.session || (self.session == newer.session && (self.up || !newer.up))
    }
}

/// One clinic as the page shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClinicState {
    pub(crate) clinic: ClinicId,
    pub(crate) online: bool,
    /// Whether `online` is known, not guessed from messages.
    pub(crate) known: bool,
    /// When it came to be so.
    pub(crate) since_ms: Option<i64>,
    pub(crate) last_seen_ms: i64,
    /// Empty where its box does not say.
    pub(crate) client_version: String,
    /// How its box was, and when it said so.
    pub(crate) health: Option<(Arc<v1::BoxHealth>, i64)>,
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
        lines: impl IntoIterator<Item = LineRow>,
    ) -> Self {
        let mut clinics = BTreeMap::<ClinicId, Entry>::new();
        for (clinic, last_seen_ms) in known {
            clinics.entry(clinic).or_default().last_seen_ms = last_seen_ms;
        }
        for line in lines {
            let entry = clinics.entry(line.clinic).or_default();
            entry.last_seen_ms = entry.last_seen_ms.max(line.heard_ms);
            entry.client_version = line.client_version;
            entry.health = line.health.map(|(health, at_ms)| (Arc::new(health), at_ms));
            entry.told = Some(Told {
                session: line.session,
                up: line.up,
            });
            // A session of the hub's own endpoint ended with the hub, at a moment that nobody wrote down.
            entry.since_ms = Some(match connection {
                Connection::Seen if line.up => entry.last_seen_ms,
                Connection::Seen | Connection::Unseen => line.since_ms,
            });
        }
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
            match &entry.session {
                Some((_, older)) => older.cancel(),
                None => entry.since_ms = Some(now_ms()),
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

    /// What a box, or its Will, says of a session. `false` when it is older news than what is known.
    pub(crate) fn told(&self, clinic: &ClinicId, presence: &v1::Presence) -> bool {
        let (now, told) = (
            now_ms(),
            Told {
                session: presence.session,
                up: presence.state() == v1::PresenceState::Up,
            },
        );
        let mut clinics = self.lock();
        let entry = clinics.entry(clinic.clone()).or_default();
        let before = entry.told;
        if before.is_some_and(|before| !before.yields_to(told)) {
            return false;
        }
        entry.told = Some(told);
        entry.last_seen_ms = now;
        entry.client_version.clone_from(&presence.client_version);
        if self.connection == Connection::Unseen && before != Some(told) {
            entry.since_ms = Some(now);
        }
        true
    }

    pub(crate) fn note_health(&self, clinic: &ClinicId, health: &v1::BoxHealth, at_ms: i64) {
        let mut clinics = self.lock();
        let entry = clinics.entry(clinic.clone()).or_default();
        entry.client_version.clone_from(&health.client_version);
        entry.health = Some((Arc::new(health.clone()), at_ms));
    }

    pub(crate) fn snapshot(&self) -> Vec<ClinicState> {
        let now = now_ms();
        self.lock()
            .iter()
            .map(|(clinic, entry)| ClinicState {
                clinic: clinic.clone(),
                online: match (self.connection, entry.told) {
                    (Connection::Seen, _) => entry.session.is_some(),
                    (Connection::Unseen, Some(told)) => told.up && now - entry.last_seen_ms < SILENT_MS,
                    (Connection::Unseen, None) => now - entry.last_seen_ms < HEARD_RECENTLY_MS,
                },
                known: self.connection == Connection::Seen || entry.told.is_some(),
                since_ms: entry.since_ms,
                last_seen_ms: entry.last_seen_ms,
                client_version: entry.client_version.clone(),
                health: entry.health.clone(),
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
            entry.since_ms = Some(entry.last_seen_ms);
        }
        self.presence.changes.announce();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_session_decides_whether_a_clinic_is_online() {
        let presence = Presence::new(Changes::new(), Connection::Seen, [], []);
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

    fn word(session: u64, state: v1::PresenceState) -> v1::Presence {
        v1::Presence {
            state: state.into(),
            session,
            client_version: "1.0.0".into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_late_will_says_nothing_of_a_newer_session() {
        use v1::PresenceState::{Down, Up};
        let presence = Presence::new(Changes::new(), Connection::Unseen, [], []);
        let clinic = ClinicId::new("clinic-7").unwrap();
        let state = || presence.snapshot().remove(0);
        assert!(presence.told(&clinic, &word(5, Up)));
        let since = state().since_ms;
        assert!(state().online && state().known && since.is_some());
        assert!(presence.told(&clinic, &word(5, Up)), "it still stands");
        assert_eq!(state().since_ms, since);
        assert!(presence.told(&clinic, &word(6, Up)));
        assert!(
            !presence.told(&clinic, &word(5, Down)),
            "the Will of the older session"
        );
        assert!(state().online);
        assert!(presence.told(&clinic, &word(6, Down)));
        assert!(!state().online);
        assert!(
            !presence.told(&clinic, &word(6, Up)),
            "an ended session does not come back"
        );
        assert!(!state().online);
    }

    #[test]
    fn what_was_told_outlives_the_hub() {
        let clinic = ClinicId::new("clinic-7").unwrap();
        let row = LineRow {
            clinic: clinic.clone(),
            session: 9,
            up: true,
            since_ms: now_ms() - 5_000,
            heard_ms: now_ms() - 1_000,
            client_version: "1.0.0".into(),
            health: None,
        };
        let behind = Presence::new(Changes::new(), Connection::Unseen, [], [row.clone()]);
        let state = behind.snapshot().remove(0);
        assert!(state.online && state.since_ms == Some(row.since_ms));
        assert!(!behind.told(&clinic, &word(8, v1::PresenceState::Down)));
        let own = Presence::new(Changes::new(), Connection::Seen, [], [row.clone()]);
        let state = own.snapshot().remove(0);
        assert!(!state.online && state.since_ms == Some(row.heard_ms));
    }

    use proptest::prelude::*;

    proptest! {
        /// In whatever order words come, the newest session's last word stands.
        #[test]
        fn the_order_of_arrival_does_not_matter(words in proptest::collection::vec((0u64..6, any::<bool>()), 1..20)) {
            let presence = Presence::new(Changes::new(), Connection::Unseen, [], []);
            let clinic = ClinicId::new("clinic-7").unwrap();
            for (session, up) in &words {
                let state = if *up { v1::PresenceState::Up } else { v1::PresenceState::Down };
                presence.told(&clinic, &word(*session, state));
            }
            let newest = words.iter().map(|(session, _)| *session).max().unwrap();
            let ended = words.iter().any(|(session, up)| *session == newest && !up);
            prop_assert_eq!(presence.snapshot()[0].online, !ended);
        }
    }
}
