//! Encodings keep their error bounds, and no bytes make them panic.

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::{
    BLOCK_VALUES, DecodeError, EncodeError, Encoding, decode_into, decode_masked_into, encode, encode_masked,
    f32_bytes, held_values, read_into,
};
use barefoot_federation::residual::{CompressError, Residual};
use proptest::prelude::*;

const PLAIN: [Encoding; 3] = [Encoding::F32, Encoding::F16, Encoding::Int8];

fn decode(bytes: &[u8], encoding: Encoding, values: usize) -> Result<Vec<f32>, DecodeError> {
    let mut decoded = vec![0.0; values];
    decode_into(bytes, encoding, &mut decoded).map(|()| decoded)
}

/// Every finite bit pattern, and ordinary values about as often.
fn finite() -> impl Strategy<Value = f32> {
    (any::<u32>(), any::<bool>()).prop_map(|(bits, ordinary)| match f32::from_bits(bits) {
        value if value.is_finite() && !ordinary => value,
        _ => bits as f32 / u32::MAX as f32 - 0.5,
    })
}

proptest! {
    #[test]
    fn float32_is_exact(values in prop::collection::vec(finite(), 0..1500)) {
        let bytes = encode(&values, Encoding::F32).unwrap();
        prop_assert_eq!(decode(&bytes, Encoding::F32, values.len()).unwrap(), values);
    }

    #[test]
    fn what_lies_in_memory_is_taken_from_there(values in prop::collection::vec(finite(), 1..100), start in 0_usize..8) {
        let bytes = encode(&values, Encoding::F32).unwrap();
        prop_assert_eq!(&*f32_bytes(&values), &*bytes);
        // At any address; where it is refused, it is decoded.
        let mut moved = vec![7; start];
        moved.extend(&bytes);
        moved.extend([7; 8]);
        if let Some(held) = held_values(&moved[start..][..bytes.len()], Encoding::F32) {
            prop_assert_eq!(held, &*values);
        }
        let suits = (0..4).filter(|start| held_values(&moved[*start..][..4], Encoding::F32).is_some());
        prop_assert_eq!(suits.count(), usize::from(cfg!(target_endian = "little")));
        prop_assert!(held_values(&bytes[1..], Encoding::F32).is_none());
        for other in [Encoding::F16, Encoding::Int8, Encoding::Masked] {
            prop_assert!(held_values(&bytes, other).is_none());
        }
    }

    #[test]
    fn reading_gives_what_decoding_gives(values in prop::collection::vec(finite(), 0..1500)) {
        for encoding in PLAIN {
            let bytes = encode(&values, encoding).unwrap();
            let mut read = vec![1.0; values.len()];
            let fill = |buffer: &mut [u8]| {
                buffer.copy_from_slice(&bytes);
                Ok::<(), DecodeError>(())
            };
            read_into(encoding, &mut read, &mut vec![7; 3], fill).unwrap();
            prop_assert_eq!(read, decode(&bytes, encoding, values.len()).unwrap());
        }
    }

    #[test]
    fn half_precision_keeps_eleven_bits(values in prop::collection::vec(finite(), 0..500)) {
        let bytes = encode(&values, Encoding::F16).unwrap();
        let decoded = decode(&bytes, Encoding::F16, values.len()).unwrap();
        for (value, decoded) in values.iter().zip(decoded) {
            if value.abs() > 65504.0 {
                prop_assert_eq!(decoded, 65504.0_f32.copysign(*value));
            } else if value.abs() >= 6.103_515_6e-5 {
                prop_assert!((decoded - value).abs() <= value.abs() / 2048.0, "{} {}", value, decoded);
            } else {
                prop_assert!((decoded - value).abs() <= 2.0_f32.powi(-25), "{} {}", value, decoded);
            }
        }
    }

    #[test]
    fn int8_is_within_half_a_scale(values in prop::collection::vec(finite(), 0..1500)) {
        let bytes = encode(&values, Encoding::Int8).unwrap();
        let decoded = decode(&bytes, Encoding::Int8, values.len()).unwrap();
        for (values, decoded) in values.chunks(BLOCK_VALUES).zip(decoded.chunks(BLOCK_VALUES)) {
            let largest = values.iter().fold(0.0_f64, |max, v| max.max(f64::from(*v).abs()));
            let half = (largest / 127.0).max(f64::from(f32::MIN_POSITIVE)) / 2.0;
            for (value, decoded) in values.iter().zip(decoded) {
                let error = (f64::from(*value) - f64::from(*decoded)).abs();
                prop_assert!(error <= half + largest * 1e-6, "{} {} {}", value, decoded, half);
            }
        }
    }

    #[test]
    fn what_is_sent_and_what_is_owed_make_the_update(
        rounds in prop::collection::vec(prop::collection::vec(-10.0_f32..10.0, 1100), 1..4),
        encoding in prop::sample::select(PLAIN.to_vec()),
    ) {
        let mut residual = Residual::new(1100);
        for delta in rounds {
            let owed = residual.values().to_vec();
            let bytes = residual.compress(&delta, encoding).unwrap();
            let sent = decode(&bytes, encoding, delta.len()).unwrap();
            for i in 0..delta.len() {
                let update = delta[i] + owed[i];
                let error = f64::from(sent[i]) + f64::from(residual.values()[i]) - f64::from(update);
                prop_assert!(error.abs() <= f64::from(update.abs().max(sent[i].abs())) * 2.0_f64.powi(-23));
            }
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        values in 0_usize..2600,
        encoding in prop::sample::select(Encoding::ALL.to_vec()),
    ) {
        for (bytes, values) in [(bytes.clone(), values), fitted(bytes, encoding)] {
            if let Ok(decoded) = decode(&bytes, encoding, values) {
                prop_assert_eq!(bytes.len(), encoding.bytes_of(values));
                prop_assert!(decoded.iter().all(|v| v.is_finite()));
            }
            prop_assert_eq!(decode_masked_into(&bytes, &mut vec![0; values]).is_ok(), bytes.len() == 4 * values);
        }
    }

    #[test]
    fn a_piece_decodes_as_the_whole_does(
        values in prop::collection::vec(-5.0_f32..5.0, 1..4000),
        block in 0_usize..4,
        length in 1_usize..3000,
        encoding in prop::sample::select(PLAIN.to_vec()),
    ) {
        let offset = block * BLOCK_VALUES;
        prop_assume!(offset < values.len());
        // A piece ends with its chunk or at a block.
        let length = if offset + length >= values.len() {
            values.len() - offset
        } else {
            length.next_multiple_of(BLOCK_VALUES).min(values.len() - offset)
        };
        let bytes = encode(&values, encoding).unwrap();
        let whole = decode(&bytes, encoding, values.len()).unwrap();
        let piece = &bytes[encoding.byte_range(offset, length).unwrap()];
        prop_assert_eq!(&decode(piece, encoding, length).unwrap(), &whole[offset..offset + length]);
    }

    #[test]
    fn masked_values_come_back(values in prop::collection::vec(any::<u32>(), 0..600)) {
        let mut back = vec![0; values.len()];
        decode_masked_into(&encode_masked(&values), &mut back).unwrap();
        prop_assert_eq!(back, values);
    }

    #[test]
    fn chunk_names_are_read_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let id = ChunkId::of(&bytes);
        prop_assert_eq!(id.to_string().parse::<ChunkId>(), Ok(id));
        prop_assert_eq!(ChunkId::try_from(&id.0[..]), Ok(id));
    }

    #[test]
    fn no_text_makes_chunk_names_panic(text in ".{0,80}") {
        prop_assert!(text.parse::<ChunkId>().is_ok_and(|id| id.to_string() == text) || text.parse::<ChunkId>().is_err());
    }
}

/// The bytes cut to a length that is right for some number of values.
fn fitted(mut bytes: Vec<u8>, encoding: Encoding) -> (Vec<u8>, usize) {
    let values = (0..bytes.len())
        .rev()
        .find(|values| encoding.bytes_of(*values) <= bytes.len())
        .unwrap_or_default();
    bytes.truncate(encoding.bytes_of(values));
    (bytes, values)
}

#[test]
fn sizes_are_as_documented() {
    assert_eq!(Encoding::F32.bytes_of(262_144), 1 << 20);
    assert_eq!(Encoding::F16.bytes_of(262_144), 1 << 19);
    assert_eq!(Encoding::Int8.bytes_of(262_144), 262_144 + 256 * 4);
    assert_eq!(Encoding::Int8.bytes_of(1), 5);
    assert_eq!(Encoding::Int8.byte_range(2048, 10), Some(2056..2070));
    assert_eq!(Encoding::F32.byte_range(1, 10), None);
    for encoding in Encoding::ALL {
        assert_eq!(Encoding::named(encoding.name()), Some(encoding));
    }
}

#[test]
fn values_that_are_no_numbers_are_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = vec![1.0; 3000];
        values[2222] = bad;
        for encoding in PLAIN {
            assert_eq!(
                encode(&values, encoding),
                Err(EncodeError::NotFinite { value: 2222 })
            );
        }
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(
            decode(&bytes, Encoding::F32, 3000),
            Err(DecodeError::NotFinite { value: 2222 })
        );
    }
    assert_eq!(
        decode(&[0, 0, 0x00, 0x7c], Encoding::F16, 2),
        Err(DecodeError::NotFinite { value: 1 })
    );
}

#[test]
fn bad_scales_and_lengths_are_refused() {
    for scale in [f32::NAN, f32::INFINITY, -1.0, -0.0, f32::MAX] {
        let mut bytes = encode(&[1.0; 1030], Encoding::Int8).unwrap();
        bytes[1028..1032].copy_from_slice(&scale.to_le_bytes());
        assert_eq!(
            decode(&bytes, Encoding::Int8, 1030),
            Err(DecodeError::Scale { block: 1 })
        );
    }
    let mut bytes = encode(&[1.0; 1030], Encoding::Int8).unwrap();
    bytes[1033] = 0x80;
    assert_eq!(
        decode(&bytes, Encoding::Int8, 1030),
        Err(DecodeError::Range { value: 1025 })
    );
    assert_eq!(
        decode(&bytes, Encoding::Int8, 1031),
        Err(DecodeError::Length {
            bytes: 1038,
            expected: 1039
        })
    );
    assert_eq!(decode(&[0; 4], Encoding::Masked, 1), Err(DecodeError::Masked));
    assert_eq!(encode(&[1.0], Encoding::Masked), Err(EncodeError::Masked));
}

#[test]
fn the_largest_values_survive_int8() {
    let values = [f32::MAX, -f32::MAX, 0.0];
    let decoded = decode(&encode(&values, Encoding::Int8).unwrap(), Encoding::Int8, 3).unwrap();
    assert!(
        decoded
            .iter()
            .zip(values)
            .all(|(found, value)| (found / 127.0 - value / 127.0).abs() <= f32::MAX / 1e6)
    );
}

#[test]
fn small_changes_arrive_in_the_end() {
    // Beside one large value each round's small change is below half a scale and would be rounded away for ever.
    let delta = [10.0_f32, 0.01];
    let mut residual = Residual::new(2);
    let mut arrived = 0.0;
    for _ in 0..100 {
        let bytes = residual.compress(&delta, Encoding::Int8).unwrap();
        arrived += decode(&bytes, Encoding::Int8, 2).unwrap()[1];
    }
    assert!((arrived - 1.0).abs() <= 0.05, "{arrived}");
}

#[test]
fn a_refused_update_leaves_the_residual_alone() {
    let mut residual = Residual::from_values(vec![0.25; 2]);
    let before = residual.clone();
    assert_eq!(
        residual.compress(&[1.0], Encoding::F16),
        Err(CompressError::Length { values: 1, owed: 2 })
    );
    assert!(residual.compress(&[f32::NAN, 1.0], Encoding::F16).is_err());
    assert_eq!(residual, before);
}

#[test]
fn chunk_names_are_sha_256() {
    let id = ChunkId::of(b"abc");
    assert_eq!(
        id.to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    for text in [
        "",
        "0",
        &id.to_string().to_uppercase(),
        &id.to_string()[1..],
        &format!("{id}0"),
    ] {
        assert!(text.parse::<ChunkId>().is_err());
    }
}
