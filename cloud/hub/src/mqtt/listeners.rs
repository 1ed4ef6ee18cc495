use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::worklist::alarms::AlarmFeed;

/// Most that listen at once; a region has a few duty rooms.
const MOST: usize = 64;

/// Who listens to alarms, by the name of their certificate.
#[derive(Debug, Clone)]
pub(super) struct Listeners {
    feed: AlarmFeed,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    opened: u64,
    sessions: HashMap<String, (u64, CancellationToken)>,
}

/// A listener's one session; dropping it makes room, unless a newer session has taken over.
#[derive(Debug)]
pub(super) struct Listening {
    listeners: Listeners,
    name: String,
    number: u64,
    taken_over: CancellationToken,
}

impl Listeners {
    pub(super) fn new(feed: AlarmFeed) -> Self {
        Self {
            feed,
            open: Arc::default(),
        }
    }

    /// An older session of the same name, if any, is told that it was taken over. `None` when there are too many others.
    pub(super) fn open(&self, name: &str) -> Option<Listening> {
        let taken_over = CancellationToken::new();
        let mut open = self.lock();
        if MOST <= open.sessions.len() && !open.sessions.contains_key(name) {
            return None;
        }
        open.opened += 1;
        let number = open.opened;
        let older = open
            .sessions
            .insert(name.to_owned(), (number, taken_over.clone()));
        if let Some((_, older)) = older {
            older.cancel();
        }
        Some(Listening {
            listeners: self.clone(),
            name: name.to_owned(),
            number,
            taken_over,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listening {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn feed(&self) -> &AlarmFeed {
        &self.listeners.feed
    }

    /// Returns when a newer session of the same name began.
    pub(super) async fn taken_over(&self) {
        self.taken_over.cancelled().await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut open = self.listeners.lock();
        if open
            .sessions
            .get(&self.name)
            .is_some_and(|(number, _)| *number == self.number)
        {
            open.sessions.remove(&self.name);
        }
    }
}
