//! What an expert marked, drawn over the clinic's own picture: a drawing without ground, laid over the image.

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use barefoot_domain::{Region, Report, Shape};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::{pixels, render};

use super::expert::marked;
use super::server::App;
use crate::at_rest;
use crate::study_folder::StudyKey;

/// Longest side of the picture below the marks.
const SIDE: u32 = 1024;

/// A picture whose size nobody knows any more is drawn on this much ground.
const UNKNOWN_SIDE: f32 = 16.0;

/// One picture of a report: the image and what is marked on it.
struct Picture {
    instance: String,
    frame: u32,
    regions: Vec<Region>,
}

fn picture(app: &App, key: &StudyKey, report: &str, number: usize) -> Option<Picture> {
    let case = app.sources.cases.get(key)?;
    let report: Arc<Report> = Arc::clone(&case.reading.report(report)?.report);
    let (instance, frame) = *marked(&report).get(number)?;
    let regions = report.statements.iter().flat_map(|statement| &statement.regions);
    Some(Picture {
        instance: instance.to_owned(),
        frame,
        regions: regions
            .filter(|region| region.instance == instance && region.frame == frame)
            .cloned()
            .collect(),
    })
}

/// The clinic's image that the hub knows by this name.
fn find(app: &App, key: &StudyKey, instance: &str) -> Option<(PathBuf, Header)> {
    let entries = fs::read_dir(app.sources.state.instances(key)).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.ends_with(".dcm") && !name.contains(".conflict-")
        })
        .find_map(|path| {
            let header = header::read_header(&at_rest::stored(&path)).ok()?;
            let is_it = app.sources.hub_names.of(header.sop_instance_uid()) == instance;
            is_it.then_some((path, header))
        })
}

async fn answer(
    app: Arc<App>,
    (key, report, number): (String, String, usize),
    kind: &'static str,
    make: impl FnOnce(&App, &StudyKey, &Picture) -> Option<Vec<u8>> + Send + 'static,
) -> Response {
    let work = move || {
        let key = StudyKey::parse(&key)?;
        let picture = picture(&app, &key, &report, number)?;
        make(&app, &key, &picture)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Some(bytes)) => {
            // A signed report never changes, and neither does the image it is of.
            let about = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "private, max-age=3600")];
            (about, bytes).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `GET /case/{key}/report/{report}/{number}/image.jpg`.
pub(super) async fn image(
    State(app): State<Arc<App>>,
    Path(place): Path<(String, String, usize)>,
) -> Response {
    answer(app, place, "image/jpeg", |app, key, picture| {
        let (path, header) = find(app, key, &picture.instance)?;
        // Of a film only the middle picture is drawn here; marks on another would lie on the wrong ground.
        if 1 < header.frames() && picture.frame != header.frames() / 2 + 1 {
            return None;
        }
        let make = || {
            let image = pixels::load_gray(&at_rest::stored(&path), &header).ok()?;
            render::preview_jpeg(&image, SIDE).ok()
        };
        // A codec that panics on somebody's picture must not take the daemon along.
        catch_unwind(AssertUnwindSafe(make)).ok().flatten()
    })
    .await
}

/// `GET /case/{key}/report/{report}/{number}/marks.svg`.
pub(super) async fn marks(
    State(app): State<Arc<App>>,
    Path(place): Path<(String, String, usize)>,
) -> Response {
    answer(app, place, "image/svg+xml", |app, key, picture| {
        let size = find(app, key, &picture.instance)
            .and_then(|(_, header)| Some((header.columns()?, header.rows()?)))
            .map(|(columns, rows)| (f32::from(columns), f32::from(rows)));
        Some(svg(&picture.regions, size).into_bytes())
    })
    .await
}

/// Dark below bright, so that marks are seen on bone and on lung.
fn svg(regions: &[Region], size: Option<(f32, f32)>) -> String {
    let (width, height) = size.unwrap_or_else(|| extent(regions));
    // Marks are in pixels as they are stored, and the picture below has square ones: it may be stretched.
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" width=\"{width}\" height=\"{height}\">"
    );
    for (colour, stroke) in [("#000", 7), ("#ffd23f", 3)] {
        let _ = write!(
            drawing,
            "<g fill=\"none\" stroke=\"{colour}\" stroke-width=\"{stroke}\" stroke-linejoin=\"round\">"
        );
        for region in regions {
            drawing.push_str(&shape(region));
        }
        drawing.push_str("</g>");
    }
    drawing.push_str("</svg>");
    drawing
}

fn extent(regions: &[Region]) -> (f32, f32) {
    let points = regions.iter().flat_map(|region| &region.points);
    points
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .fold((UNKNOWN_SIDE, UNKNOWN_SIDE), |(width, height), (x, y)| {
            (width.max(*x + UNKNOWN_SIDE), height.max(*y + UNKNOWN_SIDE))
        })
}

fn shape(region: &Region) -> String {
    const LINE: &str = "vector-effect=\"non-scaling-stroke\"";
    if region
        .points
        .iter()
        .any(|(x, y)| !x.is_finite() || !y.is_finite())
    {
        return String::new();
    }
    match (region.shape, region.points.as_slice()) {
        (Shape::Rectangle, [(ax, ay), (bx, by), ..]) => format!(
            "<rect {LINE} x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            ax.min(*bx),
            ay.min(*by),
            (ax - bx).abs(),
            (ay - by).abs()
        ),
        (Shape::Ellipse, [(ax, ay), (bx, by), ..]) => format!(
            "<ellipse {LINE} cx=\"{:.1}\" cy=\"{:.1}\" rx=\"{:.1}\" ry=\"{:.1}\"/>",
            f32::midpoint(*ax, *bx),
            f32::midpoint(*ay, *by),
            (ax - bx).abs() / 2.0,
            (ay - by).abs() / 2.0
        ),
        (Shape::Polygon, points) => {
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            format!("<polygon {LINE} points=\"{}\"/>", points.join(" "))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(shape: Shape, points: &[(f32, f32)]) -> Region {
        Region {
            instance: "2.25.1".into(),
            frame: 1,
            shape,
            points: points.to_vec(),
        }
    }

    #[test]
    fn every_shape_is_drawn_whichever_corner_came_first() {
        let drawing = svg(
            &[
                region(Shape::Rectangle, &[(30.0, 40.0), (10.0, 20.0)]),
                region(Shape::Ellipse, &[(0.0, 0.0), (10.0, 20.0)]),
                region(Shape::Polygon, &[(1.0, 2.0), (3.0, 4.0), (5.0, 6.5)]),
                region(Shape::Polygon, &[(f32::NAN, 2.0), (3.0, 4.0), (5.0, 6.0)]),
            ],
            Some((100.0, 200.0)),
        );
        for part in [
            "viewBox=\"0 0 100 200\"",
            "x=\"10.0\" y=\"20.0\" width=\"20.0\" height=\"20.0\"",
            "cx=\"5.0\" cy=\"10.0\" rx=\"5.0\" ry=\"10.0\"",
            "points=\"1.0,2.0 3.0,4.0 5.0,6.5\"",
        ] {
            assert!(drawing.contains(part), "{part}: {drawing}");
        }
        assert!(!drawing.contains("NaN") && !drawing.contains("style"));
        assert!(svg(&[region(Shape::Ellipse, &[(0.0, 0.0), (50.0, 20.0)])], None).contains("0 0 66 36"));
    }
}
