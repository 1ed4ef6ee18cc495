//! Who read, and who signed.

use barefoot_domain::Reader;

use super::super::words::Words;
use super::super::{Sheet, moment};
use super::paper::{Align, Cell, LEFT, Paper, Role, WIDTH};
use super::{BODY, GREY, LINES, SMALL};

pub(super) fn draw(paper: &mut Paper<'_>, sheet: &Sheet<'_>, words: &Words) {
    let readers = &sheet.report.readers;
    let Some(signer) = readers.last() else {
        return;
    };
    if 1 < readers.len() {
        paper.part(Role::Section, |paper| {
            super::heading(paper, words.readers);
            paper.part(Role::Table, |paper| {
                for reader in readers {
                    row(paper, sheet, reader, words);
                }
            });
        });
    }
    paper.together(|paper| {
        paper.skip(16.0);
        let at = moment::local(sheet.report.signed_at_ms, sheet.utc_offset);
        let lines = [
            (
                words.signed_by,
                parts(&[&signer.name, &signer.title, &signer.institution]),
            ),
            (
                words.signed_at,
                format!(
                    "{} ({})　{}",
                    moment::printed(at),
                    moment::zone(at.offset()),
                    words.electronic
                ),
            ),
        ];
        for (label, value) in lines {
            paper.part(Role::Paragraph, |paper| {
                let text = format!("{label}{}{value}", words.colon);
                paper.text(LEFT, WIDTH, &text, BODY.bold(), Align::Right);
            });
        }
    });
}

fn parts(parts: &[&str]) -> String {
    let known: Vec<&str> = parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .collect();
    known.join("　")
}

fn row(paper: &mut Paper<'_>, sheet: &Sheet<'_>, reader: &Reader, words: &Words) {
    let cell = |x: f32, width: f32, text: String, is_header| Cell {
        x: LEFT + x,
        width,
        text,
        style: if is_header { SMALL.coloured(GREY) } else { SMALL },
        is_header,
    };
    let at = moment::printed(moment::local(reader.at_ms, sheet.utc_offset));
    let cells = [
        cell(9.0, 80.0, words.of_part(reader.part).to_owned(), true),
        cell(92.0, 168.0, parts(&[&reader.name, &reader.title]), false),
        cell(266.0, 128.0, reader.institution.trim().to_owned(), false),
        cell(400.0, 92.0, at, false),
    ];
    paper.row(&cells, 2.0);
    paper.rule(LINES, 0.4);
}
