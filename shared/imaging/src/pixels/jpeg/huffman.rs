//! Huffman tables (T.81 annex C) and what is coded with them (section F.2.2).

use super::bits::Bits;

/// Codes of up to this length are looked up in one step.
const SHORT: u32 = 9;

pub(super) struct Huffman {
    /// Length above, value below; nought where the code is longer.
    short: Box<[u16; 1 << SHORT]>,
    /// Of each length: behind its last code, and what turns a code into the place of its value.
    long: [(u32, i32); 17],
    values: Vec<u8>,
}

impl Huffman {
    /// `None` where there are more codes of a length than fit.
    pub(super) fn new(counts: [u8; 16], values: &[u8]) -> Option<Self> {
        let mut short = Box::new([0; 1 << SHORT]);
        let mut long = [(0, 0); 17];
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, count) in (1_u32..).zip(counts) {
            let first = code;
            for value in values.get(place..place + usize::from(count))? {
                if length <= SHORT {
                    let span = 1_usize << (SHORT - length);
                    let start = code as usize * span;
                    let entry = (length as u16) << 8 | u16::from(*value);
                    short.get_mut(start..start + span)?.fill(entry);
                }
                code += 1;
            }
            if 1 << length < code {
                return None;
            }
            *long.get_mut(length as usize)? = (code, place as i32 - first as i32);
            place += usize::from(count);
            code <<= 1;
        }
        Some(Self {
            short,
            long,
            values: values.to_vec(),
        })
    }

    /// `None` where the bits are no code, or end. Leaves sixteen bits ready behind it.
    pub(super) fn value(&self, bits: &mut Bits<'_>) -> Option<u8> {
        bits.fill();
        let peeked = bits.peek();
        let entry = *self.short.get((peeked >> (16 - SHORT)) as usize)?;
        if entry != 0 {
            bits.skip(u32::from(entry >> 8))?;
            return Some(entry as u8);
        }
        for (length, (end, to_place)) in (0_u32..).zip(self.long).skip(SHORT as usize + 1) {
            let code = peeked >> (16 - length);
            if code < end {
                bits.skip(length)?;
                let place = usize::try_from(code as i32 + to_place).ok()?;
                return self.values.get(place).copied();
            }
        }
        None
    }
}

/// A number of so many bits, of which a nought in front means below zero (T.81 section F.2.2.1, EXTEND).
pub(super) fn number(bits: &mut Bits<'_>, size: u8) -> Option<i32> {
    if size == 0 {
        return Some(0);
    }
    // Twelve bits of precision need no more (T.81 section F.1.2.1.2).
    if 15 < size {
        return None;
    }
    let value = bits.take(u32::from(size))? as i32;
    let is_negative = value < 1 << (size - 1);
    Some(if is_negative {
        value - (1 << size) + 1
    } else {
        value
    })
}
