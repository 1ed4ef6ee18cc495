use std::io;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use barefoot_imaging::data_set::read_before_pixels;
use barefoot_imaging::header::read_header;
use barefoot_imaging::{pixels, tags};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::find::{Target, find};
use super::objects::address;
use crate::archive::Located;
use crate::at_rest::Kept;
use crate::dicomweb::accept::Accept;
use crate::dicomweb::access::{Act, Caller};
use crate::dicomweb::answer::{self, DICOM_JSON};
use crate::dicomweb::index::ATTRIBUTES;
use crate::dicomweb::json::{data_set, key};
use crate::dicomweb::{Dicomweb, Parameters, base, parameter};

/// Images whose attributes are read at once for one answer.
const AT_ONCE: usize = 4;

/// An array that is written as the images are read.
pub(in crate::dicomweb) async fn metadata(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path(target): Path<Target>,
    Query(asked): Query<Parameters>,
) -> Response {
    let accept = Accept::of(&headers, parameter(&asked, "accept"));
    let kind = match accept.choose(&[DICOM_JSON, "application/json"]) {
        Some(DICOM_JSON) => DICOM_JSON,
        Some(_) => "application/json",
        None => return answer::not_acceptable("attributes are given as application/dicom+json"),
    };
    let found = match find(&hub, &caller, &target, Act::View).await {
        Ok(found) => found,
        Err(response) => return *response,
    };
    let base = base(&hub, &headers);
    let objects = stream::iter(found)
        .map(move |image| {
            let kept = hub.store.kept(&image.clinic, image.object);
            let address = address(&base, &image);
            async move {
                let read = spawn_blocking(move || attributes(&kept, &image, &address));
                read.await.map_err(io::Error::other)?
            }
        })
        .buffered(AT_ONCE)
        .enumerate()
        .map(|(at, object)| {
            object.map(|object| {
                let before = if at == 0 { "[" } else { "," };
                Bytes::from(format!("{before}{object}"))
            })
        });
    let end = stream::once(async { Ok(Bytes::from_static(b"]")) });
    (
        [(header::CONTENT_TYPE, kind)],
        Body::from_stream(objects.chain(end)),
    )
        .into_response()
}

fn attributes(kept: &Kept, image: &Located, address: &str) -> io::Result<Value> {
    let failed = |error: barefoot_imaging::header::Error| {
        tracing::error!(clinic = %image.clinic, object = %image.object, %error, "A kept image cannot be read; its attributes were not given.");
        io::Error::other(error)
    };
    let header = read_header(kept).map_err(failed)?;
    let set = read_before_pixels(kept, &header, &ATTRIBUTES).map_err(failed)?;
    let mut object = data_set(&set, &|path| format!("{address}/bulkdata/{path}"));
    if header.has_pixels() {
        let bytes = header.bits_allocated().is_some_and(|bits| bits <= 8);
        let vr = if bytes || pixels::is_compressed(header.transfer_syntax()) {
            "OB"
        } else {
            "OW"
        };
        let pixels = key(tags::PIXEL_DATA);
        let uri = format!("{address}/bulkdata/{pixels}");
        object.insert(pixels, json!({ "vr": vr, "BulkDataURI": uri }));
    }
    object.insert(
        "00083002".to_owned(),
        json!({ "vr": "UI", "Value": [header.transfer_syntax()] }),
    );
    Ok(Value::Object(object))
}
