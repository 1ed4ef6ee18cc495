//! What a client can say to DICOMweb, read without a hub: for `tests/fuzz`.

use axum::extract::Query;
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use futures_util::{FutureExt, stream};

use super::Parameters;
use super::accept::Accept;
use super::multipart::{Reader, boundary_of};
use super::ups::{Attributes, Search as WorkitemSearch};
use super::wado::{AskedRange, asked_range, frame_numbers};
use crate::archive::{ImageLevel, Matching};

/// The parts of a body that comes in these pieces: of each its media type and content. `None` where it is no multipart.
#[must_use]
pub fn parts(content_type: &str, pieces: &[&[u8]]) -> Option<Vec<(String, Vec<u8>)>> {
    let boundary = boundary_of(content_type)?;
    let pieces: Vec<_> = pieces
        .iter()
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let mut reader = Reader::new(stream::iter(pieces), &boundary);
    let read = async {
        let mut parts = Vec::new();
        while let Some(head) = reader.next_part().await.ok()? {
            let mut content = Vec::new();
            while let Some(piece) = reader.piece().await.ok()? {
                content.extend(piece);
            }
            parts.push((head.content_type, content));
        }
        Some(parts)
    };
    // Nothing waits: the bytes are there or they end.
    read.now_or_never().flatten()
}

fn parameters(query: &str) -> Option<Parameters> {
    let address: Uri = format!("/?{query}").parse().ok()?;
    let Query(parameters) = Query::try_from_uri(&address).ok()?;
    Some(parameters)
}

/// What a search for images comes to.
#[derive(Debug)]
pub struct Search {
    /// Answers at once.
    pub limit: u32,
    /// Values each condition compares with.
    pub conditions: Vec<usize>,
    /// What is answered of each.
    pub columns: Vec<&'static str>,
}

/// `below`: 0 for studies, 1 for series, 2 for instances.
#[must_use]
pub fn search(below: u8, query: &str) -> Option<Search> {
    let level = match below {
        0 => ImageLevel::Study,
        1 => ImageLevel::Series,
        _ => ImageLevel::Instance,
    };
    let found = super::qido::parse(level, &[], &parameters(query)?).ok()?.search;
    let values = |matching: &Matching| match matching {
        Matching::OneOf(values) | Matching::Holds(values) => values.len(),
        Matching::Pattern(_) | Matching::Name(_) | Matching::Range { .. } => 1,
    };
    Some(Search {
        limit: found.limit,
        conditions: found
            .conditions
            .iter()
            .map(|(_, matching)| values(matching))
            .collect(),
        columns: found.columns,
    })
}

/// Workitems at once that a search for them gives; `None` where it is none.
#[must_use]
pub fn workitem_search(query: &str, workitem: &[u8]) -> Option<usize> {
    let asked = parameters(query)?;
    let pairs = asked.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let search = WorkitemSearch::parse(pairs).ok()?;
    if let Ok(attributes) = Attributes::parse(workitem) {
        let _ = search.matches_attributes(&attributes);
    }
    let _ = search.states();
    Some(search.limit)
}

/// A workitem's data set as it is kept.
#[must_use]
pub fn workitem(text: &[u8]) -> Option<String> {
    Attributes::parse(text).ok().map(|attributes| attributes.text())
}

/// The media types of an Accept header, the best first.
#[must_use]
pub fn accepted_media(text: &str) -> Vec<String> {
    let accept = Accept::of(&HeaderMap::new(), Some(text));
    accept.iter().map(|wanted| wanted.media.clone()).collect()
}

/// From, and up to but not with; `None` for the whole and for nothing.
#[must_use]
pub fn range(header: &str, length: u64) -> Option<(u64, u64)> {
    match asked_range(Some(header), length) {
        AskedRange::Part(from, to) => Some((from, to)),
        AskedRange::Whole | AskedRange::Beyond => None,
    }
}

/// The frames an address names, counted from nought.
#[must_use]
pub fn frames(list: &str) -> Option<Vec<u32>> {
    frame_numbers(list).ok()
}
