use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use barefoot_imaging::header::{Header, read_header};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use crate::archive::Located;
use crate::at_rest::Kept;
use crate::dicomweb::access::{Act, Caller};
use crate::dicomweb::{Dicomweb, answer};

/// What a path names: a study, one of its series, or one image of that.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::dicomweb) struct Target {
    study: String,
    series: Option<String>,
    instance: Option<String>,
}

/// An instance with its header read.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) located: Located,
    pub(super) kept: Kept,
    pub(super) header: Arc<Header>,
}

/// The instances, after it was written down who takes them. Never empty.
pub(super) async fn find(
    hub: &Dicomweb,
    caller: &Caller,
    target: &Target,
    act: Act,
) -> Result<Vec<Located>, Box<Response>> {
    let found = hub
        .archive
        .locate_images(
            &target.study,
            target.series.as_deref(),
            target.instance.as_deref(),
        )
        .await
        .map_err(|error| Box::new(answer::failed("retrieve", &error)))?;
    let Some(first) = found.first() else {
        return Err(Box::new(answer::not_found()));
    };
    write_down(hub, caller, first, act).await?;
    Ok(found)
}

pub(super) async fn write_down(
    hub: &Dicomweb,
    caller: &Caller,
    of: &Located,
    act: Act,
) -> Result<(), Box<Response>> {
    let written = hub.audited.record(caller, act, &of.clinic, &of.study_uid).await;
    written.map_err(|error| Box::new(answer::failed("audit", &error)))
}

pub(super) async fn open(hub: &Dicomweb, located: Located) -> Result<Opened, Box<Response>> {
    let kept = hub.store.kept(&located.clinic, located.object);
    let file = kept.clone();
    match spawn_blocking(move || read_header(&file)).await {
        Ok(Ok(header)) => Ok(Opened {
            located,
            kept,
            header: Arc::new(header),
        }),
        Ok(Err(error)) => Err(Box::new(answer::failed("a kept image", &error))),
        Err(error) => Err(Box::new(answer::failed("a kept image", &error))),
    }
}

/// One instance, opened.
pub(super) async fn one(
    hub: &Dicomweb,
    caller: &Caller,
    (study, series, instance): (String, String, String),
    act: Act,
) -> Result<Opened, Box<Response>> {
    let target = Target {
        study,
        series: Some(series),
        instance: Some(instance),
    };
    let mut found = find(hub, caller, &target, act).await?;
    match found.pop() {
        Some(located) => open(hub, located).await,
        None => Err(Box::new(answer::not_found())),
    }
}

pub(super) fn bad(why: &str) -> Box<Response> {
    Box::new(answer::refused(StatusCode::BAD_REQUEST, why))
}
