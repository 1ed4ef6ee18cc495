//! Which character set a message is in (HL7 table 0211).

use encoding_rs::GB18030;

use super::Error;

/// The message as text. A byte order mark and the frame of MLLP are taken off.
pub(super) fn decode(bytes: &[u8]) -> Result<String, Error> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let bytes = bytes.strip_prefix(b"\x0B").unwrap_or(bytes);
    let end = bytes
        .iter()
        .rposition(|b| !matches!(b, 0x1C | b'\r' | b'\n' | b' '))
        .map_or(0, |at| at + 1);
    let bytes = bytes.get(..end).unwrap_or_default();
    let utf8 = str::from_utf8(bytes).ok();
    let gb18030 = || GB18030.decode_without_bom_handling_and_without_replacement(bytes);
    match declared(bytes) {
        Declared::Nothing => {
            let read = utf8.map(str::to_owned);
            read.or_else(|| gb18030().map(std::borrow::Cow::into_owned))
                .ok_or(Error::CharacterSet)
        }
        Declared::Utf8 => utf8.map(str::to_owned).ok_or(Error::CharacterSet),
        Declared::Gb18030 => gb18030()
            .map(std::borrow::Cow::into_owned)
            .ok_or(Error::CharacterSet),
        Declared::Other => Err(Error::CharacterSet),
    }
}

enum Declared {
    /// Nothing, or ASCII, which is what systems say that never thought of it: the bytes decide.
    Nothing,
    Utf8,
    Gb18030,
    Other,
}

/// MSH-18, read as if the header were in either set: what it says about itself is ASCII.
fn declared(bytes: &[u8]) -> Declared {
    let header = bytes
        .split(|b| matches!(b, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    let text = match str::from_utf8(header) {
        Ok(text) => text.to_owned(),
        Err(_) => GB18030.decode_without_bom_handling(header).0.into_owned(),
    };
    let separator = text.chars().nth(3).unwrap_or('|');
    // The separator is itself MSH-1.
    let field = text.split(separator).nth(17).unwrap_or_default();
    let first = field.split('~').find(|name| !name.is_empty()).unwrap_or_default();
    let name: String = first
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    match name.as_str() {
        "" | "ASCII" => Declared::Nothing,
        "UNICODEUTF8" | "UTF8" => Declared::Utf8,
        "GB180302000" | "GB18030" | "GBK" | "GB2312" => Declared::Gb18030,
        _ => Declared::Other,
    }
}
