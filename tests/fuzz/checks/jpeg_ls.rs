//! JPEG-LS streams of a few pixels.

use barefoot_imaging::pixels::decode_jpeg_ls;

/// The first byte says of what depth, how many components, how interleaved and with what loss; the others are the scan.
pub(crate) fn check(bytes: &[u8]) {
    let Some((how, scan)) = bytes.split_first() else {
        return;
    };
    let precision = if how & 1 == 0 { 8 } else { 12 };
    let near = (how >> 1 & 3) * 2;
    let interleaving = how >> 3 & 3;
    let components: u8 = if interleaving == 0 { 1 } else { 3 };
    let mut stream = vec![
        0xFF,
        0xD8,
        0xFF,
        0xF7,
        0,
        8 + 3 * components,
        precision,
        0,
        24,
        0,
        31,
        components,
    ];
    for component in 1..=components {
        stream.extend([component, 0x11, 0]);
    }
    stream.extend([0xFF, 0xDA, 0, 6 + 2 * components, components]);
    for component in 1..=components {
        stream.extend([component, 0]);
    }
    stream.extend([near, interleaving, 0]);
    stream.extend(scan);
    if let Ok(samples) = decode_jpeg_ls(&stream) {
        let bytes = if precision == 8 { 1 } else { 2 };
        assert_eq!(samples.len(), 24 * 31 * usize::from(components) * bytes);
    }
}
