//! The report on A4.

mod assistance;
mod body;
mod head;
mod paint;
mod paper;
mod picture;
mod seal;
mod signing;
pub(crate) mod text;

use std::collections::BTreeSet;

use krilla::image::Image;

use super::words::{Words, words};
use super::{Error, Fonts, Sheet, moment};
use paint::About;
use paper::{Align, BOTTOM, LEFT, Paper, Role, WIDTH};
use text::{Colour, Setter, Style};

/// A finished page.
#[derive(Clone, PartialEq, Eq)]
pub struct Pdf {
    pub bytes: Vec<u8>,
    pub pages: usize,
    /// Characters that no font had: on the page a box with their code stands for each. Worth a line in the log, since
    /// another font would print them.
    pub missing: BTreeSet<char>,
}

impl std::fmt::Debug for Pdf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pdf")
            .field("bytes", &self.bytes.len())
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}

const INK: Colour = Colour(0x16, 0x1d, 0x24);
const GREY: Colour = Colour(0x55, 0x60, 0x6b);
const LINES: Colour = Colour(0xc3, 0xcc, 0xd4);
const TINT: Colour = Colour(0xf0, 0xf4, 0xf7);
const ACCENT: Colour = Colour(0x0b, 0x4a, 0x6f);
const RED: Colour = Colour(0xa8, 0x17, 0x17);
const RED_TINT: Colour = Colour(0xfd, 0xee, 0xec);
const AMBER: Colour = Colour(0x8a, 0x53, 0x00);
const AMBER_TINT: Colour = Colour(0xff, 0xf5, 0xe0);

const BODY: Style = Style {
    size: 10.5,
    bold: false,
    colour: INK,
    leading: 1.62,
};
const SMALL: Style = Style {
    size: 9.0,
    bold: false,
    colour: INK,
    leading: 1.5,
};
const FINE: Style = Style {
    size: 7.8,
    bold: false,
    colour: GREY,
    leading: 1.45,
};
const HEADING: Style = Style {
    size: 11.5,
    bold: true,
    colour: ACCENT,
    leading: 1.5,
};

/// The report as PDF/A-2a.
///
/// # Errors
/// When the key image is no JPEG, or the page cannot be written in that form.
pub fn pdf(sheet: &Sheet<'_>, fonts: &Fonts) -> Result<Pdf, Error> {
    let words = words(sheet.language);
    let picture = match sheet.key_image {
        Some(key) => Some(Image::from_jpeg(key.jpeg.to_vec().into(), false).map_err(|_| Error::KeyImage)?),
        None => None,
    };
    let setter = Setter::new(fonts);
    let mut paper = Paper::new(&setter);
    head::draw(&mut paper, sheet, words);
    body::draw(&mut paper, sheet, words, picture.as_ref());
    assistance::draw(&mut paper, sheet, words);
    signing::draw(&mut paper, sheet, words);
    seal::draw(&mut paper, sheet, words);
    margins(&mut paper, sheet, words);
    let about = About {
        report: sheet.report,
        title: format!("{} {}", title(sheet, words), sheet.report.id),
        language: sheet.language,
        signed_at: moment::local(sheet.report.signed_at_ms, sheet.utc_offset),
    };
    let bytes = paint::document(&paper.pages, &paper.nodes, picture.as_ref(), &about)?;
    Ok(Pdf {
        bytes,
        pages: paper.pages.len(),
        missing: setter.missing(),
    })
}

fn title(sheet: &Sheet<'_>, words: &Words) -> &'static str {
    match sheet.report.addendum_to {
        Some(_) => words.addendum_title,
        None => words.title,
    }
}

/// Whose report it is stands on every page, and which page of how many.
fn margins(paper: &mut Paper<'_>, sheet: &Sheet<'_>, words: &Words) {
    let count = paper.pages.len();
    let setter = paper.setter();
    let whose = head::whose(sheet, words);
    let foot = format!(
        "{}　{} {}",
        words.clinician_decides, words.report_id, sheet.report.id
    );
    for (index, pieces) in paper.pages.iter_mut().enumerate() {
        let mut margin = Paper::new(setter);
        let at_right = |margin: &mut Paper<'_>, text: &str, y: f32| {
            let line = setter.line(text, FINE);
            let x = LEFT + WIDTH - line.width * FINE.size;
            margin.put_line(x, y, line, FINE);
        };
        margin.y = BOTTOM + 14.0;
        margin.rule(LINES, 0.5);
        margin.put_line(LEFT, BOTTOM + 19.0, setter.line(&foot, FINE), FINE);
        at_right(&mut margin, &words.page(index + 1, count), BOTTOM + 19.0);
        if 0 < index {
            margin.put_line(LEFT, 36.0, setter.line(title(sheet, words), FINE), FINE);
            // A name may be as long as it likes; its line is not.
            let whose = setter.lines(&whose, FINE, WIDTH * 0.7);
            if let Some(line) = whose.into_iter().next() {
                let x = LEFT + WIDTH - line.width * FINE.size;
                margin.put_line(x, 36.0, line, FINE);
            }
            margin.y = 52.0;
            margin.rule(LINES, 0.5);
        }
        for page in margin.pages {
            pieces.extend(page);
        }
    }
}

/// A heading with its mark; at least two lines of what follows fit on the page.
fn heading(paper: &mut Paper<'_>, text: &str) {
    paper.skip(9.0);
    paper.room(HEADING.line_height() + 2.0 * BODY.line_height());
    let bar = paper::rectangle(LEFT, paper.y + 3.0, 3.0, HEADING.line_height() - 6.0);
    paper.ornament(bar, Some(ACCENT), None);
    paper.part(Role::Heading(text.to_owned()), |paper| {
        paper.text(LEFT + 9.0, WIDTH - 9.0, text, HEADING, Align::Left);
    });
    paper.y += 2.0;
}

/// A paragraph on a tinted ground across the page; it may not be longer than a page.
fn notice(paper: &mut Paper<'_>, strong: &str, text: &str, (colour, tint): (Colour, Colour)) {
    const PADDING: f32 = 7.0;
    let style = BODY.coloured(colour);
    let inner = WIDTH - 2.0 * PADDING - 4.0;
    let bold = style.bold();
    let setter = paper.setter();
    let (first, rest) = (
        setter.lines(strong, bold, inner),
        setter.lines(text, style, inner),
    );
    let lines = u16::try_from(first.len() + rest.len()).unwrap_or(u16::MAX);
    let height = f32::from(lines) * style.line_height() + 2.0 * PADDING - 4.0;
    paper.skip(6.0);
    paper.room(height);
    paper.ornament(paper::rectangle(LEFT, paper.y, WIDTH, height), Some(tint), None);
    paper.ornament(paper::rectangle(LEFT, paper.y, 3.5, height), Some(colour), None);
    let bottom = paper.y + height;
    paper.y += PADDING - 2.0;
    paper.part(Role::Paragraph, |paper| {
        paper.text(LEFT + PADDING + 4.0, inner, strong, bold, Align::Left);
        paper.text(LEFT + PADDING + 4.0, inner, text, style, Align::Left);
    });
    paper.y = paper.y.max(bottom) + 4.0;
}
