#![no_main]
//! Release metadata: as it comes from anywhere, and behind a signature that is right.

#[path = "../checks/release.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
