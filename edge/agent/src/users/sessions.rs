use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use crate::study_folder::hex;

/// However busy: the next shift signs in for itself.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
const MOST: usize = 1000;
const TOKEN_BYTES: usize = 32;

/// Who is signed in on which tablet, in memory: a restart signs everybody out.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    idle: Duration,
    open: Arc<Mutex<HashMap<String, Session>>>,
}

#[derive(Debug)]
struct Session {
    user: String,
    since: Instant,
    used: Instant,
}

impl Sessions {
    /// `idle`: how long a tablet may lie about unused.
    #[must_use]
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            idle,
            open: Arc::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token for the browser; `None` when the random source fails.
    pub(crate) fn begin(&self, user: &str, now: Instant) -> Option<String> {
        let mut token = [0; TOKEN_BYTES];
        SystemRandom::new().fill(&mut token).ok()?;
        let token = hex(token.iter());
        let mut open = self.open();
        open.retain(|_, session| session.holds(self.idle, now));
        if MOST <= open.len() {
            let oldest = open.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                open.remove(&oldest);
            }
        }
        let session = Session {
            user: user.to_owned(),
            since: now,
            used: now,
        };
        open.insert(name_of(&token), session);
        Some(token)
    }

    /// Whose token it is. `is_used`: somebody is there, not just a page that refreshes itself.
    pub(crate) fn user(&self, token: &str, now: Instant, is_used: bool) -> Option<String> {
        let mut open = self.open();
        let session = open.get_mut(&name_of(token))?;
        if !session.holds(self.idle, now) {
            open.remove(&name_of(token));
            return None;
        }
        if is_used {
            session.used = now;
        }
        Some(session.user.clone())
    }

    pub(crate) fn end(&self, token: &str) {
        self.open().remove(&name_of(token));
    }

    /// Signs somebody out everywhere.
    pub(crate) fn end_all_of(&self, user: &str) {
        self.open().retain(|_, session| session.user != user);
    }
}

impl Session {
    fn holds(&self, idle: Duration, now: Instant) -> bool {
        now.duration_since(self.used) < idle && now.duration_since(self.since) < LONGEST
    }
}

/// What is looked up is not the token, so that no comparison tells anything of one.
fn name_of(token: &str) -> String {
    hex(digest::digest(&digest::SHA256, token.as_bytes()).as_ref().iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_unused_late_or_when_told() {
        let sessions = Sessions::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let token = sessions.begin("A", start).unwrap();
        assert_eq!(sessions.user("x", at(1), true), None);
        assert_eq!(sessions.user(&token, at(50), true).as_deref(), Some("A"));
        assert_eq!(sessions.user(&token, at(100), false).as_deref(), Some("A"));
        assert_eq!(
            sessions.user(&token, at(111), true),
            None,
            "a page that refreshes itself is nobody"
        );
        let token = sessions.begin("A", start).unwrap();
        for step in 0..732 {
            assert!(sessions.user(&token, at(step * 59), true).is_some(), "{step}");
        }
        assert_eq!(sessions.user(&token, at(12 * 3600), true), None);
        let (one, other) = (
            sessions.begin("A", start).unwrap(),
            sessions.begin("A", start).unwrap(),
        );
        sessions.end(&one);
        assert!(sessions.user(&one, start, true).is_none() && sessions.user(&other, start, true).is_some());
        sessions.end_all_of("A");
        assert!(sessions.user(&other, start, true).is_none());
    }
}
