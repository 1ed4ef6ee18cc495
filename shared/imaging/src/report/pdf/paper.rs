//! Pages as they fill up: what stands where, and what it is part of. Nothing is drawn here.

use super::text::{Colour, Line, Setter, Style};

/// A4, in points.
pub(super) const PAGE: (f32, f32) = (595.28, 841.89);
pub(super) const LEFT: f32 = 51.0;
pub(super) const WIDTH: f32 = PAGE.0 - 2.0 * LEFT;
const TOP: f32 = 44.0;
/// Below the line that says whose page it is.
const TOP_OF_MORE: f32 = 66.0;
pub(super) const BOTTOM: f32 = PAGE.1 - 58.0;

/// Where a line's letters stand in its height: the baseline below its top, in sizes, for a line as high as its leading.
const ASCENT: f32 = 0.88;

/// What a part of the page is to a reader that does not see it (PDF 32000-1 section 14.8.4).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role {
    Section,
    Title,
    Heading(String),
    Paragraph,
    Table,
    Row,
    Header,
    Cell,
    Figure(String),
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) role: Role,
    pub(super) children: Vec<usize>,
    /// Of its words, where it is not the page's.
    pub(super) language: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// What it is part of; `None` for ornament.
    pub(super) node: Option<usize>,
    pub(super) ink: Ink,
}

#[derive(Debug, Clone)]
pub(super) enum Ink {
    Line {
        x: f32,
        baseline: f32,
        line: Line,
        style: Style,
    },
    Path {
        steps: Vec<Step>,
        fill: Option<Colour>,
        stroke: Option<(Colour, f32)>,
    },
    /// The key image.
    Picture { x: f32, y: f32, width: f32, height: f32 },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    To(f32, f32),
    Line(f32, f32),
    Curve([f32; 6]),
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// One cell of a row: from where, how wide, what.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) x: f32,
    pub(super) width: f32,
    pub(super) text: String,
    pub(super) style: Style,
    pub(super) is_header: bool,
}

#[derive(Clone)]
pub(super) struct Paper<'a> {
    setter: &'a Setter<'a>,
    pub(super) pages: Vec<Vec<Piece>>,
    pub(super) nodes: Vec<Node>,
    open: Vec<usize>,
    /// Where the next thing goes.
    pub(super) y: f32,
}

impl<'a> Paper<'a> {
    pub(super) fn new(setter: &'a Setter<'a>) -> Self {
        let root = Node {
            role: Role::Section,
            children: Vec::new(),
            language: None,
        };
        Self {
            setter,
            pages: vec![Vec::new()],
            nodes: vec![root],
            open: vec![0],
            y: TOP,
        }
    }

    pub(super) fn setter(&self) -> &'a Setter<'a> {
        self.setter
    }

    /// Everything drawn within is part of a `role`.
    pub(super) fn part(&mut self, role: Role, draw: impl FnOnce(&mut Self)) {
        self.part_in(None, role, draw);
    }

    pub(super) fn part_in(&mut self, language: Option<&str>, role: Role, draw: impl FnOnce(&mut Self)) {
        let id = self.nodes.len();
        self.nodes.push(Node {
            role,
            children: Vec::new(),
            language: language.map(str::to_owned),
        });
        let around = self.open.last().copied().unwrap_or_default();
        if let Some(node) = self.nodes.get_mut(around) {
            node.children.push(id);
        }
        self.open.push(id);
        draw(self);
        self.open.pop();
    }

    /// Draws it on the next page where it would begin on this one and end on another.
    pub(super) fn together(&mut self, draw: impl Fn(&mut Self)) {
        let before = self.clone();
        draw(self);
        if self.pages.len() != before.pages.len() && !before.is_at_top() {
            *self = before;
            self.turn();
            draw(self);
        }
    }

    fn is_at_top(&self) -> bool {
        self.y <= TOP_OF_MORE
    }

    pub(super) fn turn(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP_OF_MORE;
    }

    /// Turns the page where less than `height` is left.
    pub(super) fn room(&mut self, height: f32) {
        if BOTTOM < self.y + height && !self.is_at_top() {
            self.turn();
        }
    }

    pub(super) fn skip(&mut self, height: f32) {
        if !self.is_at_top() {
            self.y += height;
        }
    }

    /// Lines from here on, over as many pages as they take.
    pub(super) fn text(&mut self, x: f32, width: f32, text: &str, style: Style, align: Align) {
        for line in self.setter.lines(text, style, width) {
            self.room(style.line_height());
            let indent = match align {
                Align::Left => 0.0,
                Align::Centre => (width - line.width * style.size) / 2.0,
                Align::Right => width - line.width * style.size,
            };
            self.put_line(x + indent, self.y, line, style);
            self.y += style.line_height();
        }
    }

    /// One line whose top is at `y`; the cursor stays.
    pub(super) fn put_line(&mut self, x: f32, y: f32, line: Line, style: Style) {
        let above = (style.leading - 1.0) / 2.0 + ASCENT;
        let baseline = y + above * style.size;
        self.put(Ink::Line {
            x,
            baseline,
            line,
            style,
        });
    }

    pub(super) fn put(&mut self, ink: Ink) {
        let node = self.open.last().copied().filter(|node| *node != 0);
        if let Some(page) = self.pages.last_mut() {
            page.push(Piece { node, ink });
        }
    }

    /// Something that is only to be seen.
    pub(super) fn ornament(&mut self, steps: Vec<Step>, fill: Option<Colour>, stroke: Option<(Colour, f32)>) {
        let ink = Ink::Path { steps, fill, stroke };
        if let Some(page) = self.pages.last_mut() {
            page.push(Piece { node: None, ink });
        }
    }

    pub(super) fn rule(&mut self, colour: Colour, width: f32) {
        let steps = vec![Step::To(LEFT, self.y), Step::Line(LEFT + WIDTH, self.y)];
        self.ornament(steps, None, Some((colour, width)));
    }

    /// A row of a table. One higher than what is left goes to the next page, one higher than a page over several.
    pub(super) fn row(&mut self, cells: &[Cell], padding: f32) {
        let set: Vec<Vec<Line>> = cells
            .iter()
            .map(|cell| self.setter.lines(&cell.text, cell.style, cell.width))
            .collect();
        let step = cells
            .iter()
            .map(|cell| cell.style.line_height())
            .fold(1.0, f32::max);
        let count = set.iter().map(Vec::len).max().unwrap_or_default();
        let height = lines_high(count, step) + 2.0 * padding;
        if BOTTOM < self.y + height && height <= BOTTOM - TOP_OF_MORE {
            self.room(height);
        }
        self.part(Role::Row, |paper| {
            let ids: Vec<usize> = cells.iter().map(|cell| paper.cell(cell.is_header)).collect();
            paper.y += padding;
            for index in 0..count {
                paper.room(step);
                for ((cell, lines), id) in cells.iter().zip(&set).zip(&ids) {
                    if let Some(line) = lines.get(index) {
                        paper.open.push(*id);
                        paper.put_line(cell.x, paper.y, line.clone(), cell.style);
                        paper.open.pop();
                    }
                }
                paper.y += step;
            }
            paper.y += padding;
        });
    }

    fn cell(&mut self, is_header: bool) -> usize {
        let role = if is_header { Role::Header } else { Role::Cell };
        self.part(role, |_| ());
        self.nodes.len() - 1
    }
}

fn lines_high(count: usize, step: f32) -> f32 {
    u16::try_from(count).map_or(f32::MAX, |count| f32::from(count) * step)
}

/// A rectangle's outline.
pub(super) fn rectangle(x: f32, y: f32, width: f32, height: f32) -> Vec<Step> {
    vec![
        Step::To(x, y),
        Step::Line(x + width, y),
        Step::Line(x + width, y + height),
        Step::Line(x, y + height),
        Step::Close,
    ]
}

/// The ellipse in a box, of four curves.
pub(super) fn ellipse(x: f32, y: f32, width: f32, height: f32) -> Vec<Step> {
    // How far a quarter's control points lie from its ends.
    const KAPPA: f32 = 0.552_284_8;
    let (rx, ry) = (width / 2.0, height / 2.0);
    let (cx, cy) = (x + rx, y + ry);
    let (kx, ky) = (rx * KAPPA, ry * KAPPA);
    vec![
        Step::To(cx + rx, cy),
        Step::Curve([cx + rx, cy + ky, cx + kx, cy + ry, cx, cy + ry]),
        Step::Curve([cx - kx, cy + ry, cx - rx, cy + ky, cx - rx, cy]),
        Step::Curve([cx - rx, cy - ky, cx - kx, cy - ry, cx, cy - ry]),
        Step::Curve([cx + kx, cy - ry, cx + rx, cy - ky, cx + rx, cy]),
        Step::Close,
    ]
}
