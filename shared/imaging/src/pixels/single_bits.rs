//! Samples of a single bit: eight to the byte, the first the lowest (PS3.5 section 8.1.1).

/// Of samples that take a byte each.
pub(super) fn packed(samples: &[u8]) -> Vec<u8> {
    let byte = |eight: &[u8]| {
        let bits = eight
            .iter()
            .zip(0..)
            .map(|(sample, at)| u8::from(*sample != 0) << at);
        bits.fold(0, |byte, bit| byte | bit)
    };
    samples.chunks(8).map(byte).collect()
}

/// `count` bits that begin inside the first byte, from a byte's beginning on.
pub(super) fn moved(bytes: &[u8], first_bit: u8, count: usize) -> Vec<u8> {
    let behind = bytes.iter().skip(1).copied().chain([0]);
    let whole = bytes.iter().zip(behind).map(|(low, high)| {
        let [byte, _] = (u16::from_le_bytes([*low, high]) >> first_bit).to_le_bytes();
        byte
    });
    let mut moved: Vec<u8> = whole.take(count.div_ceil(8)).collect();
    clear_behind(&mut moved, count);
    moved
}

/// Puts `count` bits behind the first `held` of `bytes`.
pub(super) fn append(bytes: &mut Vec<u8>, held: usize, more: &[u8], count: usize) {
    bytes.truncate(held.div_ceil(8));
    let shift = held % 8;
    for byte in more.iter().take(count.div_ceil(8)) {
        let [low, high] = (u16::from(*byte) << shift).to_le_bytes();
        match bytes.last_mut() {
            Some(last) if shift != 0 => {
                *last |= low;
                bytes.push(high);
            }
            _ => bytes.push(low),
        }
    }
    clear_behind(bytes, held + count);
}

fn clear_behind(bytes: &mut Vec<u8>, count: usize) {
    bytes.truncate(count.div_ceil(8));
    if let Some(last) = bytes.last_mut().filter(|_| !count.is_multiple_of(8)) {
        *last &= (1 << (count % 8)) - 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_apart_as_they_were_put_together(frames in prop::collection::vec(prop::collection::vec(0..2_u8, 11), 1..5)) {
            let mut bytes = Vec::new();
            for (number, frame) in frames.iter().enumerate() {
                append(&mut bytes, 11 * number, &packed(frame), 11);
            }
            prop_assert_eq!(&bytes, &packed(&frames.concat()));
            for (number, frame) in frames.iter().enumerate() {
                let (start, first_bit) = (11 * number / 8, 11 * number % 8);
                prop_assert_eq!(moved(&bytes[start..], first_bit as u8, 11), packed(frame));
            }
        }
    }
}
