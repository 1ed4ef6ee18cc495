#![no_main]
//! An HL7 order message.

#[path = "../checks/hl7_order.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
