#![no_main]
//! Text in whatever character set a scanner claims.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (value, character_set) = input;
    let text = barefoot_imaging::text::decode(value, Some(character_set));
    let _ = barefoot_imaging::text::person_name_display(&text);
});
