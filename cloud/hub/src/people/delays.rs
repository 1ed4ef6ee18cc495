//! How long somebody must wait who was wrong before. Pure: counts and times come in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Slips of the finger cost nothing.
const FREE: u32 = 4;
const FIRST_MS: i64 = 30_000;
/// Long enough against guessing, short enough for a reader who is waited for.
const LONGEST_MS: i64 = 15 * 60_000;

/// An address may stand for a whole hospital.
const ADDRESS_FREE: u32 = 20;
/// Failures of an address are forgotten after this.
const ADDRESS_MEMORY_MS: i64 = 30 * 60_000;
/// More addresses than this at once: the oldest are forgotten.
const MOST_ADDRESSES: usize = 10_000;

/// Until when the account takes nothing, after its `count`th failure in a row at `now_ms`.
pub(crate) fn until(count: u32, now_ms: i64) -> i64 {
    now_ms + wait(count, FREE)
}

fn wait(count: u32, free: u32) -> i64 {
    match count.checked_sub(free + 1) {
        None => 0,
        Some(over) => FIRST_MS
            .checked_shl(over.min(16))
            .unwrap_or(LONGEST_MS)
            .min(LONGEST_MS),
    }
}

/// Failures by address, in memory only: who can restart the hub needs no other way in.
#[derive(Debug, Default)]
pub(super) struct Addresses(HashMap<IpAddr, Failures>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last_ms: i64,
}

impl Addresses {
    /// Whether something from there is looked at now.
    pub(super) fn may_try(&self, address: IpAddr, now_ms: i64) -> bool {
        self.0.get(&network(address)).is_none_or(|failures| {
            let waited = now_ms.saturating_sub(failures.last_ms);
            // A clock that was set back keeps nobody out for ever.
            waited < 0 || wait(failures.count, ADDRESS_FREE) <= waited
        })
    }

    pub(super) fn failed(&mut self, address: IpAddr, now_ms: i64) {
        self.0
            .retain(|_, failures| now_ms.saturating_sub(failures.last_ms) < ADDRESS_MEMORY_MS);
        if MOST_ADDRESSES <= self.0.len() {
            let oldest = self.0.iter().min_by_key(|(_, failures)| failures.last_ms);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.0.remove(&oldest);
            }
        }
        let failures = self.0.entry(network(address)).or_insert(Failures {
            count: 0,
            last_ms: now_ms,
        });
        failures.count = failures.count.saturating_add(1);
        failures.last_ms = now_ms;
    }
}

/// Who has one address of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_after_a_few_doubles_the_wait_up_to_its_longest() {
        let waits: Vec<_> = (0..=11).map(|count| until(count, 0) / 1000).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(until(u32::MAX, 5), 5 + LONGEST_MS);
    }

    #[test]
    fn an_address_that_fails_waits_and_others_do_not() {
        let mut addresses = Addresses::default();
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let near: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..ADDRESS_FREE {
            addresses.failed(one, 1000);
            assert!(addresses.may_try(near, 1000));
        }
        addresses.failed(near, 1000);
        assert!(!addresses.may_try(one, 1000 + FIRST_MS - 1));
        assert!(addresses.may_try(one, 1000 + FIRST_MS));
        assert!(addresses.may_try(other, 1000));
        assert!(addresses.may_try(one, 0), "the clock was set back");
        addresses.failed(other, 1000 + ADDRESS_MEMORY_MS);
        assert_eq!(addresses.0.len(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut addresses = Addresses::default();
        for number in 0..u32::try_from(MOST_ADDRESSES).unwrap() + 5 {
            addresses.failed(IpAddr::from(number.to_be_bytes()), i64::from(number));
        }
        assert_eq!(addresses.0.len(), MOST_ADDRESSES);
    }
}
