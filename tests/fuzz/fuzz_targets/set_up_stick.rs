#![no_main]
//! A file on a stick that a new box is to be enrolled by.

#[path = "../checks/set_up_stick.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
