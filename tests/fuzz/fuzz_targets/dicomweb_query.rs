#![no_main]
//! Addresses and headers of DICOMweb.

#[path = "../checks/dicomweb_query.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
