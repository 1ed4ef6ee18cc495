use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Sockets whose callers have not yet shown who they are. Bounded: one more cuts the oldest, so any number of silent
/// sockets costs a fixed amount of memory and never keeps anybody out.
#[derive(Debug, Clone)]
pub struct HalfOpen {
    sockets: Arc<Mutex<Sockets>>,
    most: usize,
}

#[derive(Debug, Default)]
struct Sockets {
    opened: u64,
    waiting: VecDeque<(u64, CancellationToken)>,
}

/// One socket's place; dropping it gives the place back.
#[derive(Debug)]
pub struct Place {
    half_open: HalfOpen,
    number: u64,
    cut: CancellationToken,
}

impl HalfOpen {
    /// For so many at once.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            sockets: Arc::default(),
            most,
        }
    }

    /// For a socket that was accepted just now.
    #[must_use]
    pub fn take_place(&self) -> Place {
        let cut = CancellationToken::new();
        let mut sockets = self.lock();
        if self.most <= sockets.waiting.len()
            && let Some((_, oldest)) = sockets.waiting.pop_front()
        {
            oldest.cancel();
        }
        sockets.opened += 1;
        let number = sockets.opened;
        sockets.waiting.push_back((number, cut.clone()));
        drop(sockets);
        Place {
            half_open: self.clone(),
            number,
            cut,
        }
    }

    /// Whole after any panic: every change is one call on the queue.
    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Returns when the place went to a newer socket.
    pub async fn lost(&self) {
        self.cut.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.half_open
            .lock()
            .waiting
            .retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let half_open = HalfOpen::new(2);
        let first = half_open.take_place();
        let second = half_open.take_place();
        drop(second);
        let third = half_open.take_place();
        assert!(!first.cut.is_cancelled(), "there was a free place");
        let fourth = half_open.take_place();
        assert!(first.cut.is_cancelled());
        assert!(!third.cut.is_cancelled() && !fourth.cut.is_cancelled());
    }
}
