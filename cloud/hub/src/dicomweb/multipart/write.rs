use std::io;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use ring::rand::{SecureRandom, SystemRandom};

/// A part's content as it is read.
pub(in crate::dicomweb) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

pub(in crate::dicomweb) struct Part {
    pub(in crate::dicomweb) content_type: String,
    pub(in crate::dicomweb) location: Option<String>,
    pub(in crate::dicomweb) body: Pieces,
}

/// A content that is in memory already.
pub(in crate::dicomweb) fn whole(bytes: impl Into<Bytes>) -> Pieces {
    let bytes = bytes.into();
    Box::pin(stream::once(async move { Ok(bytes) }))
}

/// An answer of these parts. One that cannot be read breaks the connection off: the client sees that something is missing.
pub(in crate::dicomweb) fn related(
    media: &str,
    parts: impl Stream<Item = io::Result<Part>> + Send + 'static,
) -> Response {
    let boundary = boundary();
    let kind = format!("multipart/related; type=\"{media}\"; boundary={boundary}");
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let mut is_first = true;
    let pieces = parts
        .map_ok(move |part| {
            let mut head = if is_first {
                String::new()
            } else {
                "\r\n".to_owned()
            };
            is_first = false;
            head.push_str(&format!(
                "--{boundary}\r\nContent-Type: {}\r\n",
                part.content_type
            ));
            if let Some(location) = &part.location {
                head.push_str(&format!("Content-Location: {location}\r\n"));
            }
            head.push_str("\r\n");
            let head = Bytes::from(head);
            stream::once(async move { Ok(head) }).chain(part.body)
        })
        .try_flatten()
        .chain(stream::once(async move { Ok(end) }));
    let mut response = (StatusCode::OK, Body::from_stream(pieces)).into_response();
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// Such as no image holds but by an accident that does not happen.
fn boundary() -> String {
    let mut random = [0; 16];
    // Without randomness a fixed one: nothing but a forged image could hold it, and images are checked before they are kept.
    let _ = SystemRandom::new().fill(&mut random);
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("barefoot-{digits}")
}
