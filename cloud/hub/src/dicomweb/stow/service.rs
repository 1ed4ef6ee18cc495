use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::report::{Failed, Reason, Report};
use super::take::{keep, reason};
use crate::dicomweb::accept::Accept;
use crate::dicomweb::access::Caller;
use crate::dicomweb::answer::{self, DICOM_JSON};
use crate::dicomweb::multipart::{Reader, boundary_of};
use crate::dicomweb::{Dicomweb, base};
use crate::image_store::{Arriving, Judged, NotKept};

const DICOM: &str = "application/dicom";

/// Objects of one request.
const MOST: usize = 20_000;

pub(in crate::dicomweb) async fn store(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    take(&hub, &caller, &headers, None, body).await
}

pub(in crate::dicomweb) async fn store_in_study(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path(study): Path<String>,
    body: Body,
) -> Response {
    take(&hub, &caller, &headers, Some(&study), body).await
}

async fn take(
    hub: &Dicomweb,
    caller: &Caller,
    headers: &HeaderMap,
    study: Option<&str>,
    body: Body,
) -> Response {
    if Accept::of(headers, None)
        .choose(&[DICOM_JSON, "application/json"])
        .is_none()
    {
        return answer::not_acceptable("what was stored is said as application/dicom+json");
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let base = base(hub, headers);
    let stream = body.into_data_stream();
    if let Some(boundary) = boundary_of(kind) {
        return several(hub, caller, study, Reader::new(stream, &boundary), &base).await;
    }
    if kind
        .split(';')
        .next()
        .is_some_and(|media| media.trim().eq_ignore_ascii_case(DICOM))
    {
        return alone(hub, caller, study, stream, &base).await;
    }
    answer::refused(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "images are taken as multipart/related; type=\"application/dicom\" with a boundary, or one as application/dicom",
    )
}

async fn several<S>(
    hub: &Dicomweb,
    caller: &Caller,
    study: Option<&str>,
    mut parts: Reader<S>,
    base: &str,
) -> Response
where
    S: Stream<Item = Result<Bytes, axum::Error>> + Unpin,
{
    let mut report = Report::default();
    let broken = loop {
        let head = match parts.next_part().await {
            Ok(Some(head)) => head,
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        if MOST <= report.stored.len() + report.failed.len() {
            return answer::refused(StatusCode::PAYLOAD_TOO_LARGE, "at most 20000 objects at once");
        }
        if !head.content_type.is_empty() && head.content_type != DICOM {
            report.failed.push(nameless(
                Reason::CannotUnderstand,
                "a part is not application/dicom",
            ));
            continue;
        }
        let mut arriving = hub.store.arrive().await;
        let broken = loop {
            match parts.piece().await {
                Ok(Some(piece)) => {
                    // A part that is refused is read to its end: the next ones count.
                    if let Ok(open) = &mut arriving
                        && let Err(error) = open.append(piece).await
                    {
                        arriving = Err(error);
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if let Some(error) = broken {
            break Some(error);
        }
        enter(hub, caller, study, judge(arriving).await, &mut report).await;
    };
    if let Some(error) = broken {
        tracing::warn!(%error, "A request to store images was broken off; what came whole is stored.");
        if report.stored.is_empty() && report.failed.is_empty() {
            return answer::refused(StatusCode::BAD_REQUEST, &error.to_string());
        }
        report
            .failed
            .push(nameless(Reason::CannotUnderstand, &error.to_string()));
    } else if report.stored.is_empty() && report.failed.is_empty() {
        return answer::refused(StatusCode::BAD_REQUEST, "the request holds no object");
    }
    report.response(base)
}

async fn alone<S>(hub: &Dicomweb, caller: &Caller, study: Option<&str>, mut body: S, base: &str) -> Response
where
    S: Stream<Item = Result<Bytes, axum::Error>> + Unpin,
{
    let mut arriving = hub.store.arrive().await;
    while let Some(piece) = body.next().await {
        let (Ok(piece), Ok(open)) = (piece, &mut arriving) else {
            return answer::refused(StatusCode::BAD_REQUEST, "the body cannot be read");
        };
        if let Err(error) = open.append(piece).await {
            arriving = Err(error);
            break;
        }
    }
    let mut report = Report::default();
    enter(hub, caller, study, judge(arriving).await, &mut report).await;
    report.response(base)
}

async fn judge(arriving: Result<Arriving, NotKept>) -> Result<Judged, NotKept> {
    arriving?.judge().await
}

async fn enter(
    hub: &Dicomweb,
    caller: &Caller,
    study: Option<&str>,
    judged: Result<Judged, NotKept>,
    report: &mut Report,
) {
    let kept = match judged {
        Ok(judged) => keep(hub, caller, judged, study).await,
        Err(error) => Err(refused(error)),
    };
    match kept {
        Ok(stored) => report.stored.push(stored),
        Err(failed) => {
            tracing::warn!(who = caller.name, reason = ?failed.reason, why = failed.why, "An image of another system was not stored.");
            report.failed.push(failed);
        }
    }
}

fn refused(error: NotKept) -> Failed {
    let reason = reason(&error);
    match error {
        NotKept::Refused { named, fault } => Failed {
            named,
            reason,
            why: fault.to_string(),
        },
        error => nameless(reason, &error.to_string()),
    }
}

fn nameless(reason: Reason, why: &str) -> Failed {
    Failed {
        named: None,
        reason,
        why: why.to_owned(),
    }
}
