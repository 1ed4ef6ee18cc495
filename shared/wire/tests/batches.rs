//! Batches hold: they come back as they went, a dictionary pays, and nothing unfolds further than it may.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose assumption breaks must stop"
)]

mod samples;

use barefoot_domain::ClinicId;
use barefoot_wire::{
    DICTIONARY, MAX_BATCH_BYTES, MAX_BATCH_ENVELOPES, MAX_ENVELOPE_BYTES, Packing, Receipt, ReceiptOutcome,
    Receipts, decode_batch, decode_carried_receipts, decode_carried_results, decode_envelope, decode_health,
    decode_hello, decode_presence, decode_receipts, encode_batch, encode_carried_receipts,
    encode_carried_results, hello, receipts_envelope, v1,
};
use proptest::prelude::*;
use prost::Message;

const PACKINGS: [Packing; 3] = [Packing::Plain, Packing::Zstd, Packing::Dictionary];

fn encoded(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let envelopes = samples::envelopes(seed, count);
    envelopes.iter().map(Message::encode_to_vec).collect()
}

#[test]
fn what_is_packed_is_smaller_and_the_dictionary_pays() {
    for count in [1, 8, 64] {
        let envelopes = encoded(77 + count as u64, count);
        let size = |packing| encode_batch(envelopes.clone(), packing).len();
        let (plain, zstd, dictionary) = (
            size(Packing::Plain),
            size(Packing::Zstd),
            size(Packing::Dictionary),
        );
        assert!(dictionary < zstd && zstd <= plain, "{plain} {zstd} {dictionary}");
        assert!(dictionary < 160 * count, "{count}: {dictionary} bytes");
    }
    let alone = encoded(5, 1);
    let bytes = encode_batch(alone.clone(), Packing::Dictionary).len();
    assert!(
        10 * bytes < 6 * alone[0].len(),
        "even one result is much smaller: {bytes} of {}",
        alone[0].len()
    );
}

#[test]
fn a_released_dictionary_stays_as_it_is() {
    // What an older box packed with dictionary 1.
    let frame = include_bytes!("samples/batch_dictionary_1.bin");
    let packed = v1::BatchFrame::decode(&frame[..]).unwrap();
    assert_eq!((packed.version, packed.dictionary), (1, 1));
    assert_eq!(decode_batch(frame).unwrap(), encoded(20_261_122, 5));
}

#[test]
fn frames_beyond_the_limits_are_refused_before_they_unfold() {
    let refusal = |frame: &v1::BatchFrame| decode_batch(&frame.encode_to_vec()).unwrap_err().refusal();
    let good = v1::BatchFrame::decode(&*encode_batch(encoded(1, 4), Packing::Dictionary)).unwrap();
    assert_eq!(
        refusal(&v1::BatchFrame {
            version: 2,
            ..good.clone()
        }),
        v1::FrameRefusal::Version
    );
    assert_eq!(
        refusal(&v1::BatchFrame {
            compression: 9,
            ..good.clone()
        }),
        v1::FrameRefusal::Version
    );
    assert_eq!(
        refusal(&v1::BatchFrame {
            dictionary: DICTIONARY + 1,
            ..good.clone()
        }),
        v1::FrameRefusal::Dictionary
    );
    let long = v1::BatchFrame {
        plain_bytes: u32::try_from(MAX_BATCH_BYTES).unwrap() + 1,
        ..good.clone()
    };
    assert_eq!(refusal(&long), v1::FrameRefusal::TooLarge);
    for lie in [good.plain_bytes - 1, good.plain_bytes + 1] {
        let lying = v1::BatchFrame {
            plain_bytes: lie,
            ..good.clone()
        };
        assert_eq!(refusal(&lying), v1::FrameRefusal::Unreadable, "{lie}");
    }
    let bomb = |declared: usize| v1::BatchFrame {
        version: 1,
        compression: v1::Compression::Zstd.into(),
        dictionary: 0,
        plain_bytes: u32::try_from(declared).unwrap(),
        content: zstd::bulk::compress(&vec![0; 1 << 28], 1).unwrap(),
    };
    assert_eq!(refusal(&bomb(MAX_BATCH_BYTES)), v1::FrameRefusal::Unreadable);
    let tight = v1::BatchFrame {
        content: zstd::bulk::compress(&vec![0; MAX_BATCH_BYTES], 1).unwrap(),
        ..bomb(MAX_BATCH_BYTES)
    };
    assert_eq!(
        refusal(&tight),
        v1::FrameRefusal::TooLarge,
        "a ratio nobody needs"
    );
    let many = encode_batch(vec![vec![1]; MAX_BATCH_ENVELOPES + 1], Packing::Plain);
    assert_eq!(
        decode_batch(&many).unwrap_err().refusal(),
        v1::FrameRefusal::TooLarge
    );
    let large = encode_batch(vec![vec![1; MAX_ENVELOPE_BYTES + 1]], Packing::Plain);
    assert_eq!(
        decode_batch(&large).unwrap_err().refusal(),
        v1::FrameRefusal::TooLarge
    );
}

#[test]
fn a_stored_result_costs_sixteen_bytes_of_receipt() {
    let receipts = Receipts {
        receipts: samples::envelopes(3, 64)
            .into_iter()
            .map(|envelope| Receipt {
                envelope_id: envelope.id,
                outcome: ReceiptOutcome::Stored,
                hub_time_ms: 7,
            })
            .collect(),
        hub_time_ms: 7,
        ..Receipts::default()
    };
    let clinic = ClinicId::new("clinic-7").unwrap();
    let sent = receipts_envelope("01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), &clinic, &receipts).encode_to_vec();
    assert!(sent.len() < 64 * 16 + 80, "{}", sent.len());
    let received = decode_envelope(&sent).unwrap();
    assert_eq!(decode_receipts(&received.body).unwrap(), receipts);
}

#[test]
fn a_hello_says_what_this_program_understands() {
    let sent = hello("01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), 5, 6, b"der");
    assert_eq!(decode_hello(&sent.encode_to_vec()).unwrap(), sent);
    let backwards = v1::Hello {
        answered_at_ms: 4,
        ..sent.clone()
    };
    assert!(decode_hello(&backwards.encode_to_vec()).is_err());
    let told = |length| v1::Hello {
        restoration: vec![v1::Restoration {
            id: vec![7; length],
            since_ms: 5,
        }],
        ..sent.clone()
    };
    assert_eq!(decode_hello(&told(16).encode_to_vec()).unwrap(), told(16));
    assert!(decode_hello(&told(15).encode_to_vec()).is_err());
    let nobody = v1::Presence {
        session: 1,
        ..v1::Presence::default()
    };
    assert!(decode_presence(&nobody.encode_to_vec()).is_err());
    let loud = v1::BoxHealth {
        model: "x\n".into(),
        ..v1::BoxHealth::default()
    };
    assert!(decode_health(&loud.encode_to_vec()).is_err());
}

fn receipt() -> impl Strategy<Value = Receipt> {
    (
        "[0-7][0-9A-HJKMNP-TV-Z]{25}",
        proptest::option::of("[ -~]{0,40}"),
        0i64..3,
    )
        .prop_map(|(envelope_id, refused, hub_time_ms)| Receipt {
            envelope_id,
            outcome: refused.map_or(ReceiptOutcome::Stored, |reason| ReceiptOutcome::Refused {
                reason,
            }),
            hub_time_ms,
        })
}

proptest! {
    #[test]
    fn batches_round_trip(envelopes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..40)) {
        for packing in PACKINGS {
            let payload = encode_batch(envelopes.clone(), packing);
            prop_assert_eq!(decode_batch(&payload).unwrap(), envelopes.clone());
        }
    }

    #[test]
    fn damaged_batches_never_panic(seed in 0u64..50, at in any::<prop::sample::Index>(), flip in 1u8..) {
        for packing in PACKINGS {
            let mut payload = encode_batch(encoded(seed, 6), packing);
            let at = at.index(payload.len());
            payload[at] ^= flip;
            let _ = decode_batch(&payload);
            let _ = decode_batch(&payload[..at]);
        }
    }

    #[test]
    fn receipts_of_a_message_round_trip(
        receipts in proptest::collection::vec(receipt(), 0..20),
        unreadable in proptest::collection::vec((0u32..256, "[ -~]{0,20}"), 0..5),
        correlation in proptest::collection::vec(any::<u8>(), 0..16),
        refused in proptest::option::of("[ -~]{0,20}"),
    ) {
        let sent = Receipts {
            receipts,
            unreadable,
            correlation,
            refused: refused.map(|reason| (v1::FrameRefusal::Dictionary, reason)),
            hub_time_ms: 1,
        };
        let carried = encode_carried_receipts(std::slice::from_ref(&sent), Vec::new());
        let mut received = decode_carried_receipts(&carried).unwrap().0.remove(0);
        let sorted = |mut receipts: Vec<Receipt>| {
            receipts.sort_by(|a, b| a.envelope_id.cmp(&b.envelope_id));
            receipts
        };
        prop_assert_eq!(sorted(std::mem::take(&mut received.receipts)), sorted(sent.receipts.clone()));
        prop_assert_eq!(received, Receipts { receipts: vec![], ..sent });
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1024)) {
        let _ = decode_batch(&bytes);
        let _ = decode_receipts(&bytes);
        let _ = decode_hello(&bytes);
        let _ = decode_presence(&bytes);
        let _ = decode_health(&bytes);
        let _ = decode_carried_results(&bytes);
        let _ = decode_carried_receipts(&bytes);
    }

    #[test]
    fn carried_results_round_trip(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..8), at in any::<i64>()) {
        prop_assert_eq!(decode_carried_results(&encode_carried_results(frames.clone(), at)).unwrap(), (frames, at));
    }
}
