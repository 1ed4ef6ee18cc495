#![no_main]
//! What arrives about images, at either end: ranges, names, sets, answers.

#[path = "../checks/images.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
