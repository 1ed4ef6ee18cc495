use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7,
    ISO_8859_8, ISO_8859_15, SHIFT_JIS, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

pub(super) const ESCAPE: u8 = 0x1B;

/// What the low half of the code table holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Low {
    Ascii,
    JisX0208,
    JisX0212,
}

enum Designation {
    Low(Low),
    High(&'static Encoding),
}

/// The escape sequences of PS3.3 tables C.12-3 and C.12-4, without the escape itself.
const DESIGNATIONS: &[(&[u8], Designation)] = &[
    (b"(B", Designation::Low(Low::Ascii)),
    (b"(J", Designation::Low(Low::Ascii)),
    (b"$B", Designation::Low(Low::JisX0208)),
    (b"$@", Designation::Low(Low::JisX0208)),
    (b"$(D", Designation::Low(Low::JisX0212)),
    (b"$)A", Designation::High(GBK)),
    (b"$)C", Designation::High(EUC_KR)),
    (b")I", Designation::High(SHIFT_JIS)),
    (b"-A", Designation::High(WINDOWS_1252)),
    (b"-B", Designation::High(ISO_8859_2)),
    (b"-C", Designation::High(ISO_8859_3)),
    (b"-D", Designation::High(ISO_8859_4)),
    (b"-L", Designation::High(ISO_8859_5)),
    (b"-G", Designation::High(ISO_8859_6)),
    (b"-F", Designation::High(ISO_8859_7)),
    (b"-H", Designation::High(ISO_8859_8)),
    (b"-M", Designation::High(WINDOWS_1254)),
    (b"-T", Designation::High(WINDOWS_874)),
    (b"-b", Designation::High(ISO_8859_15)),
];

/// Decodes bytes with escape sequences; the flag says that every byte was understood.
///
/// Designations stay until the next one: the standard resets them at delimiters and lets every component repeat its own,
/// so this reads what is right and what forgot to repeat.
pub(super) fn decode(raw: &[u8], high: Option<&'static Encoding>) -> (String, bool) {
    let mut low = Low::Ascii;
    let mut high = high;
    let mut text = String::new();
    let mut sure = true;
    let mut parts = raw.split(|byte| *byte == ESCAPE);
    if let Some(first) = parts.next() {
        sure &= segment(first, low, high, &mut text);
    }
    for part in parts {
        let found = DESIGNATIONS
            .iter()
            .find_map(|(sequence, designation)| Some((part.strip_prefix(*sequence)?, designation)));
        let rest = match found {
            Some((rest, Designation::Low(designated))) => {
                low = *designated;
                rest
            }
            Some((rest, Designation::High(designated))) => {
                high = Some(designated);
                rest
            }
            None => {
                sure = false;
                part
            }
        };
        sure &= segment(rest, low, high, &mut text);
    }
    (text, sure)
}

/// A run without escapes: high bytes by the upper designation, low ones by the lower.
fn segment(bytes: &[u8], low: Low, high: Option<&'static Encoding>, text: &mut String) -> bool {
    let mut sure = true;
    for run in bytes.chunk_by(|a, b| a.is_ascii() == b.is_ascii()) {
        let is_low = run.first().is_some_and(u8::is_ascii);
        sure &= if is_low {
            low_run(run, low, text)
        } else {
            decode_into(high.unwrap_or(WINDOWS_1252), run, text) && high.is_some()
        };
    }
    sure
}

fn low_run(run: &[u8], low: Low, text: &mut String) -> bool {
    if low == Low::Ascii {
        return decode_into(WINDOWS_1252, run, text);
    }
    // EUC has the same tables in its upper half, the second behind a prefix.
    let mut euc = Vec::with_capacity(run.len() * 2);
    let (pairs, rest) = run.as_chunks::<2>();
    for [first, second] in pairs {
        if low == Low::JisX0212 {
            euc.push(0x8F);
        }
        euc.extend([first | 0x80, second | 0x80]);
    }
    decode_into(EUC_JP, &euc, text) & decode_into(WINDOWS_1252, rest, text)
}

fn decode_into(encoding: &'static Encoding, bytes: &[u8], text: &mut String) -> bool {
    let (decoded, had_errors) = encoding.decode_without_bom_handling(bytes);
    text.push_str(&decoded);
    !had_errors
}
