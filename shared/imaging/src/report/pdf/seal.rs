//! How to tell that the page says what was signed.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

use super::super::Sheet;
use super::super::words::Words;
use super::paper::{Align, Ink, LEFT, Paper, Role, Step, WIDTH, rectangle};
use super::{FINE, INK, LINES, SMALL};

/// The code's side on the page, its quiet zone included.
const SIDE: f32 = 84.0;
/// Modules of white around it (ISO/IEC 18004).
const QUIET: u16 = 4;

pub(super) fn draw(paper: &mut Paper<'_>, sheet: &Sheet<'_>, words: &Words) {
    let modules = code(sheet);
    paper.together(|paper| {
        paper.skip(14.0);
        paper.room(SIDE + 8.0);
        paper.rule(LINES, 0.7);
        paper.y += 6.0;
        let top = paper.y;
        let mut left = LEFT;
        if let Some(modules) = &modules {
            paper.part(Role::Figure(words.qr.to_owned()), |paper| {
                paper.put(Ink::Path {
                    steps: squares(modules, LEFT, top),
                    fill: Some(INK),
                    stroke: None,
                });
            });
            left += SIDE + 8.0;
        }
        let width = LEFT + WIDTH - left;
        paper.y = top + 3.0;
        paper.part(Role::Paragraph, |paper| {
            paper.text(left, width, words.verify, SMALL.bold(), Align::Left);
            let id = format!("{}{}{}", words.report_id, words.colon, sheet.report.id);
            paper.text(left, width, &id, SMALL, Align::Left);
            let fingerprint = format!(
                "{}{}{}",
                words.fingerprint,
                words.colon,
                short(&sheet.fingerprint)
            );
            paper.text(left, width, &fingerprint, SMALL, Align::Left);
            paper.text(left, width, words.verify_help, FINE, Align::Left);
        });
        paper.y = paper.y.max(top + SIDE);
    });
}

/// `BAREFOOT:R1:<report>:<SHA-256>` in capitals, which a code holds in fewer modules.
fn code(sheet: &Sheet<'_>) -> Option<Vec<Vec<bool>>> {
    let content = format!(
        "BAREFOOT:R1:{}:{}",
        sheet.report.id,
        hex(&sheet.fingerprint).to_uppercase()
    );
    let code = QrCode::with_error_correction_level(content, EcLevel::M).ok()?;
    let colours = code.to_colors();
    let rows = colours.chunks(code.width().max(1));
    Some(
        rows.map(|row| row.iter().map(|colour| *colour == Color::Dark).collect())
            .collect(),
    )
}

/// One rectangle for dark modules that lie side by side: no hairlines between them.
fn squares(rows: &[Vec<bool>], left: f32, top: f32) -> Vec<Step> {
    let count = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let module = SIDE / f32::from(count + 2 * QUIET);
    let at =
        |index: usize| f32::from(u16::try_from(index).unwrap_or(u16::MAX).saturating_add(QUIET)) * module;
    let mut steps = Vec::new();
    for (row, modules) in rows.iter().enumerate() {
        let mut start = 0;
        for run in modules.chunk_by(|a, b| a == b) {
            if run.first() == Some(&true) {
                let width = at(start + run.len()) - at(start);
                steps.extend(rectangle(left + at(start), top + at(row), width, module));
            }
            start += run.len();
        }
    }
    steps
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The first half in groups a person can compare.
fn short(fingerprint: &[u8; 32]) -> String {
    let groups: Vec<String> = fingerprint.chunks(2).take(8).map(hex).collect();
    format!("{} ...", groups.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_short_enough_to_compare() {
        let mut bytes = [0; 32];
        bytes[0] = 0xab;
        assert_eq!(short(&bytes), "ab00 0000 0000 0000 0000 0000 0000 0000 ...");
    }
}
