//! Buffers that go from one instance to the next: to get a megabyte from the system and give it back for every image
//! costs more than sealing the image.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// An image of a slice waits whole, and is written at once.
const LARGE: Size = Size {
    batch: 768 * 1024,
    // With what comes at once, the chunk in hand and the way to the next whole block it stays within.
    room: 1160 * 1024,
};
/// What the others get while so many hold a large one: memory stays bounded whoever comes.
const SMALL: Size = Size {
    batch: 64 * 1024,
    room: 0,
};
const LARGE_AT_ONCE: usize = 16;
/// Held while nobody uses them.
const KEPT: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Size {
    batch: usize,
    room: usize,
}

/// Cheap to clone; all clones lend the same buffers.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    free: Mutex<Vec<Vec<u8>>>,
    large: AtomicUsize,
}

/// The right to a buffer of a size.
#[derive(Debug)]
pub(super) struct Lent {
    buffers: Buffers,
    is_large: bool,
}

impl Buffers {
    pub(super) fn lend(&self) -> (Lent, Vec<u8>) {
        let is_large = self.inner.large.fetch_add(1, Ordering::Relaxed) < LARGE_AT_ONCE;
        let lent = Lent {
            buffers: self.clone(),
            is_large,
        };
        let kept = || self.free().pop();
        let buffer = is_large.then(kept).flatten();
        let room = if is_large { LARGE.room } else { SMALL.room };
        (lent, buffer.unwrap_or_else(|| Vec::with_capacity(room)))
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.inner.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// How much gathers before it is written, bytes.
    pub(super) fn batch(&self) -> usize {
        if self.is_large { LARGE.batch } else { SMALL.batch }
    }

    /// For the next.
    pub(super) fn give_back(self, buffer: Vec<u8>) {
        let mut free = self.buffers.free();
        if self.is_large && LARGE.room <= buffer.capacity() && free.len() < KEPT {
            free.push(buffer);
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.buffers.inner.large.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_again_and_when_many_ask_the_rest_get_small_ones() {
        let buffers = Buffers::default();
        let (lent, mut buffer) = buffers.lend();
        buffer.push(1);
        let address = buffer.as_ptr();
        lent.give_back(buffer);
        let many: Vec<_> = (0..LARGE_AT_ONCE + 3).map(|_| buffers.lend()).collect();
        assert_eq!(many[0].1.as_ptr(), address);
        let large = many.iter().filter(|(lent, _)| lent.batch() == LARGE.batch);
        assert_eq!(large.count(), LARGE_AT_ONCE);
        for (lent, buffer) in many {
            lent.give_back(buffer);
        }
        assert_eq!(buffers.free().len(), KEPT);
        assert_eq!(buffers.lend().0.batch(), LARGE.batch);
    }
}
