#![no_main]
//! A chunk of an update, as a clinic sent it: in every encoding, whole and as a piece.

#[path = "../checks/update.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
