//! Text in whatever character set a scanner claims.

/// The first byte says how many of the next are the character set; the rest is the text.
pub(crate) fn check(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else {
        return;
    };
    let (character_set, value) = rest.split_at(usize::from(*length).min(rest.len()));
    let text = barefoot_imaging::text::decode(value, Some(character_set));
    let _ = barefoot_imaging::text::person_name_display(&text);
}
