#![no_main]
//! Data sets of requests.

#[path = "../checks/dicom_data_set.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
