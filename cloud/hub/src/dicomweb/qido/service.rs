use axum::extract::{Path, Query as Parameters, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use barefoot_imaging::tags;
use serde_json::{Map, Value, json};

use super::attributes::Attribute;
use super::parse::{MOST, Query, parse};
use crate::archive::ImageLevel;
use crate::dicomweb::accept::Accept;
use crate::dicomweb::answer::{self, DICOM_JSON};
use crate::dicomweb::json::{key, number, person};
use crate::dicomweb::{Dicomweb, base};

type Asked = Parameters<Vec<(String, String)>>;

pub(in crate::dicomweb) async fn studies(
    State(hub): State<Dicomweb>,
    headers: HeaderMap,
    Parameters(asked): Asked,
) -> Response {
    search(&hub, &headers, ImageLevel::Study, &[], &asked).await
}

pub(in crate::dicomweb) async fn series(
    State(hub): State<Dicomweb>,
    headers: HeaderMap,
    Parameters(asked): Asked,
) -> Response {
    search(&hub, &headers, ImageLevel::Series, &[], &asked).await
}

pub(in crate::dicomweb) async fn series_of_study(
    State(hub): State<Dicomweb>,
    headers: HeaderMap,
    Path(study): Path<String>,
    Parameters(asked): Asked,
) -> Response {
    let fixed = [("st.study_uid", study)];
    search(&hub, &headers, ImageLevel::Series, &fixed, &asked).await
}

pub(in crate::dicomweb) async fn instances(
    State(hub): State<Dicomweb>,
    headers: HeaderMap,
    Parameters(asked): Asked,
) -> Response {
    search(&hub, &headers, ImageLevel::Instance, &[], &asked).await
}

pub(in crate::dicomweb) async fn instances_of_study(
    State(hub): State<Dicomweb>,
    headers: HeaderMap,
    Path(study): Path<String>,
    Parameters(asked): Asked,
) -> Response {
    let fixed = [("st.study_uid", study)];
    search(&hub, &headers, ImageLevel::Instance, &fixed, &asked).await
}

pub(in crate::dicomweb) async fn instances_of_series(
    State(hub): State<Dicomweb>,
    headers: HeaderMap,
    Path((study, series)): Path<(String, String)>,
    Parameters(asked): Asked,
) -> Response {
    let fixed = [("st.study_uid", study), ("se.series_uid", series)];
    search(&hub, &headers, ImageLevel::Instance, &fixed, &asked).await
}

async fn search(
    hub: &Dicomweb,
    headers: &HeaderMap,
    level: ImageLevel,
    fixed: &[(&'static str, String)],
    asked: &[(String, String)],
) -> Response {
    let query = match parse(level, fixed, asked) {
        Ok(query) => query,
        Err(error) => return answer::refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let accept = Accept::of(headers, query.accept.as_deref());
    let Some(kind) = accept.choose(&[DICOM_JSON, "application/json"]) else {
        return answer::not_acceptable("results are given as application/dicom+json");
    };
    let kind = if kind == DICOM_JSON {
        DICOM_JSON
    } else {
        "application/json"
    };
    let rows = match hub.archive.search_images(&query.search).await {
        Ok(rows) => rows,
        Err(error) => return answer::failed("search", &error),
    };
    let mut response = if rows.is_empty() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let base = base(hub, headers);
        let results: Vec<Value> = rows
            .iter()
            .map(|row| result(&query.attributes, row, &base, level))
            .collect();
        answer::json(StatusCode::OK, kind, &Value::Array(results))
    };
    remark(&mut response, &query, rows.len());
    response
}

/// What the answer lacks of what was asked.
fn remark(response: &mut Response, query: &Query, found: usize) {
    if query.fuzzy {
        answer::warn(
            response,
            "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
        );
    }
    let full = u32::try_from(found).is_ok_and(|found| found == query.search.limit);
    if full && 0 < found {
        answer::warn(
            response,
            &format!(
                "There may be more results: ask for the next with offset. At most {MOST} are given at once."
            ),
        );
    }
}

fn result(attributes: &[&'static Attribute], row: &[String], base: &str, level: ImageLevel) -> Value {
    let mut object: Map<String, Value> = attributes
        .iter()
        .zip(row)
        .map(|(attribute, value)| (key(attribute.tag), element(attribute, value)))
        .collect();
    let of = |wanted| {
        let found = attributes
            .iter()
            .zip(row)
            .find(|(attribute, _)| attribute.tag == wanted);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let mut address = format!("{base}/studies/{}", of(tags::STUDY_UID));
    if ImageLevel::Series <= level {
        address.push_str(&format!("/series/{}", of(tags::SERIES_UID)));
    }
    if ImageLevel::Instance <= level {
        address.push_str(&format!("/instances/{}", of(tags::SOP_INSTANCE)));
    }
    object.insert(
        "00080005".to_owned(),
        json!({ "vr": "CS", "Value": ["ISO_IR 192"] }),
    );
    object.insert("00080056".to_owned(), json!({ "vr": "CS", "Value": ["ONLINE"] }));
    object.insert("00081190".to_owned(), json!({ "vr": "UR", "Value": [address] }));
    Value::Object(object)
}

fn element(attribute: &Attribute, text: &str) -> Value {
    let values: Vec<Value> = text
        .split('\\')
        .filter(|value| !value.is_empty())
        .map(|value| match attribute.vr {
            "PN" => person(value),
            "IS" | "US" => number(value.trim()),
            _ => Value::from(value.trim()),
        })
        .collect();
    if values.is_empty() {
        json!({ "vr": attribute.vr })
    } else {
        json!({ "vr": attribute.vr, "Value": values })
    }
}
