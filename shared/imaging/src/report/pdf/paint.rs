//! Filled pages into a PDF: the one place that draws.

use std::num::NonZeroU16;

use barefoot_domain::Report;
use krilla::color::rgb;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::error::KrillaError;
use krilla::geom::{Path, PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::metadata::{DateTime, Metadata, TextDirection};
use krilla::page::PageSettings;
use krilla::paint::{Fill, LineJoin, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Identifier, Node as TagNode, SpanTag, TableHeaderScope, Tag,
    TagGroup, TagKind, TagTree,
};
use krilla::{Document, SerializeSettings};
use time::OffsetDateTime;

use super::super::{Error, Language};
use super::paper::{Ink, Node, PAGE, Piece, Role, Step};
use super::text::{Colour, Line, Style};

pub(super) struct About<'a> {
    pub(super) report: &'a Report,
    pub(super) title: String,
    pub(super) language: Language,
    pub(super) signed_at: OffsetDateTime,
}

/// PDF/A-2a (ISO 19005-2): everything to show it is in it, and what is what is marked.
pub(super) fn document(
    pages: &[Vec<Piece>],
    nodes: &[Node],
    picture: Option<&Image>,
    about: &About<'_>,
) -> Result<Vec<u8>, Error> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_A)
        .finish()
        .map_err(|_| fault("no such conformance level"))?;
    let mut document = Document::new_with(SerializeSettings {
        configuration,
        ..SerializeSettings::default()
    });
    let mut leaves: Vec<Vec<Identifier>> = vec![Vec::new(); nodes.len()];
    for pieces in pages {
        let settings = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| fault("no such page"))?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for piece in pieces {
            let identifier = surface.start_tagged(tag(piece));
            ink(&mut surface, &piece.ink, picture)?;
            surface.end_tagged();
            if let Some(leaf) = piece.node.and_then(|node| leaves.get_mut(node)) {
                leaf.push(identifier);
            }
        }
        surface.finish();
        page.finish();
    }
    document.set_tag_tree(tree(nodes, &mut leaves, about.language));
    document.set_metadata(metadata(about));
    document.finish().map_err(|error| match error {
        KrillaError::Image(..) | KrillaError::SixteenBitImage(..) => Error::KeyImage,
        KrillaError::Validation(faults) => {
            let names: Vec<String> = faults
                .iter()
                .map(|(error, _)| format!("{error:?}"))
                .map(|said| said.split('(').next().unwrap_or_default().to_owned())
                .collect();
            fault(&names.join(", "))
        }
        KrillaError::Font(..) => fault("a font cannot be embedded"),
        other => fault(&other.to_string()),
    })
}

fn fault(fault: &str) -> Error {
    Error::Pdf {
        fault: fault.to_owned(),
    }
}

fn tag(piece: &Piece) -> ContentTag<'static> {
    match (piece.node, &piece.ink) {
        (None, Ink::Line { .. }) => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)),
        (None, _) => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)),
        (Some(_), Ink::Line { .. }) => ContentTag::Span(SpanTag::empty()),
        (Some(_), _) => ContentTag::Other,
    }
}

fn ink(surface: &mut Surface<'_>, ink: &Ink, picture: Option<&Image>) -> Result<(), Error> {
    match ink {
        Ink::Line {
            x,
            baseline,
            line,
            style,
        } => text(surface, *x, *baseline, line, *style),
        Ink::Path { steps, fill, stroke } => {
            surface.set_fill(fill.map(filled));
            surface.set_stroke(stroke.map(|(colour, width)| stroked(colour, width)));
            if let Some(path) = path(steps) {
                surface.draw_path(&path);
            }
            surface.set_stroke(None);
        }
        Ink::Picture { x, y, width, height } => {
            let size = Size::from_wh(*width, *height).ok_or(Error::KeyImage)?;
            surface.push_transform(&Transform::from_translate(*x, *y));
            surface.draw_image(picture.cloned().ok_or(Error::KeyImage)?, size);
            surface.pop();
        }
    }
    Ok(())
}

fn text(surface: &mut Surface<'_>, x: f32, baseline: f32, line: &Line, style: Style) {
    let mut at = x;
    for run in &line.runs {
        let width = run.width * style.size;
        if run.boxed {
            surface.set_fill(None);
            surface.set_stroke(Some(stroked(style.colour, 0.5)));
            let (top, height) = (baseline - 0.82 * style.size, 0.98 * style.size);
            let around = Rect::from_xywh(at + 0.5, top, width - 1.0, height);
            if let Some(around) = around {
                let mut builder = PathBuilder::new();
                builder.push_rect(around);
                if let Some(path) = builder.finish() {
                    surface.draw_path(&path);
                }
            }
        }
        surface.set_stroke(None);
        surface.set_fill(Some(filled(style.colour)));
        let start = Point::from_xy(at + run.indent() * style.size, baseline);
        let size = style.size * run.scale();
        surface.draw_glyphs(start, &run.glyphs, run.font.clone(), &run.text, size, false);
        at += width;
    }
}

fn path(steps: &[Step]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for step in steps {
        match *step {
            Step::To(x, y) => builder.move_to(x, y),
            Step::Line(x, y) => builder.line_to(x, y),
            Step::Curve([x1, y1, x2, y2, x, y]) => builder.cubic_to(x1, y1, x2, y2, x, y),
            Step::Close => builder.close(),
        }
    }
    builder.finish()
}

fn filled(Colour(red, green, blue): Colour) -> Fill {
    Fill {
        paint: rgb::Color::new(red, green, blue).into(),
        ..Fill::default()
    }
}

fn stroked(Colour(red, green, blue): Colour, width: f32) -> Stroke {
    Stroke {
        paint: rgb::Color::new(red, green, blue).into(),
        width,
        line_join: LineJoin::Round,
        ..Stroke::default()
    }
}

fn tree(nodes: &[Node], leaves: &mut [Vec<Identifier>], language: Language) -> TagTree {
    let mut tree = TagTree::new().with_lang(Some(language.tag().to_owned()));
    for child in nodes
        .first()
        .map(|root| root.children.as_slice())
        .unwrap_or_default()
    {
        if let Some(group) = group(*child, nodes, leaves) {
            tree.push(group);
        }
    }
    tree
}

fn group(id: usize, nodes: &[Node], leaves: &mut [Vec<Identifier>]) -> Option<TagGroup> {
    let node = nodes.get(id)?;
    let mut group = TagGroup::new(kind(&node.role).with_lang(node.language.clone()));
    if let Some(own) = leaves.get_mut(id) {
        group.children.extend(own.drain(..).map(TagNode::from));
    }
    for child in &node.children {
        if let Some(child) = self::group(*child, nodes, leaves) {
            group.push(child);
        }
    }
    Some(group)
}

fn kind(role: &Role) -> TagKind {
    let level = |number: u16| NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN);
    match role {
        Role::Section => Tag::Section.into(),
        Role::Title => Tag::Hn(level(1), None).into(),
        Role::Heading(title) => Tag::Hn(level(2), Some(title.clone())).into(),
        Role::Paragraph => Tag::P.into(),
        Role::Table => Tag::Table.into(),
        Role::Row => Tag::TR.into(),
        Role::Header => Tag::TH(TableHeaderScope::Both).into(),
        Role::Cell => Tag::TD.into(),
        Role::Figure(alt) => Tag::Figure(Some(alt.clone())).into(),
    }
}

/// Nobody's name but the signer's: metadata are read by indexers and file managers.
fn metadata(about: &About<'_>) -> Metadata {
    let at = about.signed_at;
    let (hours, minutes, _) = at.offset().as_hms();
    let created = DateTime::new(u16::try_from(at.year()).unwrap_or_default())
        .month(at.month().into())
        .day(at.day())
        .hour(at.hour())
        .minute(at.minute())
        .second(at.second())
        .utc_offset_hour(hours)
        .utc_offset_minute(minutes.unsigned_abs());
    let mut metadata = Metadata::new()
        .title(about.title.clone())
        .creator(concat!("Barefoot ", env!("CARGO_PKG_VERSION")).to_owned())
        .producer(concat!("Barefoot ", env!("CARGO_PKG_VERSION")).to_owned())
        .document_id(about.report.id.clone())
        .language(about.language.tag().to_owned())
        .text_direction(TextDirection::LeftToRight)
        .creation_date(created);
    if let Some(signer) = about.report.readers.last() {
        metadata = metadata.authors(vec![signer.name.clone()]);
    }
    metadata
}
