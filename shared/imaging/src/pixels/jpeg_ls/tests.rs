//! Held against what CharLS made and read, and against the example of T.87 annex H.

use proptest::prelude::*;

use super::*;

macro_rules! samples {
    ($($name:literal),+) => {
        [$((
            $name,
            include_bytes!(concat!("samples/", $name, ".jls")).as_slice(),
            include_bytes!(concat!("samples/", $name, ".raw")).as_slice(),
        )),+]
    };
}

const SAMPLES: [(&str, &[u8], &[u8]); 8] = samples![
    "grey_8",
    "grey_12",
    "grey_16",
    "near_8",
    "near_12",
    "by_line",
    "by_sample",
    "near_by_sample"
];

#[test]
fn streams_of_another_codec_come_out_sample_by_sample() {
    for (name, stream, samples) in SAMPLES {
        let found = decode(stream).unwrap();
        assert_eq!(found.len(), samples.len(), "{name}");
        let differs = found.iter().zip(samples).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{name}");
    }
}

#[test]
fn the_standards_own_example_comes_out() {
    let stream = [
        &b"\xFF\xD8\xFF\xF7\0\x0B\x08\0\x04\0\x04\x01\x01\x11\0\xFF\xDA\0\x08\x01\x01\0\0\0\0"[..],
        b"\xC0\0\0\x6C\x80\x20\x8E\x01\xC0\0\0\x57\x40\0\0\x6E\xE6\0\0\x01\xBC\x18\0\0\x05\xD8\0\0\x91\x60",
        b"\xFF\xD9",
    ]
    .concat();
    let expected = [
        0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145,
    ];
    assert_eq!(decode(&stream).unwrap(), expected);
}

#[test]
fn a_stream_cut_off_anywhere_is_damaged() {
    for (name, stream, _) in SAMPLES {
        for length in 0..stream.len() - 4 {
            assert!(decode(&stream[..length]).is_err(), "{name} {length}");
        }
    }
}

#[test]
fn what_no_object_has_is_refused_by_name() {
    let (_, stream, _) = SAMPLES[0];
    let with = |segment: &[u8]| [&stream[..2], segment, &stream[2..]].concat();
    for (segment, what) in [
        (&b"\xFF\xDD\0\x04\0\x10"[..], "a JPEG-LS restart interval"),
        (b"\xFF\xF8\0\x05\x02\x01\x01", "a JPEG-LS mapping table"),
        (b"\xFF\xE8\0\x07mrfx\x01", "a JPEG-LS colour transform"),
    ] {
        let error = decode(&with(segment)).unwrap_err();
        assert!(
            matches!(error, Error::Unsupported { what: found } if found == what),
            "{error}"
        );
    }
    assert!(
        decode(&with(b"\xFF\xE0\0\x04ab")).is_ok(),
        "others are passed over"
    );
}

proptest! {
    #[test]
    fn any_damage_is_survived(which in 0..SAMPLES.len(), flips in prop::collection::vec((0..1500_usize, any::<u8>()), 1..8)) {
        let mut stream = SAMPLES[which].1.to_vec();
        for (at, byte) in flips {
            // The size stays: it is compared with the header's before a stream comes here.
            let at = at % stream.len();
            if !(5..9).contains(&at) {
                stream[at] = byte;
            }
        }
        let _ = decode(&stream);
    }

    #[test]
    fn any_bytes_are_survived(tail: Vec<u8>) {
        let head = b"\xFF\xD8\xFF\xF7\0\x0B\x08\0\x10\0\x10\x01\x01\x11\0\xFF\xDA\0\x08\x01\x01\0\0\0\0";
        let _ = decode(&[&head[..], &tail].concat());
    }
}
