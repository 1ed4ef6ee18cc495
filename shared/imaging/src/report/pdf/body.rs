//! What the readers wrote and marked.

use barefoot_domain::{Presence, Region, Statement};
use krilla::image::Image;

use super::super::words::Words;
use super::super::{KeyImage, Sheet};
use super::paper::{Align, Cell, LEFT, Paper, Role, WIDTH};
use super::{BODY, GREY, INK, LINES, RED, SMALL, TINT, picture};

/// A table of so many rows is not parted.
const KEPT_TOGETHER: usize = 12;

pub(super) fn draw(paper: &mut Paper<'_>, sheet: &Sheet<'_>, words: &Words, image: Option<&Image>) {
    let report = sheet.report;
    written(paper, sheet, words.description, words, &report.description, false);
    if let (Some(key), Some(image)) = (sheet.key_image, image) {
        picture::draw(paper, sheet, &key, image.size(), words);
    }
    written(paper, sheet, words.impression, words, &report.impression, true);
    if !report.advice.trim().is_empty() {
        written(paper, sheet, words.advice, words, &report.advice, false);
    }
    match report.statements.len() {
        0 => (),
        1..=KEPT_TOGETHER => paper.together(|paper| statements(paper, sheet, words)),
        _ => statements(paper, sheet, words),
    }
}

fn written(paper: &mut Paper<'_>, sheet: &Sheet<'_>, title: &str, words: &Words, text: &str, strong: bool) {
    let text = text.trim_end();
    // An addendum says only what it adds.
    if text.is_empty() && sheet.report.addendum_to.is_some() {
        return;
    }
    paper.part(Role::Section, |paper| {
        super::heading(paper, title);
        if text.is_empty() {
            paper.part(Role::Paragraph, |paper| {
                let style = BODY.coloured(GREY);
                paper.text(LEFT + 9.0, WIDTH - 9.0, words.nothing_written, style, Align::Left);
            });
            return;
        }
        let style = if strong { BODY.bold() } else { BODY };
        paper.part_in(language(sheet), Role::Paragraph, |paper| {
            paper.text(LEFT + 9.0, WIDTH - 9.0, text, style, Align::Left);
        });
    });
}

/// Of what people wrote, where it is named as a language is.
fn language<'a>(sheet: &Sheet<'a>) -> Option<&'a str> {
    let tag = sheet.report.language.as_str();
    let is_tag = (2..=35).contains(&tag.len())
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && tag.starts_with(|first: char| first.is_ascii_alphabetic());
    is_tag.then_some(tag)
}

fn statements(paper: &mut Paper<'_>, sheet: &Sheet<'_>, words: &Words) {
    let numbers = numbered(sheet.report.statements.iter());
    paper.part(Role::Section, |paper| {
        super::heading(paper, words.statements);
        paper.part(Role::Table, |paper| {
            columns(paper, words);
            for (statement, numbers) in sheet.report.statements.iter().zip(&numbers) {
                statement_row(paper, sheet, words, statement, numbers);
            }
        });
    });
}

/// Where columns begin, and how wide they are.
const COLUMNS: [(f32, f32); 5] = [
    (9.0, 112.0),
    (129.0, 66.0),
    (201.0, 48.0),
    (255.0, 160.0),
    (423.0, 68.0),
];

fn row(paper: &mut Paper<'_>, texts: [String; 5], style: super::Style, is_header: bool) {
    let cells: Vec<Cell> = COLUMNS
        .iter()
        .zip(texts)
        .map(|((x, width), text)| Cell {
            x: LEFT + x,
            width: *width,
            text,
            style,
            is_header,
        })
        .collect();
    paper.row(&cells, 2.2);
    paper.rule(LINES, 0.4);
}

fn columns(paper: &mut Paper<'_>, words: &Words) {
    let titles = [words.finding, words.presence, words.side, words.note, words.marks];
    let height = SMALL.line_height() + 4.4;
    paper.room(2.0 * height);
    let ground = super::paper::rectangle(LEFT, paper.y, WIDTH, height);
    paper.ornament(ground, Some(TINT), None);
    row(paper, titles.map(str::to_owned), SMALL.coloured(GREY), true);
}

fn statement_row(
    paper: &mut Paper<'_>,
    sheet: &Sheet<'_>,
    words: &Words,
    statement: &Statement,
    numbers: &[usize],
) {
    let colour = if statement.presence == Presence::Present {
        RED
    } else {
        INK
    };
    let shown: Vec<String> = statement
        .regions
        .iter()
        .zip(numbers)
        .filter(|(region, _)| sheet.key_image.is_some_and(|key| shows(&key, region)))
        .map(|(_, number)| number.to_string())
        .collect();
    let mut marks = shown.join(words.comma);
    let elsewhere = statement.regions.len() - shown.len();
    if 0 < elsewhere {
        if !marks.is_empty() {
            marks.push_str(words.comma);
        }
        marks.push_str(&words.elsewhere(elsewhere));
    }
    let texts = [
        words.finding(&statement.finding, sheet.names),
        words.of_presence(statement.presence).to_owned(),
        statement
            .side
            .map(|side| words.of_side(side))
            .unwrap_or_default()
            .to_owned(),
        statement.note.trim_end().to_owned(),
        marks,
    ];
    row(paper, texts, SMALL.coloured(colour), false);
}

/// Whether a region lies on the picture on the page.
pub(super) fn shows(key: &KeyImage<'_>, region: &Region) -> bool {
    region.instance == key.named && region.frame == key.frame
}

/// A number for each region of each statement, from 1.
pub(super) fn numbered<'s>(statements: impl Iterator<Item = &'s Statement>) -> Vec<Vec<usize>> {
    let mut next = 1;
    statements
        .map(|statement| {
            let first = next;
            next += statement.regions.len();
            (first..next).collect()
        })
        .collect()
}
