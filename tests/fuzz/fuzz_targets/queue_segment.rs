#![no_main]
//! A segment of the queue's log.

#[path = "../checks/queue_segment.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
