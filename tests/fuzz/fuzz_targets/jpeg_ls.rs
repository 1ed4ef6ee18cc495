#![no_main]
//! JPEG-LS streams.

#[path = "../checks/jpeg_ls.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
