#![no_main]
//! Text in whatever character set a scanner claims.

#[path = "../checks/dicom_text.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
