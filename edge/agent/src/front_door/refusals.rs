//! Who was not let in, for the audit log. Somebody who tries again and again is one entry in five minutes that says how often:
//! a port scan does not fill the log.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::audit::{Action, Actor, Entry, PeerLog};

/// The same again within this time is only counted.
const AGAIN: Duration = Duration::from_secs(300);
/// Addresses remembered at once; all further ones are one.
const MOST: usize = 256;
const MANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Since then, and not told.
    more: u64,
}

#[derive(Debug)]
pub(super) struct Refusals {
    log: PeerLog,
    told: Mutex<HashMap<(IpAddr, &'static str), Told>>,
}

impl Refusals {
    pub(super) fn new(log: PeerLog) -> Self {
        Self {
            log,
            told: Mutex::default(),
        }
    }

    /// `ae_title` is what the caller said, in printable characters.
    pub(super) async fn note(&self, ae_title: &str, address: IpAddr, why: &'static str) {
        if let Some(more) = self.is_new(address, why, Instant::now()) {
            let node = Actor::node(ae_title, &address.to_string(), None);
            self.log.note(vec![entry(node, address, why, more)]).await;
        }
    }

    /// What was only counted.
    pub(super) async fn write(&self) {
        let counted: Vec<_> = self.told().drain().filter(|(_, told)| 0 < told.more).collect();
        let entries = counted.into_iter().map(|((address, why), told)| {
            let node = Actor::node("", &address.to_string(), None);
            entry(node, address, why, told.more)
        });
        self.log.note(entries.collect()).await;
    }

    /// How many were counted since the last entry, where it is time for one.
    fn is_new(&self, address: IpAddr, why: &'static str, now: Instant) -> Option<u64> {
        let mut told = self.told();
        if MOST <= told.len() {
            told.retain(|_, told| 0 < told.more || now.saturating_duration_since(told.at) < AGAIN);
        }
        let key = match told.contains_key(&(address, why)) || told.len() < MOST {
            true => (address, why),
            false => (MANY, "many addresses"),
        };
        match told.get_mut(&key) {
            Some(known) if now.saturating_duration_since(known.at) < AGAIN => {
                known.more += 1;
                None
            }
            Some(known) => {
                known.at = now;
                Some(std::mem::take(&mut known.more))
            }
            None => {
                told.insert(key, Told { at: now, more: 0 });
                Some(0)
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, HashMap<(IpAddr, &'static str), Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(node: Actor, address: IpAddr, why: &str, more: u64) -> Entry {
    let more = match more {
        0 => String::new(),
        more => format!(", {more} times more since"),
    };
    Entry::new(node, Action::AssociationRefused)
        .subject(&address.to_string())
        .details(&format!("refused: {why}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_of_the_port_is_counted_and_not_written_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let refusals = Refusals::new(PeerLog::for_tests(folder.path()));
        let (begun, address) = (Instant::now(), IpAddr::from([10, 0, 0, 1]));
        assert_eq!(refusals.is_new(address, "unknown", begun), Some(0));
        for _ in 0..50 {
            assert_eq!(refusals.is_new(address, "unknown", begun), None);
        }
        assert_eq!(refusals.is_new(address, "another reason", begun), Some(0));
        assert_eq!(refusals.is_new(address, "unknown", begun + AGAIN), Some(50));
        let others = (0..2000u32).filter(|number| {
            let address = IpAddr::from(number.to_be_bytes());
            refusals.is_new(address, "unknown", begun + AGAIN).is_some()
        });
        assert!(others.count() <= MOST);
        assert!(refusals.told().len() <= MOST + 1);
    }
}
