#![no_main]
//! What a scanner sends as a data set.

#[path = "../checks/dicom_header.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
