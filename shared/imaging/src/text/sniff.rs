/// Pairs of the common ideographs of GB 2312, all bytes high, must be there and must not be the fewer ones.
///
/// A Latin letter before an ASCII one can be read as a pair of the larger GBK, so those alone prove nothing.
pub(super) fn looks_like_gbk(raw: &[u8]) -> bool {
    let mut common = 0_u32;
    let mut rare = 0_u32;
    let mut bytes = raw.iter();
    while let Some(first) = bytes.next() {
        if first.is_ascii() {
            continue;
        }
        match (first, bytes.next()) {
            (0xB0..=0xF7, Some(0xA1..=0xFE)) => common += 1,
            (0x81..=0xFE, Some(0x40..=0x7E | 0x80..=0xFE)) => rare += 1,
            _ => return false,
        }
    }
    0 < common && rare <= common
}

/// Valid UTF-8 with something beyond ASCII, or such whose last character is cut: scanners count 64 bytes where the
/// standard counts characters. A cut alone proves nothing, since a Latin letter at the end looks like one.
pub(super) fn looks_like_utf8(raw: &[u8]) -> bool {
    match str::from_utf8(raw) {
        Ok(_) => !raw.is_ascii(),
        Err(error) if error.error_len().is_some() => false,
        Err(error) => raw
            .get(..error.valid_up_to())
            .is_some_and(|whole| !whole.is_ascii()),
    }
}

/// Valid UTF-8 with at least two characters of three bytes or more: GBK text hardly ever is that by accident, while
/// UTF-8 text often is valid GBK.
pub(super) fn is_surely_utf8(raw: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(raw) else {
        return false;
    };
    let mut long = 0;
    for character in text.chars() {
        match character.len_utf8() {
            1 => {}
            2 => return false,
            _ => long += 1,
        }
    }
    2 <= long
}
