use std::io;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use barefoot_imaging::data_set::{Content, DataSet, read_before_pixels};
use barefoot_imaging::{pixels, tags};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::task::spawn_blocking;

use super::find::{Opened, bad, one};
use super::frames::{OCTETS, media_of, read};
use super::objects::address;
use crate::dicomweb::accept::Accept;
use crate::dicomweb::access::{Act, Caller};
use crate::dicomweb::index::ATTRIBUTES;
use crate::dicomweb::json::key;
use crate::dicomweb::multipart::{Part, Pieces, related, whole};
use crate::dicomweb::{Dicomweb, Parameters, answer, base, parameter, tag_of};

/// A value that the metadata give by its address.
pub(in crate::dicomweb) async fn bulk_data(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path((study, series, instance, element)): Path<(String, String, String, String)>,
    Query(asked): Query<Parameters>,
) -> Response {
    let given = async {
        let opened = one(&hub, &caller, (study, series, instance), Act::View).await?;
        let accept = Accept::of(&headers, parameter(&asked, "accept"));
        let place = format!(
            "{}/bulkdata/{element}",
            address(&base(&hub, &headers), &opened.located)
        );
        if element == key(tags::PIXEL_DATA) {
            return pixel_data(&hub, opened, &accept, place);
        }
        let value = value(&opened, &element).await?;
        give(&accept, OCTETS, place, vec![whole(value)])
    };
    given.await.unwrap_or_else(|response| *response)
}

/// Compressed pixels as one part a frame, others as one.
fn pixel_data(
    hub: &Dicomweb,
    opened: Opened,
    accept: &Accept,
    place: String,
) -> Result<Response, Box<Response>> {
    let syntax = opened.header.transfer_syntax().to_owned();
    let frames = opened.header.frames();
    let compressed = pixels::is_compressed(&syntax);
    let hub = hub.clone();
    let frame = move |number| {
        let (hub, opened) = (hub.clone(), opened.clone());
        async move { read(&hub, &opened, number, false).await.map(Bytes::from) }
    };
    if !compressed {
        let all: Pieces = Box::pin(stream::iter(0..frames).then(frame));
        return give(accept, OCTETS, place, vec![all]);
    }
    let media = media_of(&syntax);
    if !accept
        .iter()
        .any(|wanted| wanted.fits_parts(OCTETS) || wanted.fits_parts(media))
    {
        return Err(not_that());
    }
    let parts = stream::iter(0..frames).then(move |number| {
        let (frame, kind, place) = (
            frame.clone(),
            format!("{media}; transfer-syntax={syntax}"),
            place.clone(),
        );
        async move {
            Ok(Part {
                content_type: kind,
                location: Some(place),
                body: whole(frame(number).await?),
            })
        }
    });
    Ok(related(media, parts))
}

fn give(
    accept: &Accept,
    media: &'static str,
    place: String,
    mut parts: Vec<Pieces>,
) -> Result<Response, Box<Response>> {
    for wanted in accept.iter() {
        if wanted.fits_parts(media) {
            let parts: Vec<io::Result<Part>> = parts
                .into_iter()
                .map(|body| {
                    Ok(Part {
                        content_type: media.to_owned(),
                        location: Some(place.clone()),
                        body,
                    })
                })
                .collect();
            return Ok(related(media, stream::iter(parts)));
        }
        if wanted.fits(media)
            && parts.len() == 1
            && let Some(body) = parts.pop()
        {
            let content = axum::body::Body::from_stream(body);
            return Ok(([(header::CONTENT_TYPE, media)], content).into_response());
        }
    }
    Err(not_that())
}

fn not_that() -> Box<Response> {
    Box::new(answer::not_acceptable(
        "values are given as application/octet-stream; compressed pixels in parts (multipart/related)",
    ))
}

async fn value(opened: &Opened, element: &str) -> Result<Vec<u8>, Box<Response>> {
    let (kept, header) = (opened.kept.clone(), Arc::clone(&opened.header));
    let read = spawn_blocking(move || read_before_pixels(&kept, &header, &ATTRIBUTES));
    let set = match read.await {
        Ok(Ok(set)) => set,
        Ok(Err(error)) => return Err(Box::new(answer::failed("a kept image", &error))),
        Err(error) => return Err(Box::new(answer::failed("a kept image", &error))),
    };
    found(&set, element)?
        .map(<[u8]>::to_vec)
        .ok_or_else(|| Box::new(answer::not_found()))
}

/// `00281201`, or in items `52009230/0/00289145/0/00281201`.
fn found<'a>(set: &'a DataSet, element: &str) -> Result<Option<&'a [u8]>, Box<Response>> {
    let wrong = || bad("a value is named by its tag in eight hexadecimal digits, in items by tag/number/tag");
    let mut set = set;
    let mut pieces = element.split('/');
    loop {
        let tag = pieces.next().and_then(tag_of).ok_or_else(wrong)?;
        let Some(found) = set.get(tag) else {
            return Ok(None);
        };
        match (&found.content, pieces.next()) {
            (Content::Value(bytes), None) => return Ok(Some(bytes)),
            (Content::Items(items), Some(number)) => {
                let number: usize = number.parse().map_err(|_| wrong())?;
                match items.get(number) {
                    Some(item) => set = item,
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        }
    }
}
