#![no_main]
//! The files of a model bundle.

#[path = "../checks/model_bundle.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
