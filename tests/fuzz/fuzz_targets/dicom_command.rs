#![no_main]
//! A DIMSE command set.

#[path = "../checks/dicom_command.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
