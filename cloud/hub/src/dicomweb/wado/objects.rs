use std::io::{self, Read, Seek};
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use barefoot_imaging::header::read_header;
use barefoot_imaging::{pixels, transcode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::task::spawn_blocking;

use super::find::{Target, find, write_down};
use super::range::{Asked, asked};
use crate::archive::Located;
use crate::at_rest::Kept;
use crate::dicomweb::accept::{Accept, Wanted};
use crate::dicomweb::access::{Act, Caller};
use crate::dicomweb::multipart::{Part, Pieces, related, whole};
use crate::dicomweb::{Dicomweb, Parameters, answer, base, parameter};

const DICOM: &str = "application/dicom";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Read from a file at once.
const BLOCK: usize = 256 * 1024;

/// How objects go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// Several parts, or the one object alone.
    multipart: bool,
    /// Explicit VR little endian, whatever is stored.
    decoded: bool,
}

pub(in crate::dicomweb) async fn objects(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path(target): Path<Target>,
    Query(asked): Query<Parameters>,
) -> Response {
    let found = match find(&hub, &caller, &target, Act::Export).await {
        Ok(found) => found,
        Err(response) => return *response,
    };
    let accept = Accept::of(&headers, parameter(&asked, "accept"));
    let Some(form) = form(&accept, &found) else {
        return not_that();
    };
    match found.as_slice() {
        [located] if !form.multipart => alone(&hub, &headers, located, form.decoded).await,
        _ => together(&hub, &headers, found, form.decoded),
    }
}

/// `/instances/<uid>` alone: an image by its own name, for viewers that know no more.
pub(in crate::dicomweb) async fn any_instance(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path(instance): Path<String>,
    Query(asked): Query<Parameters>,
) -> Response {
    let found = match hub.archive.locate_instance(&instance).await {
        Ok(found) => found,
        Err(error) => return answer::failed("retrieve", &error),
    };
    // Two studies with the same image: which one is meant nobody can tell.
    let [located] = found.as_slice() else {
        return answer::not_found();
    };
    if let Err(response) = write_down(&hub, &caller, located, Act::View).await {
        return *response;
    }
    let accept = Accept::of(&headers, parameter(&asked, "accept"));
    match form(&accept, found.as_slice()) {
        Some(form) => alone(&hub, &headers, located, form.decoded).await,
        None => not_that(),
    }
}

fn not_that() -> Response {
    answer::not_acceptable(
        "objects are given as application/dicom, as they are stored (transfer-syntax=*) or, where there is a decoder, in \
         explicit VR little endian (1.2.840.10008.1.2.1)",
    )
}

/// The first wish that can be fulfilled. Without a transfer syntax an object goes as it is stored.
fn form(accept: &Accept, found: &[Located]) -> Option<Form> {
    let of = |wanted: &Wanted| {
        let multipart = wanted.fits_parts(DICOM);
        let alone = wanted.fits(DICOM) && found.len() == 1;
        if !multipart && !alone {
            return None;
        }
        let decoded = match wanted.transfer_syntax.as_deref() {
            None | Some("*") => false,
            Some(syntax) if found.iter().all(|image| image.transfer_syntax == syntax) => false,
            Some(EXPLICIT)
                if found
                    .iter()
                    .all(|image| pixels::can_decode(&image.transfer_syntax)) =>
            {
                true
            }
            Some(_) => return None,
        };
        Some(Form { multipart, decoded })
    };
    accept.iter().find_map(of)
}

fn together(hub: &Dicomweb, headers: &HeaderMap, found: Vec<Located>, decoded: bool) -> Response {
    let base = base(hub, headers);
    let hub = hub.clone();
    let parts = stream::iter(found).then(move |image| {
        let (hub, base) = (hub.clone(), base.clone());
        async move {
            let body = content(&hub, &image, decoded).await.inspect_err(|error| {
                tracing::error!(clinic = %image.clinic, object = %image.object, %error, "A kept image cannot be read; its retrieval was broken off.");
            })?;
            let syntax = if decoded { EXPLICIT } else { &image.transfer_syntax };
            Ok(Part {
                content_type: format!("{DICOM}; transfer-syntax={syntax}"),
                location: Some(address(&base, &image)),
                body,
            })
        }
    });
    related(DICOM, parts)
}

pub(super) fn address(base: &str, image: &Located) -> String {
    format!(
        "{base}/studies/{}/series/{}/instances/{}",
        image.study_uid, image.series_uid, image.sop_instance_uid
    )
}

async fn content(hub: &Dicomweb, image: &Located, decoded: bool) -> io::Result<Pieces> {
    if decoded && image.transfer_syntax != EXPLICIT {
        return Ok(whole(explicit(hub, image).await?));
    }
    Ok(Box::pin(pieces(
        hub.store.kept(&image.clinic, image.object),
        0,
        image.bytes,
    )))
}

/// The bytes from `start` to `end`, a block at a time.
fn pieces(kept: Kept, start: u64, end: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((None, end - start), move |(file, left)| {
        let kept = kept.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            let read = spawn_blocking(move || {
                let mut file = match file {
                    Some(file) => file,
                    None => {
                        let mut file = kept.open()?;
                        file.seek(io::SeekFrom::Start(start))?;
                        file
                    }
                };
                let length = left.min(BLOCK as u64);
                let mut block = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact(&mut block)?;
                Ok::<_, io::Error>((Bytes::from(block), (Some(file), left - length)))
            });
            read.await.map_err(io::Error::other)?.map(Some)
        }
    })
}

async fn explicit(hub: &Dicomweb, image: &Located) -> io::Result<Vec<u8>> {
    let _place = hub.decoding.acquire().await.map_err(io::Error::other)?;
    let kept = hub.store.kept(&image.clinic, image.object);
    let turned = spawn_blocking(move || {
        let header = read_header(&kept).map_err(io::Error::other)?;
        transcode::transcode_file(&kept, &header, EXPLICIT).map_err(io::Error::other)
    });
    turned.await.map_err(io::Error::other)?
}

/// One object without parts: in ranges, and with its hash as its tag.
async fn alone(hub: &Dicomweb, headers: &HeaderMap, image: &Located, decoded: bool) -> Response {
    let decoded = decoded && image.transfer_syntax != EXPLICIT;
    let syntax = if decoded { EXPLICIT } else { &image.transfer_syntax };
    let tag = match decoded {
        true => format!("\"{}-explicit\"", image.object),
        false => format!("\"{}\"", image.object),
    };
    let named = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let mut response = if named(header::IF_NONE_MATCH).is_some_and(|tags| names(tags, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if decoded {
        match explicit(hub, image).await {
            Ok(bytes) => bytes.into_response(),
            Err(error) => {
                tracing::warn!(clinic = %image.clinic, object = %image.object, %error, "A kept image could not be decoded.");
                return not_that();
            }
        }
    } else {
        let range = named(header::RANGE).filter(|_| named(header::IF_RANGE).is_none_or(|of| of == tag));
        match part_of_file(hub, image, asked(range, image.bytes)).await {
            Ok(response) => response,
            Err(error) => return answer::failed("a kept image", &error),
        }
    };
    let given = response.headers_mut();
    for (name, value) in [
        (header::ETAG, tag),
        (header::CONTENT_TYPE, format!("{DICOM}; transfer-syntax={syntax}")),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            given.insert(name, value);
        }
    }
    if !decoded {
        given.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    response
}

fn names(tags: &str, tag: &str) -> bool {
    tags.split(',').any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    })
}

async fn part_of_file(hub: &Dicomweb, image: &Located, asked: Asked) -> io::Result<Response> {
    let length = image.bytes;
    let (status, start, end) = match asked {
        Asked::Whole => (StatusCode::OK, 0, length),
        Asked::Part(start, end) => (StatusCode::PARTIAL_CONTENT, start, end),
        Asked::Beyond => {
            let headers = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    let content = pieces(hub.store.kept(&image.clinic, image.object), start, end);
    let headers = [(header::CONTENT_LENGTH, (end - start).to_string())];
    let mut response = (status, headers, Body::from_stream(content)).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{length}", end.saturating_sub(1));
        if let Ok(range) = HeaderValue::from_str(&range) {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(response)
}
