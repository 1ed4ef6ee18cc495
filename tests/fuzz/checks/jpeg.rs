//! JPEG streams of a few pixels, of the processes that are decoded here.

use barefoot_imaging::pixels::{Colours, decode_jpeg};

/// The first byte says of what depth, how many components and how subsampled; the others are the segments behind the frame
/// header.
pub(crate) fn check(bytes: &[u8]) {
    let Some((how, segments)) = bytes.split_first() else {
        return;
    };
    let precision = if how & 1 == 0 { 8 } else { 12 };
    let components: u8 = if how & 2 == 0 { 1 } else { 3 };
    let factors = [0x11, 0x21, 0x22, 0x12][usize::from(how >> 2 & 3)];
    let length = 8 + 3 * components;
    let mut stream = vec![
        0xFF, 0xD8, 0xFF, 0xC1, 0, length, precision, 0, 24, 0, 31, components,
    ];
    for component in 1..=components {
        stream.extend([component, if component == 1 { factors } else { 0x11 }, 0]);
    }
    stream.extend(segments);
    let colours = if how & 16 == 0 { Colours::Rgb } else { Colours::Ybr };
    if let Ok(samples) = decode_jpeg(&stream, colours) {
        let bytes = if precision == 8 { 1 } else { 2 };
        assert_eq!(samples.len(), 24 * 31 * usize::from(components) * bytes);
    }
}
