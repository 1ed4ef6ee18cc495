#![no_main]
//! What arrives over MQTT, at either end.

use barefoot_wire::{decode_correction, decode_envelope, decode_receipt, decode_result, topics};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = decode_envelope(bytes) {
        let _ = decode_result(&envelope.body);
        let _ = decode_receipt(&envelope.body);
        let _ = decode_correction(&envelope.body);
    }
    let _ = decode_result(bytes);
    let _ = std::str::from_utf8(bytes).map(topics::parse);
});
