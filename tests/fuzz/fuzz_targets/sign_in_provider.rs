#![no_main]
//! What a sign-in provider says, or who stands in its place.

#[path = "../checks/sign_in_provider.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
