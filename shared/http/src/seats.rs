//! One seat a connection.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::Limits;

/// All seats are taken, and on each a request is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("every place is taken")]
pub(crate) struct Full;

/// The seats of a port; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Seats {
    taken: Arc<Mutex<Vec<Arc<State>>>>,
    most: usize,
    most_per_address: Option<usize>,
    begun: Instant,
}

#[derive(Debug)]
struct State {
    address: IpAddr,
    /// When something last moved, in milliseconds since the port was opened.
    moved_ms: AtomicU64,
    /// Requests whose answer is not yet whole.
    working: AtomicUsize,
    lost: CancellationToken,
}

/// A connection's seat; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    state: Arc<State>,
}

/// A request is being answered; its connection makes room for nobody meanwhile.
#[derive(Debug)]
pub(crate) struct Working(Arc<State>);

impl Seats {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            taken: Arc::default(),
            most: limits.connections,
            most_per_address: limits.per_address,
            begun: Instant::now(),
        }
    }

    pub(crate) fn take(&self, address: IpAddr) -> Result<Seat, Full> {
        let address = caller(address);
        let mut taken = self.lock();
        let own = taken.iter().filter(|seat| seat.address == address).count();
        if self.most_per_address.is_some_and(|most| most <= own) {
            make_room(&mut taken, |seat| seat.address == address)?;
        } else if self.most <= taken.len() {
            make_room(&mut taken, |_| true)?;
        }
        let state = Arc::new(State {
            address,
            moved_ms: AtomicU64::new(self.now_ms()),
            working: AtomicUsize::new(0),
            lost: CancellationToken::new(),
        });
        taken.push(Arc::clone(&state));
        drop(taken);
        Ok(Seat {
            seats: self.clone(),
            state,
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whole after any panic: every change is one call on the list.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<State>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever owns one IPv6 address owns the other ones of its network too.
fn caller(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            const NETWORK: u128 = u128::MAX << 64;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK))
        }
        v4 => v4,
    }
}

fn make_room(taken: &mut Vec<Arc<State>>, may_go: impl Fn(&State) -> bool) -> Result<(), Full> {
    let (at, _) = taken
        .iter()
        .enumerate()
        .filter(|(_, seat)| may_go(seat) && seat.working.load(Ordering::Relaxed) == 0)
        .min_by_key(|(_, seat)| seat.moved_ms.load(Ordering::Relaxed))
        .ok_or(Full)?;
    taken.swap_remove(at).lost.cancel();
    Ok(())
}

impl Seat {
    /// Bytes came or went.
    pub(crate) fn moved(&self) {
        self.state.moved_ms.store(self.seats.now_ms(), Ordering::Relaxed);
    }

    pub(crate) fn work(&self) -> Working {
        self.state.working.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(&self.state))
    }

    /// Returns when the seat went to somebody else.
    pub(crate) async fn lost(&self) {
        self.state.lost.cancelled().await;
    }

    /// Returns once nothing has moved for so long.
    pub(crate) async fn quiet_for(&self, long: Duration) {
        loop {
            let moved = Duration::from_millis(self.state.moved_ms.load(Ordering::Relaxed));
            let quiet = self.seats.begun.elapsed().saturating_sub(moved);
            match long.checked_sub(quiet) {
                None | Some(Duration::ZERO) => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().retain(|one| !Arc::ptr_eq(one, &self.state));
    }
}

impl Working {
    /// The connection became something else than HTTP and stays busy to its end.
    pub(crate) fn for_ever(self) {
        self.0.working.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test whose assumption breaks must stop")]

    use super::*;

    fn seats(connections: usize, per_address: Option<usize>) -> Seats {
        Seats::new(&Limits {
            connections,
            per_address,
            ..Limits::for_pages()
        })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_one_quiet_for_longest_makes_room_and_none_that_works() {
        let seats = seats(3, None);
        let [a, b, c] = [1, 2, 3].map(|last| seats.take(address(last)).unwrap());
        for (seat, moved) in [(&a, 5), (&b, 1), (&c, 3)] {
            seat.state.moved_ms.store(moved, Ordering::Relaxed);
        }
        let answering = b.work();
        let d = seats.take(address(4)).unwrap();
        assert!(
            c.state.lost.is_cancelled(),
            "quiet for longer than a, and b works"
        );
        assert!(!a.state.lost.is_cancelled() && !b.state.lost.is_cancelled());
        let all: Vec<Working> = [&a, &d].map(Seat::work).into();
        assert_eq!(seats.take(address(5)).unwrap_err(), Full);
        drop((all, answering));
        assert!(seats.take(address(5)).is_ok());
    }

    #[test]
    fn an_address_takes_no_more_than_its_own() {
        let seats = seats(8, Some(2));
        let other = seats.take(address(9)).unwrap();
        let held: Vec<Seat> = (0..2).map(|_| seats.take(address(1)).unwrap()).collect();
        let third = seats.take("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(
            held.iter().filter(|seat| seat.state.lost.is_cancelled()).count(),
            1
        );
        assert!(!other.state.lost.is_cancelled() && !third.state.lost.is_cancelled());
        drop((other, held, third));
        assert!(seats.lock().is_empty(), "every seat comes back");
        // One network of IPv6 is one caller.
        let held: Vec<Seat> = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|one| seats.take(one.parse().unwrap()).unwrap())
            .into();
        assert!(held.iter().all(|seat| !seat.state.lost.is_cancelled()));
        let _more = seats.take("2001:db8::3".parse().unwrap()).unwrap();
        assert_eq!(
            held.iter().filter(|seat| seat.state.lost.is_cancelled()).count(),
            1
        );
    }

    #[test]
    fn what_became_something_else_is_never_cut() {
        let seats = seats(1, None);
        let socket = seats.take(address(1)).unwrap();
        socket.work().for_ever();
        assert_eq!(seats.take(address(2)).unwrap_err(), Full);
        drop(socket);
        assert!(seats.take(address(2)).is_ok());
    }
}
