#![no_main]
//! Data sets on their way out of a clinic: whatever stands in them, what comes out has the profile's form.

#[path = "../checks/deidentify.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
