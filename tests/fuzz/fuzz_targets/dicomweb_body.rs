#![no_main]
//! Bodies that are sent to DICOMweb.

#[path = "../checks/dicomweb_body.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
