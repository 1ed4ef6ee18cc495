#![no_main]
//! JPEG streams.

#[path = "../checks/jpeg.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
