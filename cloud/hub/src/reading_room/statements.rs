//! What was said of findings, for the viewer and for people. Pure.

use barefoot_domain::{Presence, Region, Shape, Side, Statement};
use serde_json::json;

use super::findings;
use super::words::Words;

/// As the viewer reads and writes them.
pub(super) fn marks(statements: &[Statement]) -> Vec<serde_json::Value> {
    let all = statements
        .iter()
        .flat_map(|statement| statement.regions.iter().map(move |region| (statement, region)));
    (1..)
        .zip(all)
        .map(|(number, (statement, region))| mark(number, statement.finding.as_str(), region))
        .collect()
}

fn mark(number: u32, finding: &str, region: &Region) -> serde_json::Value {
    json!({
        "id": format!("m{number}"),
        "instance": region.instance,
        "frame": region.frame,
        "shape": match region.shape {
            Shape::Rectangle => "rectangle",
            Shape::Ellipse => "ellipse",
            Shape::Polygon => "polygon",
        },
        "points": region.points,
        "finding": finding,
    })
}

/// The same as the form keeps them.
pub(super) fn marks_text(statements: &[Statement]) -> String {
    serde_json::Value::from(marks(statements)).to_string()
}

/// One line for a statement.
pub(super) fn line(words: &Words, statement: &Statement) -> String {
    let name = findings::name(statement.finding.as_str(), words.language);
    let presence = match statement.presence {
        Presence::Present => words.present,
        Presence::Absent => words.absent,
        Presence::Possible => words.possible,
    };
    match statement.side {
        None => format!("{name}: {presence}"),
        Some(Side::Left) => format!("{name}: {presence} ({})", words.left),
        Some(Side::Right) => format!("{name}: {presence} ({})", words.right),
        Some(Side::Both) => format!("{name}: {presence} ({})", words.both),
    }
}
