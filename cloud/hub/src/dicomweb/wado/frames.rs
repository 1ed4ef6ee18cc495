use std::io;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use barefoot_imaging::pixels;
use futures_util::{StreamExt, stream};
use tokio::task::spawn_blocking;

use super::find::{Opened, bad, one};
use super::objects::address;
use crate::dicomweb::accept::{Accept, Wanted};
use crate::dicomweb::access::{Act, Caller};
use crate::dicomweb::multipart::{Part, related, whole};
use crate::dicomweb::{Dicomweb, Parameters, answer, base, parameter};

pub(super) const OCTETS: &str = "application/octet-stream";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Frames of one request.
const MOST: usize = 10_000;

/// How frames go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) multipart: bool,
    /// As samples; else as the stream that is stored.
    pub(super) decoded: bool,
}

pub(in crate::dicomweb) async fn frames(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path((study, series, instance, list)): Path<(String, String, String, String)>,
    Query(asked): Query<Parameters>,
) -> Response {
    let given = async {
        let numbers = numbers(&list)?;
        let opened = one(&hub, &caller, (study, series, instance), Act::View).await?;
        let accept = Accept::of(&headers, parameter(&asked, "accept"));
        give(&hub, &base(&hub, &headers), opened, numbers, &accept).await
    };
    given.await.unwrap_or_else(|response| *response)
}

/// Counted from one in the address, from nought here.
pub(in crate::dicomweb) fn numbers(list: &str) -> Result<Vec<u32>, Box<Response>> {
    let wrong = || bad("frames are named by numbers from 1, parted by commas");
    let numbers: Option<Vec<u32>> = list
        .split(',')
        .take(MOST + 1)
        .map(|text| text.trim().parse::<u32>().ok()?.checked_sub(1))
        .collect();
    numbers.filter(|numbers| numbers.len() <= MOST).ok_or_else(wrong)
}

/// The media type of a compressed stream (PS3.18 tables 8.7.3-5 and 8.7.3-6).
pub(super) fn media_of(transfer_syntax: &str) -> &'static str {
    match transfer_syntax.strip_prefix("1.2.840.10008.1.2.") {
        Some("4.50" | "4.51" | "4.57" | "4.70") => "image/jpeg",
        Some("4.80" | "4.81") => "image/jls",
        Some("4.90" | "4.91") => "image/jp2",
        Some("4.92" | "4.93") => "image/jpx",
        Some("4.110" | "4.111" | "4.112") => "image/jxl",
        Some("4.201" | "4.202" | "4.203") => "image/jphc",
        Some("5") => "image/dicom-rle",
        Some("4.100" | "4.100.1" | "4.101" | "4.101.1") => "video/mpeg",
        Some(
            "4.102" | "4.102.1" | "4.103" | "4.103.1" | "4.104" | "4.104.1" | "4.105" | "4.105.1" | "4.106"
            | "4.106.1" | "4.107" | "4.108",
        ) => "video/mp4",
        _ => OCTETS,
    }
}

/// The first wish that can be fulfilled. A wish for any transfer syntax gets what is stored: nothing is lost and nothing
/// has to be decoded here.
pub(super) fn form(accept: &Accept, syntax: &str, frames: usize) -> Option<Form> {
    let stored = media_of(syntax);
    let compressed = pixels::is_compressed(syntax);
    let of = |wanted: &Wanted| {
        let fits = |media: &str| {
            let alone = frames == 1 && wanted.media != "*/*" && wanted.fits(media);
            (wanted.fits_parts(media) || alone).then(|| wanted.fits_parts(media))
        };
        let asked = wanted.transfer_syntax.as_deref();
        let any = asked == Some("*");
        let octets = fits(OCTETS);
        if compressed && (any || asked == Some(syntax)) {
            let multipart = octets.or_else(|| fits(stored))?;
            return Some(Form {
                multipart,
                decoded: false,
            });
        }
        if let Some(multipart) = octets
            && (asked.is_none_or(|asked| asked == EXPLICIT) || any)
            && pixels::can_decode(syntax)
        {
            return Some(Form {
                multipart,
                decoded: true,
            });
        }
        let multipart = fits(stored).filter(|_| compressed && asked.is_none())?;
        Some(Form {
            multipart,
            decoded: false,
        })
    };
    accept.iter().find_map(of)
}

async fn give(
    hub: &Dicomweb,
    base: &str,
    opened: Opened,
    numbers: Vec<u32>,
    accept: &Accept,
) -> Result<Response, Box<Response>> {
    let frames = opened.header.frames();
    if numbers.iter().any(|number| frames <= *number) {
        return Err(Box::new(answer::not_found()));
    }
    let syntax = opened.header.transfer_syntax().to_owned();
    let Some(form) = form(accept, &syntax, numbers.len()) else {
        return Err(Box::new(answer::not_acceptable(
            "frames are given as application/octet-stream, decoded where there is a decoder, or as they are stored \
             (transfer-syntax=*)",
        )));
    };
    let media = if form.decoded { OCTETS } else { media_of(&syntax) };
    let kind = format!(
        "{media}; transfer-syntax={}",
        if form.decoded { EXPLICIT } else { &syntax }
    );
    let mut numbers = numbers.into_iter();
    let Some(first) = numbers.next() else {
        return Err(bad("no frame is named"));
    };
    // The first one before the answer begins: what cannot be read is then said by its status.
    let content = read(hub, &opened, first, form.decoded).await.map_err(|error| {
        tracing::warn!(clinic = %opened.located.clinic, object = %opened.located.object, %error, "A frame could not be given.");
        Box::new(answer::not_acceptable("this frame cannot be decoded here; ask for it as it is stored (transfer-syntax=*)"))
    })?;
    if !form.multipart {
        let mut response = content.into_response();
        if let Ok(kind) = HeaderValue::from_str(&kind) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        return Ok(response);
    }
    let place = format!("{}/frames", address(base, &opened.located));
    let part = move |number: u32, content: Vec<u8>| Part {
        content_type: kind.clone(),
        location: Some(format!("{place}/{}", u64::from(number) + 1)),
        body: whole(content),
    };
    let start = part(first, content);
    let hub = hub.clone();
    let rest = stream::iter(numbers).then(move |number| {
        let (hub, opened, part) = (hub.clone(), opened.clone(), part.clone());
        async move {
            let content = read(&hub, &opened, number, form.decoded).await?;
            Ok(part(number, content))
        }
    });
    Ok(related(media, stream::iter([Ok(start)]).chain(rest)))
}

pub(super) async fn read(hub: &Dicomweb, opened: &Opened, number: u32, decoded: bool) -> io::Result<Vec<u8>> {
    let _place = hub.decoding.acquire().await.map_err(io::Error::other)?;
    let (kept, header) = (opened.kept.clone(), Arc::clone(&opened.header));
    let read = spawn_blocking(move || match decoded {
        true => pixels::decoded_frame(&kept, &header, number),
        false => pixels::stored_frame(&kept, &header, number),
    });
    read.await.map_err(io::Error::other)?.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_get_what_they_ask_for() {
        const J2K: &str = "1.2.840.10008.1.2.4.90";
        let of = |accept: &str, syntax: &str, frames| {
            let accept = Accept::of(&HeaderMap::new(), Some(accept));
            form(&accept, syntax, frames).map(|form| (form.multipart, form.decoded))
        };
        // OHIF.
        let ohif = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*";
        assert_eq!(of(ohif, J2K, 1), Some((true, false)));
        assert_eq!(of(ohif, EXPLICIT, 1), Some((true, true)));
        let plain = "multipart/related; type=\"application/octet-stream\"";
        assert_eq!(of(plain, J2K, 2), Some((true, true)));
        assert_eq!(
            of("multipart/related; type=image/jp2", J2K, 1),
            Some((true, false))
        );
        assert_eq!(of("multipart/related; type=image/jpeg", J2K, 1), None);
        assert_eq!(of("*/*", J2K, 1), Some((true, true)));
        assert_eq!(of("application/octet-stream", J2K, 1), Some((false, true)));
        assert_eq!(of("application/octet-stream", J2K, 2), None);
        // No decoder for video here: only as it is.
        const HEVC: &str = "1.2.840.10008.1.2.4.107";
        assert_eq!(of(plain, HEVC, 1), None);
        assert_eq!(of(ohif, HEVC, 1), Some((true, false)));
    }
}
