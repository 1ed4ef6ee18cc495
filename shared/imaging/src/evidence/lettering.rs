//! Text drawn into a picture, with the fonts that reports are printed with.

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{GlyphId, MetadataProvider as _};
use tiny_skia::{FillRule, Mask as Coverage, Path, PathBuilder, Transform};

use crate::report::Fonts;
use crate::report::fonts::Face;
use crate::report::pdf::text::{Colour, Line, Setter, Style};

/// Wide enough for Chinese between English.
const LEADING: f32 = 1.35;

/// Lines ready to be drawn, as wide as their picture.
pub(super) struct Lettering<'a> {
    fonts: &'a Fonts,
    lines: Vec<(Line, Style)>,
}

/// How much of each pixel letters cover, 0 to 255, row by row from the top.
pub(super) struct Inked {
    pub(super) height: u32,
    pub(super) levels: Vec<u8>,
}

impl<'a> Lettering<'a> {
    pub(super) fn new(fonts: &'a Fonts) -> Self {
        Self {
            fonts,
            lines: Vec::new(),
        }
    }

    /// Adds a paragraph in lines no wider than `width` pixels.
    pub(super) fn add(&mut self, text: &str, size: f32, bold: bool, width: f32) {
        let style = Style {
            size,
            bold,
            colour: Colour(255, 255, 255),
            leading: LEADING,
        };
        let setter = Setter::new(self.fonts);
        let lines = setter.lines(text, style, width);
        self.lines.extend(lines.into_iter().map(|line| (line, style)));
    }

    /// Below each other with `margin` pixels around; `None` where nothing of that size can be drawn.
    pub(super) fn ink(&self, width: u32, margin: u32) -> Option<Inked> {
        let text: f32 = self.lines.iter().map(|(_, style)| style.line_height()).sum();
        let height = text.ceil() as u32 + 2 * margin;
        let mut coverage = Coverage::new(width, height)?;
        let mut top = margin as f32;
        for (line, style) in &self.lines {
            // The letters' own height stands for the ascent above the baseline.
            let baseline = top + style.size;
            self.draw(line, *style, (margin as f32, baseline), &mut coverage);
            top += style.line_height();
        }
        Some(Inked {
            height,
            levels: coverage.data().to_vec(),
        })
    }

    fn draw(&self, line: &Line, style: Style, (left, baseline): (f32, f32), coverage: &mut Coverage) {
        let mut at = left;
        for run in &line.runs {
            let faces = self.fonts.regular.iter().chain(&self.fonts.bold);
            let face = faces.into_iter().find(|face| face.font == run.font);
            let size = style.size * run.scale();
            let mut pen = at + run.indent() * style.size;
            for glyph in &run.glyphs {
                let outline = face.and_then(|face| outline(face, glyph.glyph_id.to_u32(), size));
                if let Some(path) = outline {
                    let placed = Transform::from_translate(pen, baseline);
                    coverage.fill_path(&path, FillRule::Winding, true, placed);
                }
                pen += glyph.x_advance * size;
            }
            at += run.width * style.size;
        }
    }
}

fn outline(face: &Face, glyph: u32, size: f32) -> Option<Path> {
    let tables = face.tables()?;
    let outline = tables.outline_glyphs().get(GlyphId::new(glyph))?;
    let mut pen = Pen(PathBuilder::new());
    let settings = DrawSettings::unhinted(Size::new(size), LocationRef::default());
    outline.draw(settings, &mut pen).ok()?;
    pen.0.finish()
}

/// Fonts count upwards, pictures downwards.
struct Pen(PathBuilder);

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, -y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, -y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.quad_to(cx, -cy, x, -y);
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        self.0.cubic_to(cx0, -cy0, cx1, -cy1, x, -y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
