//! What a client wants to get: the Accept header, or the query parameter of that name (PS3.18 section 8.3.3.1).

use axum::http::{HeaderMap, header};

/// One media range with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// In lower case, for instance `multipart/related`.
    pub(super) media: String,
    /// Of a multipart: what its parts are.
    pub(super) part: Option<String>,
    pub(super) transfer_syntax: Option<String>,
    quality: f32,
}

/// What is wanted, the best first. Without a wish anything.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Accept(Vec<Wanted>);

/// Ranges read of one header; what follows is beyond any real client.
const MOST: usize = 32;

impl Accept {
    /// A query parameter counts instead of the header.
    pub(super) fn of(headers: &HeaderMap, parameter: Option<&str>) -> Self {
        let mut wanted: Vec<Wanted> = match parameter {
            Some(text) => ranges(text).collect(),
            None => headers
                .get_all(header::ACCEPT)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(ranges)
                .take(MOST)
                .collect(),
        };
        if wanted.is_empty() {
            wanted.extend(ranges("*/*"));
        }
        wanted.retain(|range| 0.0 < range.quality);
        // Stable: what comes first counts among equals.
        wanted.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        Self(wanted)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Wanted> {
        self.0.iter()
    }

    /// The first of these media types that is wanted.
    pub(super) fn choose<'a>(&self, offered: &[&'a str]) -> Option<&'a str> {
        self.iter()
            .find_map(|wanted| offered.iter().find(|media| wanted.fits(media)).copied())
    }
}

impl Wanted {
    /// Also by a wildcard.
    pub(super) fn fits(&self, media: &str) -> bool {
        fits(&self.media, media)
    }

    /// A multipart of parts of this media type, or what does not mind.
    pub(super) fn fits_parts(&self, media: &str) -> bool {
        match &self.part {
            Some(part) => self.fits("multipart/related") && fits(part, media),
            None => self.fits("multipart/related"),
        }
    }
}

fn fits(range: &str, media: &str) -> bool {
    match range.split_once('/') {
        Some(("*", "*")) => true,
        Some((kind, "*")) => media.split_once('/').is_some_and(|(of, _)| of == kind),
        _ => range == media,
    }
}

fn ranges(text: &str) -> impl Iterator<Item = Wanted> {
    split(text, ',').into_iter().take(MOST).filter_map(range)
}

fn range(text: &str) -> Option<Wanted> {
    let mut pieces = split(text, ';').into_iter();
    let media = pieces.next()?.trim().to_ascii_lowercase();
    // Some clients say it in short.
    let media = if media == "*" { "*/*".to_owned() } else { media };
    media.split_once('/')?;
    let mut wanted = Wanted {
        media,
        part: None,
        transfer_syntax: None,
        quality: 1.0,
    };
    for piece in pieces {
        let Some((name, value)) = piece.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => {
                wanted.quality = value
                    .parse()
                    .ok()
                    .filter(|q| (0.0..=1.0).contains(q))
                    .unwrap_or(0.0)
            }
            "type" => wanted.part = Some(value.to_ascii_lowercase()),
            "transfer-syntax" => wanted.transfer_syntax = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(wanted)
}

/// Separators within quotes part nothing.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|letter| {
        if letter == '"' {
            quoted = !quoted;
        }
        letter == separator && !quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Accept {
        Accept::of(&HeaderMap::new(), Some(text))
    }

    #[test]
    fn ranges_are_read_as_viewers_write_them() {
        let accept = of("multipart/related; type=\"application/octet-stream\"; transfer-syntax=*");
        let first = accept.iter().next().unwrap();
        assert!(first.fits_parts("application/octet-stream") && !first.fits_parts("application/dicom"));
        assert_eq!(first.transfer_syntax.as_deref(), Some("*"));
        let accept = of("image/png;q=0.5, image/jpeg, text/html;q=0");
        assert_eq!(accept.choose(&["image/png", "image/jpeg"]), Some("image/jpeg"));
        assert_eq!(accept.choose(&["text/html"]), None);
        assert_eq!(of("image/*").choose(&["image/png"]), Some("image/png"));
        assert_eq!(of("application/xml").choose(&["application/dicom+json"]), None);
        assert_eq!(
            Accept::of(&HeaderMap::new(), None).choose(&["application/dicom+json"]),
            Some("application/dicom+json")
        );
        // A comma in quotes is no separator.
        assert_eq!(of("a/b; x=\"1,2\"; q=0.1, c/d").iter().count(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String) {
            let accept = Accept::of(&HeaderMap::new(), Some(&text));
            prop_assert!(accept.iter().count() <= MOST);
        }
    }
}
