#![no_main]
//! A conversation on the DICOM port.

#[path = "../checks/dicom_pdu.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
