use barefoot_federation::encoding::{DecodeError, Encoding, decode_into};

/// The values of one F32 chunk; every one is finite.
pub(super) fn decode(bytes: &[u8], values: usize) -> Result<Vec<f32>, DecodeError> {
    let mut into = vec![0.0; values];
    decode_into(bytes, Encoding::F32, &mut into)?;
    Ok(into)
}
