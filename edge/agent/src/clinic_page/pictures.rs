//! The pictures of a case. The name in the address is a key or nothing; the path is made from the index.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::{Path as InAddress, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::server::App;
use crate::at_rest;
use crate::case_index::CaseView;
use crate::study_folder::StudyKey;

pub(super) async fn preview(
    State(app): State<Arc<App>>,
    InAddress(key): InAddress<String>,
    headers: HeaderMap,
) -> Response {
    picture(&app, &key, &headers, "preview.jpg", |case| case.has_preview).await
}

pub(super) async fn heat_map(
    State(app): State<Arc<App>>,
    InAddress(key): InAddress<String>,
    headers: HeaderMap,
) -> Response {
    picture(&app, &key, &headers, "heat_map.jpg", |case| case.has_heat_map).await
}

pub(super) async fn presented(
    State(app): State<Arc<App>>,
    InAddress(key): InAddress<String>,
    headers: HeaderMap,
) -> Response {
    picture(&app, &key, &headers, "presented.jpg", |case| case.has_presented).await
}

async fn picture(
    app: &App,
    key: &str,
    headers: &HeaderMap,
    file: &str,
    exists: impl Fn(&CaseView) -> bool,
) -> Response {
    let case = StudyKey::parse(key)
        .and_then(|key| app.sources.cases.get(&key))
        .filter(|case| exists(case));
    let Some(case) = case else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let path = app.sources.state.pictures(&case.study, case.version).join(file);
    match read(&path).await {
        Ok((stamp, bytes)) => answer(headers, case.version, &stamp, bytes),
        Err(error) => {
            // A version that is superseded while its page loads is the usual cause.
            tracing::debug!(study = %case.study, %error, "A picture of a case cannot be read.");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

async fn read(path: &Path) -> io::Result<(String, Vec<u8>)> {
    let metadata = tokio::fs::metadata(path).await?;
    let modified = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let path = path.to_owned();
    let bytes = tokio::task::spawn_blocking(move || at_rest::read(&path));
    Ok((
        format!("{:x}-{:x}", modified.as_millis(), metadata.len()),
        bytes.await.map_err(io::Error::other)??,
    ))
}

/// A browser may keep a picture but asks each time whether it still holds: a wrong picture beside a name is worse
/// than a request to the machine it runs on.
fn answer(headers: &HeaderMap, version: u32, stamp: &str, bytes: Vec<u8>) -> Response {
    let tag = format!("\"{version}-{stamp}\"");
    let known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|held| held.as_bytes() == tag.as_bytes());
    let about = [(ETAG, tag), (CACHE_CONTROL, "private, no-cache".to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(CONTENT_TYPE, "image/jpeg")], bytes).into_response()
}
