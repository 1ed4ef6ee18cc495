//! The key image with the readers' marks.

use barefoot_domain::{Region, Shape};

use super::super::words::Words;
use super::super::{KeyImage, Sheet};
use super::body::{numbered, shows};
use super::paper::{Align, Ink, LEFT, Paper, Role, Step, WIDTH, ellipse, rectangle};
use super::text::Colour;
use super::{FINE, LINES, SMALL};

const TALLEST: f32 = 210.0;
const WIDEST: f32 = 280.0;
const GAP: f32 = 14.0;

/// Seen on black and on white: a bright line on a dark one.
const MARK: Colour = Colour(0xff, 0xd6, 0x0a);
const HALO: Colour = Colour(0x10, 0x10, 0x10);

struct Mark<'a> {
    number: usize,
    region: &'a Region,
    what: String,
}

/// `size` is the JPEG's own.
pub(super) fn draw(
    paper: &mut Paper<'_>,
    sheet: &Sheet<'_>,
    key: &KeyImage<'_>,
    size: (u32, u32),
    words: &Words,
) {
    let Some((width, height)) = fitted(size) else {
        return;
    };
    let marks = marks(sheet, key, words);
    let legend: Vec<String> = marks
        .iter()
        .map(|mark| format!("{}　{}", mark.number, mark.what))
        .collect();
    let beside = WIDTH - 9.0 - width - GAP;
    let legend_lines: usize = legend
        .iter()
        .map(|text| paper.setter().lines(text, SMALL, beside).len())
        .sum();
    let legend_height = f32::from(u16::try_from(legend_lines).unwrap_or(u16::MAX)) * SMALL.line_height();
    let fits_beside = legend_height + 2.0 * SMALL.line_height() <= height;
    let draw = |paper: &mut Paper<'_>| {
        paper.skip(8.0);
        paper.room(height);
        let (x, y) = (LEFT + 9.0, paper.y);
        paper.part(Role::Figure(words.picture(marks.len())), |paper| {
            paper.put(Ink::Picture { x, y, width, height });
            for mark in &marks {
                outline(paper, mark, key, (x, y, width, height));
            }
        });
        paper.ornament(rectangle(x, y, width, height), None, Some((LINES, 0.6)));
        let (at, room) = if fits_beside {
            paper.y = y;
            (x + width + GAP, beside)
        } else {
            paper.y = y + height + 4.0;
            (x, WIDTH - 9.0)
        };
        paper.part(Role::Paragraph, |paper| {
            paper.text(at, room, words.key_image, SMALL.bold(), Align::Left);
            for text in &legend {
                paper.text(at, room, text, SMALL, Align::Left);
            }
        });
        if fits_beside {
            paper.y = y + height;
        }
        paper.y += 2.0;
    };
    if fits_beside {
        paper.together(draw);
    } else {
        draw(paper);
    }
}

/// The picture's size on the page: its sides keep their ratio.
fn fitted((width, height): (u32, u32)) -> Option<(f32, f32)> {
    let side = |pixels: u32| {
        u16::try_from(pixels)
            .ok()
            .filter(|pixels| 0 < *pixels)
            .map(f32::from)
    };
    let (width, height) = (side(width)?, side(height)?);
    let scale = (WIDEST / width).min(TALLEST / height);
    // A strip is shown as a strip, but not as a hair.
    Some(((width * scale).max(12.0), (height * scale).max(12.0)))
}

fn marks<'a>(sheet: &Sheet<'a>, key: &KeyImage<'_>, words: &Words) -> Vec<Mark<'a>> {
    let statements = &sheet.report.statements;
    let mut marks = Vec::new();
    for (statement, numbers) in statements.iter().zip(numbered(statements.iter())) {
        let mut what = words.finding(&statement.finding, sheet.names);
        if let Some(side) = statement.side {
            what.push_str(words.comma);
            what.push_str(words.of_side(side));
        }
        for (region, number) in statement.regions.iter().zip(numbers) {
            if shows(key, region) {
                marks.push(Mark {
                    number,
                    region,
                    what: what.clone(),
                });
            }
        }
    }
    marks
}

fn outline(
    paper: &mut Paper<'_>,
    mark: &Mark<'_>,
    key: &KeyImage<'_>,
    (x, y, width, height): (f32, f32, f32, f32),
) {
    let along = |value: f32, pixels: u32, length: f32| {
        let pixels = f32::from(u16::try_from(pixels).unwrap_or(u16::MAX)).max(1.0);
        (value.clamp(0.0, pixels) / pixels) * length
    };
    let points: Vec<(f32, f32)> = mark
        .region
        .points
        .iter()
        .filter(|(column, row)| column.is_finite() && row.is_finite())
        .map(|(column, row)| {
            (
                x + along(*column, key.columns, width),
                y + along(*row, key.rows, height),
            )
        })
        .collect();
    let Some(&first) = points.first() else {
        return;
    };
    let low = points
        .iter()
        .fold(first, |low, point| (low.0.min(point.0), low.1.min(point.1)));
    let high = points
        .iter()
        .fold(first, |high, point| (high.0.max(point.0), high.1.max(point.1)));
    // What was marked by a click is still seen.
    let size = ((high.0 - low.0).max(3.0), (high.1 - low.1).max(3.0));
    let steps = match mark.region.shape {
        Shape::Rectangle => rectangle(low.0, low.1, size.0, size.1),
        Shape::Ellipse => ellipse(low.0, low.1, size.0, size.1),
        Shape::Polygon if points.len() < 3 => rectangle(low.0, low.1, size.0, size.1),
        Shape::Polygon => polygon(&points),
    };
    for stroke in [(HALO, 2.6), (MARK, 1.3)] {
        paper.put(Ink::Path {
            steps: steps.clone(),
            fill: None,
            stroke: Some(stroke),
        });
    }
    number(paper, mark.number, low, (x, y, width));
}

fn polygon(points: &[(f32, f32)]) -> Vec<Step> {
    let mut steps: Vec<Step> = points.iter().map(|(x, y)| Step::Line(*x, *y)).collect();
    if let (Some(step), Some((x, y))) = (steps.first_mut(), points.first()) {
        *step = Step::To(*x, *y);
    }
    steps.push(Step::Close);
    steps
}

/// Above the mark's upper left corner, within the picture.
fn number(paper: &mut Paper<'_>, number: usize, (left, top): (f32, f32), (x, y, width): (f32, f32, f32)) {
    let style = FINE.bold().coloured(HALO);
    let line = paper.setter().line(&number.to_string(), style);
    let (wide, high) = (line.width * style.size + 5.0, 11.0);
    let left = left.min(x + width - wide).max(x);
    let top = (top - high).max(y);
    paper.put(Ink::Path {
        steps: rectangle(left, top, wide, high),
        fill: Some(MARK),
        stroke: None,
    });
    paper.put_line(left + 2.5, top - 0.4, line, style);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_sides() {
        let (width, height) = fitted((2000, 2000)).unwrap();
        assert!((width - height).abs() < 0.01 && height <= TALLEST);
        let (width, _) = fitted((4000, 1000)).unwrap();
        assert!((width - WIDEST).abs() < 0.01);
        assert!(fitted((0, 10)).is_none());
    }
}
