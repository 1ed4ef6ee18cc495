//! The streams that hide a vector. Chunk `i` of a stream is ChaCha20 (RFC 8439) under the stream's key with `i` as
//! nonce, from block 0: any chunk can be had alone, in constant memory.

use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20::{ChaCha20, Key as CipherKey, Nonce};
use zeroize::Zeroizing;

use super::keys::Key;

/// Bytes of the stream made at a time.
const BLOCK_BYTES: usize = 8192;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Add,
    Subtract,
}

impl Sign {
    /// What the clinic at place `rank` of the roster does with the stream it shares with the one at `peer`.
    pub(super) fn between(rank: usize, peer: usize) -> Self {
        if rank < peer { Self::Add } else { Self::Subtract }
    }

    pub(super) fn reversed(self) -> Self {
        match self {
            Self::Add => Self::Subtract,
            Self::Subtract => Self::Add,
        }
    }
}

/// One stream and what is to be done with it.
pub(super) struct Stream {
    pub(super) key: Key,
    pub(super) sign: Sign,
}

impl Stream {
    /// Adds or subtracts chunk `chunk` of the stream, modulo 2^32.
    pub(super) fn apply(&self, chunk: usize, values: &mut [u32]) {
        let mut nonce = Nonce::default();
        for (to, from) in nonce.iter_mut().zip((chunk as u64).to_le_bytes()) {
            *to = from;
        }
        let mut cipher = ChaCha20::new(&CipherKey::from(*self.key), &nonce);
        let mut block = Zeroizing::new([0_u8; BLOCK_BYTES]);
        for part in values.chunks_mut(BLOCK_BYTES / 4) {
            block.fill(0);
            cipher.apply_keystream(&mut *block);
            let (words, _) = block.as_chunks::<4>();
            for (value, word) in part.iter_mut().zip(words) {
                let word = u32::from_le_bytes(*word);
                *value = match self.sign {
                    Sign::Add => value.wrapping_add(word),
                    Sign::Subtract => value.wrapping_sub(word),
                };
            }
        }
    }
}

/// Adds one clinic's masked chunk to the sum of the same chunk, modulo 2^32. Lengths are the caller's to check:
/// values beyond the shorter of the two are left alone.
pub fn add_masked(sum: &mut [u32], masked: &[u32]) {
    for (sum, value) in sum.iter_mut().zip(masked) {
        *sum = sum.wrapping_add(*value);
    }
}
