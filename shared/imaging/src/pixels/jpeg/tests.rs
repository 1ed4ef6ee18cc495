//! Held against what libjpeg-turbo and dcmtk made and read.

use proptest::prelude::*;

use super::*;

macro_rules! samples {
    ($($name:literal),+) => {
        [$((
            $name,
            include_bytes!(concat!("samples/", $name, ".jpg")).as_slice(),
            include_bytes!(concat!("samples/", $name, ".raw")).as_slice(),
        )),+]
    };
}

/// 43 pixels by 37: no side is of whole blocks.
const SAMPLES: [(&str, &[u8], &[u8]); 6] = samples![
    "grey_8",
    "grey_12",
    "grey_restarts",
    "full_colours",
    "half_colours",
    "quarter_colours"
];

fn sample(name: &str) -> &'static [u8] {
    let found = SAMPLES.iter().find(|(of, ..)| *of == name);
    found.map(|(_, stream, _)| *stream).unwrap()
}

/// A segment behind the stream's start.
fn with(stream: &[u8], segment: &[u8]) -> Vec<u8> {
    [&stream[..2], segment, &stream[2..]].concat()
}

/// The stream with another frame header's marker, component names or the like.
fn changed(stream: &[u8], marker: u8, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut stream = stream.to_vec();
    let at = stream.windows(2).position(|pair| pair == [0xFF, marker]).unwrap();
    change(&mut stream[at..]);
    stream
}

#[test]
fn streams_of_other_codecs_come_out_sample_by_sample() {
    for (name, stream, samples) in SAMPLES {
        let found = decode(stream, Colours::Ybr).unwrap();
        assert_eq!(found.len(), samples.len(), "{name}");
        let differs = found.iter().zip(samples).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{name}");
    }
}

#[test]
fn the_header_says_what_colours_are_unless_the_stream_knows_better() {
    let jfif = sample("full_colours");
    let plain = changed(jfif, 0xE0, |segment| segment[4] = b'X');
    let named = changed(&plain, BASELINE, |segment| {
        for (at, name) in [(10, b'R'), (13, b'G'), (16, b'B')] {
            segment[at] = name;
        }
    });
    let named = changed(&named, SCAN, |segment| {
        for (at, name) in [(5, b'R'), (7, b'G'), (9, b'B')] {
            segment[at] = name;
        }
    });
    let turned = decode(jfif, Colours::Ybr).unwrap();
    let raw = decode(&plain, Colours::Rgb).unwrap();
    assert_ne!(turned, raw);
    assert_eq!(decode(jfif, Colours::Rgb).unwrap(), turned, "JFIF is never RGB");
    assert_eq!(decode(&plain, Colours::Ybr).unwrap(), turned);
    assert_eq!(decode(&named, Colours::Ybr).unwrap(), raw, "named R, G, B");
}

#[test]
fn a_stream_cut_off_anywhere_is_damaged() {
    for (name, stream, _) in SAMPLES {
        for length in 0..stream.len() - 3 {
            assert!(
                matches!(decode(&stream[..length], Colours::Ybr), Err(Error::Damaged)),
                "{name} {length}"
            );
        }
    }
}

#[test]
fn a_missing_or_misplaced_restart_is_damage() {
    let stream = sample("grey_restarts");
    let at = stream.windows(2).position(|pair| pair == [0xFF, 0xD1]).unwrap();
    for change in [0xD2, 0xD0, END] {
        let mut stream = stream.to_vec();
        stream[at + 1] = change;
        assert!(matches!(decode(&stream, Colours::Ybr), Err(Error::Damaged)));
    }
}

#[test]
fn what_is_of_another_process_is_refused_by_name() {
    let stream = sample("grey_8");
    for marker in [0xC2, 0xC3, 0xC5, 0xC9, 0xCF] {
        let stream = changed(stream, BASELINE, |segment| segment[1] = marker);
        let error = decode(&stream, Colours::Ybr).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Unsupported {
                    what: "this process of JPEG"
                }
            ),
            "{error}"
        );
    }
    let deep = changed(stream, BASELINE, |segment| segment[4] = 10);
    assert!(matches!(
        decode(&deep, Colours::Ybr),
        Err(Error::Unsupported { .. })
    ));
    let uneven = changed(sample("full_colours"), BASELINE, |segment| {
        (segment[11], segment[14]) = (0x31, 0x21);
    });
    assert!(matches!(
        decode(&uneven, Colours::Ybr),
        Err(Error::Unsupported { .. })
    ));
    assert!(
        decode(&with(stream, b"\xFF\xFE\0\x04ab"), Colours::Ybr).is_ok(),
        "comments are passed over"
    );
}

#[test]
fn a_table_of_more_codes_than_fit_is_refused() {
    let mut counts = [0; 16];
    counts[0] = 3;
    assert!(Huffman::new(counts, &[1, 2, 3]).is_none());
    counts[0] = 2;
    assert!(Huffman::new(counts, &[1, 2]).is_some());
    assert!(Huffman::new(counts, &[1]).is_none(), "fewer values than codes");
    counts[15] = 1;
    assert!(Huffman::new(counts, &[1, 2, 3]).is_none(), "none is left");
}

proptest! {
    #[test]
    fn the_transform_is_that_of_the_standard(
        values in prop::collection::vec(-200..200_i32, 64),
        first in -4000..4000_i32,
    ) {
        let mut coefficients = [[0; 8]; 8];
        coefficients.as_flattened_mut().copy_from_slice(&values);
        coefficients[0][0] = first;
        let eight = transform::inverse::<u8>(&coefficients);
        let twelve = transform::inverse::<u16>(&coefficients);
        for y in 0..8_usize {
            for x in 0..8_usize {
                // T.81 section A.3.3.
                let mut sum = 0.0;
                for (v, row) in coefficients.iter().enumerate() {
                    for (u, coefficient) in row.iter().enumerate() {
                        let scale = |at: usize| if at == 0 { 0.5_f64.sqrt() } else { 1.0 };
                        let wave = |at: usize, frequency: usize| {
                            ((2 * at + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0).cos()
                        };
                        sum += scale(u) * scale(v) * f64::from(*coefficient) * wave(x, u) * wave(y, v);
                    }
                }
                let level = sum / 4.0;
                let apart = f64::from(eight[y][x]) - (level + 128.0).clamp(0.0, 255.0);
                prop_assert!(apart.abs() < 1.0, "{apart}");
                let apart = f64::from(twelve[y][x]) - (level + 2048.0).clamp(0.0, 4095.0);
                prop_assert!(apart.abs() < 1.0, "{apart}");
            }
        }
    }

    #[test]
    fn coefficients_of_any_size_are_survived(values in prop::collection::vec(any::<i32>(), 64)) {
        let mut coefficients = [[0; 8]; 8];
        coefficients.as_flattened_mut().copy_from_slice(&values);
        let _ = transform::inverse::<u8>(&coefficients);
        let _ = transform::inverse::<u16>(&coefficients);
        let _ = transform::flat::<u16>(values[0]);
    }

    #[test]
    fn any_damage_is_survived(which in 0..SAMPLES.len(), flips in prop::collection::vec((0..2000_usize, any::<u8>()), 1..8)) {
        let mut stream = SAMPLES[which].1.to_vec();
        let frame = stream.windows(2).position(|pair| matches!(pair, [0xFF, BASELINE | EXTENDED])).unwrap();
        for (at, byte) in flips {
            // The size stays: it is compared with the header's before a stream comes here.
            let at = at % stream.len();
            if !(frame + 5..frame + 9).contains(&at) {
                stream[at] = byte;
            }
        }
        let _ = decode(&stream, Colours::Ybr);
    }

    #[test]
    fn any_bytes_are_survived(tail: Vec<u8>) {
        let stream = sample("grey_8");
        let scan = stream.windows(2).position(|pair| pair == [0xFF, SCAN]).unwrap();
        let _ = decode(&[&stream[..scan + 10], &tail].concat(), Colours::Ybr);
        let _ = decode(&[&stream[..2], &tail].concat(), Colours::Ybr);
    }
}
