#![no_main]
//! A file that travels by hand between a box and its hub.

#[path = "../checks/sealed_file.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
