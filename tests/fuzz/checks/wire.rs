//! What arrives over MQTT, at either end.

use barefoot_wire::{decode_correction, decode_envelope, decode_receipt, decode_result, topics};

pub(crate) fn check(bytes: &[u8]) {
    if let Ok(envelope) = decode_envelope(bytes) {
        let _ = decode_result(&envelope.body);
        let _ = decode_receipt(&envelope.body);
        let _ = decode_correction(&envelope.body);
    }
    let _ = decode_result(bytes);
    let _ = std::str::from_utf8(bytes).map(topics::parse);
}
