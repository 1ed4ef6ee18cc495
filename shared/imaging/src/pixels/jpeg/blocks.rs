//! The coefficients of one block of eight by eight (T.81 section F.2.2).

use super::bits::Bits;
use super::huffman::{self, Huffman};

/// Where the coefficients of the zig-zag lie in the block (T.81 figure A.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Sums of differences that no picture has.
const MOST_DC: i32 = 1 << 15;

/// What a component's blocks are coded with, and the first coefficient of the one before.
pub(super) struct Coding<'a> {
    pub(super) quantisation: &'a [u16; 64],
    pub(super) dc: &'a Huffman,
    pub(super) ac: &'a Huffman,
    pub(super) predicted: i32,
}

impl Coding<'_> {
    /// The coefficients, multiplied by the quantisation, row by row into `block`, which is of noughts; whether the first is
    /// the only one. `None` where the stream is damaged.
    pub(super) fn block(&mut self, bits: &mut Bits<'_>, block: &mut [[i32; 8]; 8]) -> Option<bool> {
        let size = self.dc.value(bits)?;
        let predicted = self.predicted + huffman::number(bits, size)?;
        if MOST_DC < predicted.abs() {
            return None;
        }
        self.predicted = predicted;
        block[0][0] = predicted * i32::from(self.quantisation[0]);
        let mut run_and_size = self.ac.value(bits)?;
        if run_and_size == 0 {
            return Some(true);
        }
        let mut at = 1;
        loop {
            let (run, size) = (usize::from(run_and_size >> 4), run_and_size & 15);
            if size == 0 && run < 15 {
                break;
            }
            at += run;
            if size != 0 {
                let value = huffman::number(bits, size)?;
                // Runs that end behind the block are damage.
                let (place, factor) = (*ZIGZAG.get(at)?, *self.quantisation.get(at)?);
                let row = block.get_mut(usize::from(place >> 3))?;
                *row.get_mut(usize::from(place & 7))? = value * i32::from(factor);
            }
            at += 1;
            if 64 <= at {
                break;
            }
            run_and_size = self.ac.value(bits)?;
        }
        Some(false)
    }
}
