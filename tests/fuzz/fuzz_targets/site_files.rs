#![no_main]
//! The box's own two files as a person may write them.

#[path = "../checks/site_files.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
