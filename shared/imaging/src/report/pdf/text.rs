//! Text into lines: which font has a character, how wide it is, where a line may end.
//!
//! Lines end by UAX #14 in its strict form, which holds what Chinese typesetting asks for (no closing mark at a line's start,
//! no opening one at its end, Latin words and numbers whole). Scripts written from right to left stand in the order they are
//! stored: reports are in Chinese or English.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use icu_segmenter::options::{LineBreakOptions, LineBreakStrictness};
use icu_segmenter::{LineSegmenter, LineSegmenterBorrowed};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::MetadataProvider as _;
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;

use super::super::fonts::{Face, Fonts};

/// What stands for a character that no font has is written this much smaller, in a box.
const BOXED: f32 = 0.62;
/// Around it, in ems of the line.
const BOX_MARGIN: f32 = 0.12;

/// From here on, in ems, a mark is as wide as a Chinese character.
const WIDE: f32 = 0.9;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Style {
    /// In points.
    pub(crate) size: f32,
    pub(crate) bold: bool,
    pub(crate) colour: Colour,
    /// From baseline to baseline, in sizes.
    pub(crate) leading: f32,
}

impl Style {
    pub(crate) fn line_height(self) -> f32 {
        self.size * self.leading
    }

    pub(crate) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) fn coloured(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    pub(crate) fn sized(self, size: f32) -> Self {
        Self { size, ..self }
    }
}

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// What one line shows, from its left end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) runs: Vec<Run>,
    /// In ems, blanks at the end left out.
    pub(crate) width: f32,
}

/// A part of a line in one font.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) font: Font,
    pub(crate) text: String,
    pub(crate) glyphs: Vec<KrillaGlyph>,
    /// In ems of the line.
    pub(crate) width: f32,
    /// The code of a character that no font has.
    pub(crate) boxed: bool,
}

impl Run {
    /// Of its letters to the line's.
    pub(crate) fn scale(&self) -> f32 {
        if self.boxed { BOXED } else { 1.0 }
    }

    /// Where its letters begin, in ems of the line.
    pub(crate) fn indent(&self) -> f32 {
        if self.boxed { BOX_MARGIN } else { 0.0 }
    }
}

/// A font's tables that are asked for each character.
struct Metrics<'a> {
    font: &'a Font,
    charmap: Charmap<'a>,
    advances: GlyphMetrics<'a>,
    units: f32,
}

/// Sets text in the fonts that are there.
pub(crate) struct Setter<'a> {
    regular: Vec<Metrics<'a>>,
    bold: Vec<Metrics<'a>>,
    breaks: LineSegmenterBorrowed<'static>,
    missing: RefCell<BTreeSet<char>>,
}

/// What stays together in a line: a character and what has no form of its own after it.
struct Cluster<'a> {
    text: String,
    metrics: Option<&'a Metrics<'a>>,
    glyph: u32,
    /// In ems.
    width: f32,
    may_break_before: bool,
}

impl<'a> Setter<'a> {
    pub(crate) fn new(fonts: &'a Fonts) -> Self {
        let mut options = LineBreakOptions::default();
        options.strictness = Some(LineBreakStrictness::Strict);
        Self {
            regular: fonts.regular.iter().filter_map(metrics).collect(),
            bold: fonts.bold.iter().filter_map(metrics).collect(),
            breaks: LineSegmenter::new_for_non_complex_scripts(options),
            missing: RefCell::default(),
        }
    }

    /// The characters that no font had.
    pub(crate) fn missing(&self) -> BTreeSet<char> {
        self.missing.borrow().clone()
    }

    /// Lines no wider than `width` points; an empty paragraph is an empty line.
    pub(crate) fn lines(&self, text: &str, style: Style, width: f32) -> Vec<Line> {
        let room = width / style.size;
        let mut lines = Vec::new();
        for paragraph in paragraphs(text) {
            self.paragraph(&paragraph, style.bold, room, &mut lines);
        }
        lines
    }

    /// One line, however wide.
    pub(crate) fn line(&self, text: &str, style: Style) -> Line {
        let flat = paragraphs(text).join(" ");
        let mut lines = Vec::new();
        self.paragraph(&flat, style.bold, f32::INFINITY, &mut lines);
        lines.pop().unwrap_or_default()
    }

    fn paragraph(&self, text: &str, bold: bool, room: f32, lines: &mut Vec<Line>) {
        let clusters = self.clusters(text, bold);
        let mut start = 0;
        loop {
            let end = line_end(&clusters, start, room);
            let within = clusters.get(start..end).unwrap_or_default();
            lines.push(self.set(within));
            start = end;
            if clusters.len() <= end {
                return;
            }
        }
    }

    fn clusters(&self, text: &str, bold: bool) -> Vec<Cluster<'_>> {
        let breaks: BTreeSet<usize> = self.breaks.segment_str(text).collect();
        let is_chinese = text.chars().any(is_han);
        let mut clusters: Vec<Cluster<'_>> = Vec::new();
        for (at, character) in text.char_indices() {
            if is_formless(character) {
                // A code in its box has nothing to be joined to.
                if let Some(last) = clusters.last_mut().filter(|last| last.metrics.is_some()) {
                    last.text.push(character);
                }
                continue;
            }
            let is_narrow = is_narrow(text, at, is_chinese);
            let found = printable(character)
                .then(|| self.find(character, bold, is_narrow))
                .flatten();
            let may_break_before = breaks.contains(&at) && !is_unit(text, at);
            clusters.push(match found {
                Some((metrics, glyph, width)) => Cluster {
                    text: character.to_string(),
                    metrics: Some(metrics),
                    glyph,
                    width,
                    may_break_before,
                },
                None => {
                    self.missing.borrow_mut().insert(character);
                    let text = format!("U+{:04X}", u32::from(character));
                    let width = self.width(&text) * BOXED + 2.0 * BOX_MARGIN;
                    Cluster {
                        text,
                        metrics: None,
                        glyph: 0,
                        width,
                        may_break_before,
                    }
                }
            });
        }
        clusters
    }

    /// `narrow`: a mark that Chinese fonts make as wide as a character, in text that has no place for that.
    fn find(&self, character: char, bold: bool, narrow: bool) -> Option<(&Metrics<'a>, u32, f32)> {
        let fonts = if bold { &self.bold } else { &self.regular };
        let mut found = fonts.iter().filter_map(|metrics| {
            let glyph = metrics
                .charmap
                .map(character)
                .filter(|glyph| glyph.to_u32() != 0)?;
            let advance = metrics.advances.advance_width(glyph)?;
            Some((metrics, glyph.to_u32(), advance / metrics.units))
        });
        let first = found.next()?;
        if narrow && WIDE <= first.2 {
            return found.find(|(_, _, width)| *width < WIDE).or(Some(first));
        }
        Some(first)
    }

    /// Of plain ASCII in the regular font, in ems.
    fn width(&self, text: &str) -> f32 {
        let widths = text
            .chars()
            .filter_map(|character| self.find(character, false, false));
        widths.map(|(_, _, width)| width).sum()
    }

    fn set(&self, clusters: &[Cluster<'_>]) -> Line {
        let mut line = Line::default();
        let mut at = 0.0;
        for cluster in clusters {
            match cluster.metrics {
                Some(metrics) => {
                    if line
                        .runs
                        .last()
                        .is_none_or(|run| run.boxed || run.font != *metrics.font)
                    {
                        line.runs.push(empty_run(metrics.font, false));
                    }
                    if let Some(run) = line.runs.last_mut() {
                        run.push(&cluster.text, cluster.glyph, cluster.width);
                        run.width += cluster.width;
                    }
                }
                None => line.runs.extend(self.boxed(&cluster.text, cluster.width)),
            }
            at += cluster.width;
            if cluster.text.trim_end() != "" {
                line.width = at;
            }
        }
        line
    }

    /// The code of a character in its box; the page's text then holds the code.
    fn boxed(&self, code: &str, width: f32) -> Option<Run> {
        let mut run: Option<Run> = None;
        for character in code.chars() {
            if let Some((metrics, glyph, advance)) = self.find(character, false, false) {
                run.get_or_insert_with(|| empty_run(metrics.font, true)).push(
                    &character.to_string(),
                    glyph,
                    advance,
                );
            }
        }
        run.map(|run| Run { width, ..run })
    }
}

impl Run {
    fn push(&mut self, text: &str, glyph: u32, advance: f32) {
        let range: Range<usize> = self.text.len()..self.text.len() + text.len();
        self.text.push_str(text);
        self.glyphs.push(KrillaGlyph::new(
            GlyphId::new(glyph),
            advance,
            0.0,
            0.0,
            0.0,
            range,
            None,
        ));
    }
}

fn empty_run(font: &Font, boxed: bool) -> Run {
    Run {
        font: font.clone(),
        text: String::new(),
        glyphs: Vec::new(),
        width: 0.0,
        boxed,
    }
}

fn metrics(face: &Face) -> Option<Metrics<'_>> {
    let tables = face.tables()?;
    Some(Metrics {
        font: &face.font,
        charmap: tables.charmap(),
        advances: tables.glyph_metrics(Size::unscaled(), LocationRef::default()),
        units: face.font.units_per_em(),
    })
}

/// The first cluster of the next line: at the last place where one may begin, or, where a word is wider than the line, where
/// the room ends.
fn line_end(clusters: &[Cluster<'_>], start: usize, room: f32) -> usize {
    let mut width = 0.0;
    let mut last_break = None;
    for (index, cluster) in clusters.iter().enumerate().skip(start) {
        if start < index && cluster.may_break_before {
            last_break = Some(index);
        }
        width += cluster.width;
        // A blank at the end hangs over.
        let is_blank = cluster.text.trim_end().is_empty();
        if room < width && start < index && !is_blank {
            return last_break.unwrap_or(index);
        }
    }
    clusters.len()
}

fn is_han(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{323af}')
}

/// Quotation marks are the same characters in Chinese and in English, and twice as wide in one as in the other.
fn is_narrow(text: &str, at: usize, is_chinese: bool) -> bool {
    let (before, rest) = text.split_at_checked(at).unwrap_or_default();
    let mut rest = rest.chars();
    match rest.next() {
        Some('’') if is_chinese => {
            let latin = |character: char| character.is_ascii_alphabetic();
            before.ends_with(latin) && rest.next().is_some_and(latin)
        }
        Some('‘' | '’' | '“' | '”' | '…' | '—') => !is_chinese,
        _ => false,
    }
}

/// Whether the unit of a number begins here: the two stand in one line.
fn is_unit(text: &str, at: usize) -> bool {
    const UNITS: [&str; 12] = [
        "mm", "cm", "mm²", "cm²", "mL", "ml", "HU", "kg", "mg", "mmHg", "mSv", "%",
    ];
    let Some((before, after)) = text.split_at_checked(at) else {
        return false;
    };
    let follows_number = before
        .strip_suffix(' ')
        .is_some_and(|before| before.ends_with(|last: char| last.is_ascii_digit()));
    let word: String = after
        .chars()
        .take_while(|character| character.is_ascii_alphabetic() || matches!(character, '²' | '%'))
        .collect();
    follows_number && UNITS.contains(&word.as_str())
}

/// A paragraph is what ends with a line's end, however that is written; tabs are blanks.
fn paragraphs(text: &str) -> Vec<String> {
    let ends = ['\n', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    let text = text
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\t', "    ");
    text.split(ends).map(str::to_owned).collect()
}

/// Has no form by itself: joiners, variation selectors, marks of direction (Default_Ignorable_Code_Point).
fn is_formless(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Private characters have no meaning to others, controls no form (and PDF/A takes neither): both are shown by their code.
fn printable(character: char) -> bool {
    let is_private = matches!(
        character,
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10ffff}'
    );
    let is_none = matches!(u32::from(character) & 0xffff, 0xfffe | 0xffff);
    !is_private && !is_none && !character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_are_as_wide_as_their_text() {
        assert!(is_narrow("the patient’s", 11, false));
        assert!(!is_narrow("“肺炎”", 0, true));
        assert!(is_narrow("参考 Kerley’s 线", 13, true));
        assert!(!is_narrow("‘双肺’", 9, true));
    }

    #[test]
    fn a_number_keeps_its_unit() {
        let text = "约 42 mm 大小, 3 months, 12 mmHg";
        let breaks = |unit: &str| is_unit(text, text.find(unit).unwrap());
        assert!(breaks("mm 大") && breaks("mmHg"));
        assert!(!breaks("months") && !breaks("大小"));
    }

    #[test]
    fn paragraphs_end_however_they_were_written() {
        assert_eq!(paragraphs("a\r\nb\rc\u{2028}d\te"), ["a", "b", "c", "d    e"]);
    }

    #[test]
    fn what_cannot_be_printed_is_known() {
        for none in ['\u{0}', '\u{7}', '\u{e000}', '\u{fffe}', '\u{10ffff}'] {
            assert!(!printable(none), "{none:?}");
        }
        assert!(printable('影') && printable('é') && printable('😀'));
        assert!(is_formless('\u{200d}') && is_formless('\u{fe0f}') && !is_formless('a'));
    }
}
