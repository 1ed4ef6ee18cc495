//! A chunk of an update, as a clinic sent it: in every encoding, whole and as a piece.

use barefoot_federation::encoding::{BLOCK_VALUES, Encoding, decode_into, decode_masked_into};

pub(crate) fn check(bytes: &[u8]) {
    for encoding in Encoding::ALL {
        for values in [bytes.len() / 4, bytes.len() / 2, bytes.len(), BLOCK_VALUES + 1] {
            let mut into = vec![0.0; values];
            if decode_into(bytes, encoding, &mut into).is_ok() {
                assert!(into.iter().all(|value| value.is_finite()));
            }
        }
    }
    let _ = decode_masked_into(bytes, &mut vec![0; bytes.len() / 4]);
}
