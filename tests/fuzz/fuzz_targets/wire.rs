#![no_main]
//! What arrives over MQTT, at either end.

#[path = "../checks/wire.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
