#![no_main]
//! A stick or a disc of somebody else.

#[path = "../checks/medium.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
