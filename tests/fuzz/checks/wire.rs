//! What arrives over MQTT, at either end.

use barefoot_wire::{
    decode_batch, decode_correction, decode_envelope, decode_health, decode_hello, decode_presence,
    decode_receipt, decode_receipts, decode_result, topics,
};

pub(crate) fn check(bytes: &[u8]) {
    if let Ok(envelope) = decode_envelope(bytes) {
        let _ = decode_result(&envelope.body);
        let _ = decode_receipt(&envelope.body);
        let _ = decode_correction(&envelope.body);
        let _ = decode_receipts(&envelope.body);
        let _ = decode_hello(&envelope.body);
        let _ = decode_presence(&envelope.body);
        let _ = decode_health(&envelope.body);
    }
    for envelope in decode_batch(bytes).unwrap_or_default() {
        let _ = decode_envelope(&envelope);
    }
    let _ = decode_result(bytes);
    let _ = std::str::from_utf8(bytes).map(topics::parse);
}
