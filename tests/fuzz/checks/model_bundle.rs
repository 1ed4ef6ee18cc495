//! What the files of a model bundle say: manifest, weights of the head, golden cases.

use barefoot_inference::fuzzing::{golden, head, manifest};

/// The first byte says which file the others are. A manifest ends at the first zero; behind it stands its scope's file.
pub(crate) fn check(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    match which % 3 {
        0 => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            let (text, tensors) = bytes.split_at(end);
            let Ok(text) = std::str::from_utf8(text) else {
                return;
            };
            let Some(read) = manifest(text, tensors.get(1..).unwrap_or_default()) else {
                return;
            };
            assert!((1..=256).contains(&read.findings.len()));
            assert!(read.findings.iter().all(|point| (0.0..=1.0).contains(point)));
            assert!(read.input.iter().all(|side| (1..=4096).contains(side)));
            assert!((1..=10).contains(&read.files.len()));
        }
        1 => {
            let [findings, channels, file @ ..] = bytes else {
                return;
            };
            let (findings, channels) = (usize::from(*findings), usize::from(*channels));
            let Some([weights, biases]) = head(file, findings, channels) else {
                return;
            };
            assert_eq!((weights.len(), biases.len()), (findings * channels, findings));
            assert!(weights.iter().chain(&biases).all(|number| number.is_finite()));
        }
        _ => {
            let Some((findings, file)) = bytes.split_first() else {
                return;
            };
            if let Some(cases) = golden(file, usize::from(*findings)) {
                assert!((1..=64).contains(&cases));
            }
        }
    }
}
