use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use barefoot_domain::Call;
use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::{self, Window};
use barefoot_imaging::render::{self, Shown};
use barefoot_wire::decode_report;
use barefoot_wire::images::{HeatMapPicture, ObjectId, decode_quick_look};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CasePath, Room, address, allow, failed, findings, key_of, statements};
use crate::archive::{CaseImage, CaseKey, Error};
use crate::at_rest::Kept;
use crate::config::Language;
use crate::people::{Right, Signed};

/// Earlier studies offered beside a case.
const PRIORS: u32 = 1;

/// The longer side of a picture the server draws.
const DRAWN_SIDE: u32 = 1600;

/// The case's key, for who may see its pictures; else the answer, without a page: scripts and viewers ask.
fn may_see(signed: &Signed, path: CasePath) -> Result<CaseKey, Box<Response>> {
    allow(signed, Right::SeeImages)?;
    key_of(path).ok_or_else(|| Box::new(StatusCode::NOT_FOUND.into_response()))
}

/// The images of a case that can be shown, and its small pictures.
#[derive(Debug, Default)]
pub(super) struct Set {
    images: Vec<CaseImage>,
    quick: Vec<(String, ObjectId)>,
    heat_maps: Vec<HeatMapPicture>,
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty() && self.quick.is_empty()
    }

    /// The first small picture, with the image it shows.
    pub(super) fn key_picture(&self) -> Option<(&CaseImage, ObjectId)> {
        let (uid, object) = self.quick.first()?;
        let image = self.images.iter().find(|image| image.sop_instance_uid == *uid)?;
        Some((image, *object))
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = &str> {
        self.images
            .iter()
            .filter(|image| image.rows != 0)
            .map(|image| image.sop_instance_uid.as_str())
    }
}

pub(super) async fn set(room: &Room, key: &CaseKey, version: u32) -> Result<Set, Error> {
    if room.images.is_none() {
        return Ok(Set::default());
    }
    let images = room.archive.case_images(key).await?;
    let look = room.archive.quick_look(&key.clinic, &key.case, version).await?;
    let look = look
        .and_then(|bytes| decode_quick_look(&bytes).ok())
        .unwrap_or_default();
    Ok(Set {
        images,
        heat_maps: look.heat_maps,
        quick: look
            .pictures
            .into_iter()
            .map(|picture| (picture.sop_instance_uid, picture.object.id))
            .collect(),
    })
}

/// What the viewer is to show, see `cloud/viewer/README.md`.
pub(super) async fn description(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
) -> Response {
    let key = match may_see(&signed, path) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    match describe(&room, &signed, &key).await {
        Ok(Some(study)) => Json(study).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error, signed.person.language),
    }
}

async fn describe(room: &Room, signed: &Signed, key: &CaseKey) -> Result<Option<Value>, Error> {
    let words = room.words(signed);
    let Some(case) = room.archive.case(key).await? else {
        return Ok(None);
    };
    room.note_look(signed, key).await?;
    let own = set(room, key, case.life.version).await?;
    let prior = match room.archive.priors(key, PRIORS).await?.into_iter().next() {
        None => Value::Null,
        Some(prior) => {
            let version = match room.archive.case_study(&prior.key).await? {
                Some(study) => study.version,
                None => 1,
            };
            let images = set(room, &prior.key, version).await?;
            let mut described = images_of(&images, &prior.key);
            if let Value::Object(fields) = &mut described {
                let label = format!("{} · {} · {}", words.prior, prior.date, prior.modalities);
                fields.insert("label".into(), Value::from(label));
            }
            described
        }
    };
    let mine = case.life.is_held_by(&signed.person.id);
    let written = if mine {
        let draft = room.archive.draft(key, &signed.person.id).await?;
        draft.and_then(|draft| decode_report(&draft.content).ok())
    } else {
        let reports = room.archive.reports_of(key).await?;
        reports
            .iter()
            .rfind(|report| report.addendum_to.is_none())
            .and_then(|report| decode_report(&report.signed.content).ok())
    };
    let known: Vec<&str> = own.instances().collect();
    let marks: Vec<Value> = statements::marks(
        written
            .as_ref()
            .map_or(&[], |report| report.statements.as_slice()),
    )
    .into_iter()
    .filter(|mark| {
        mark.get("instance")
            .and_then(Value::as_str)
            .is_some_and(|uid| known.contains(&uid))
    })
    .collect();
    let mut codes: Vec<(String, String)> = findings::of_modality(&case.modality)
        .iter()
        .map(|pick| (pick.code.to_owned(), pick.name(words.language).to_owned()))
        .collect();
    let hides_ai = hides_ai(room, signed, key, case.life.state.is_open()).await?;
    let result = room.archive.newest_result(key).await?;
    let called = result
        .as_ref()
        .filter(|_| !hides_ai)
        .map_or(&[][..], |result| result.assessment.findings.as_slice());
    for finding in called.iter().filter(|finding| finding.call == Call::Positive) {
        let code = finding.code.as_str();
        if !codes.iter().any(|(one, _)| one == code) {
            codes.push((code.to_owned(), findings::name(code, words.language)));
        }
    }
    let mut study = images_of(&own, key);
    if let Value::Object(fields) = &mut study {
        fields.insert("prior".into(), prior);
        let heat_maps = if hides_ai {
            Vec::new()
        } else {
            heat_maps(&own, key, words.language)
        };
        fields.insert("heatMaps".into(), Value::from(heat_maps));
        fields.insert("marks".into(), Value::from(marks));
        let codes: Vec<Value> = codes
            .into_iter()
            .map(|(code, label)| json!({ "code": code, "label": label }))
            .collect();
        fields.insert("findings".into(), Value::from(codes));
        fields.insert("mayMark".into(), Value::from(mine));
    }
    Ok(Some(study))
}

/// Whether who reads wants to look first.
async fn hides_ai(room: &Room, signed: &Signed, key: &CaseKey, is_open: bool) -> Result<bool, Error> {
    let person = signed.person.id.as_str();
    Ok(is_open && room.archive.hides_ai(person).await? && !room.archive.has_seen_ai(key, person).await?)
}

/// Where the model looked, on images that are here.
fn heat_maps(set: &Set, key: &CaseKey, language: Language) -> Vec<Value> {
    let has_frame = |map: &HeatMapPicture| {
        set.images.iter().any(|image| {
            image.sop_instance_uid == map.sop_instance_uid
                && image.rows != 0
                && map.frame <= image.frames.max(1)
        })
    };
    let maps = set.heat_maps.iter().enumerate();
    maps.filter(|(_, map)| has_frame(map))
        .map(|(place, map)| {
            json!({
                "url": format!("{}/heat/{place}", address(key)),
                "instance": map.sop_instance_uid,
                "frame": map.frame,
                "finding": map.finding.as_str(),
                "label": findings::name(map.finding.as_str(), language),
            })
        })
        .collect()
}

fn images_of(set: &Set, key: &CaseKey) -> Value {
    let shown: Vec<&CaseImage> = set
        .images
        .iter()
        .filter(|image| image.rows != 0 && image.columns != 0)
        .collect();
    let mut series: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for image in &shown {
        match series.iter_mut().find(|(uid, ..)| *uid == image.series_uid) {
            Some((.., members)) => members.push(&image.sop_instance_uid),
            None => series.push((&image.series_uid, &image.series, vec![&image.sop_instance_uid])),
        }
    }
    let size = |uid: &str| {
        shown
            .iter()
            .find(|image| image.sop_instance_uid == uid)
            .map(|image| (image.rows, image.columns))
    };
    json!({
        "quickLook": set.quick.iter().enumerate().map(|(place, (uid, _))| {
            let (rows, columns) = size(uid).unwrap_or((1, 1));
            json!({
                "url": format!("{}/quick/{place}", address(key)),
                "instance": uid,
                "rows": rows,
                "columns": columns,
            })
        }).collect::<Vec<Value>>(),
        "instances": shown.iter().map(|image| json!({
            "url": format!("{}/instances/{}", address(key), image.sop_instance_uid),
            "instance": image.sop_instance_uid,
            "series": image.series_uid,
            "frames": image.frames,
            "rows": image.rows,
            "columns": image.columns,
            "modality": image.modality,
        })).collect::<Vec<Value>>(),
        "series": series.iter().map(|(uid, description, members)| json!({
            "uid": uid,
            "description": description,
            "instances": members,
        })).collect::<Vec<Value>>(),
    })
}

/// One image of a case.
async fn kept(room: &Room, key: &CaseKey, uid: &str) -> Result<Option<Kept>, Error> {
    let Some(images) = &room.images else {
        return Ok(None);
    };
    let all = room.archive.case_images(key).await?;
    let found = all.iter().find(|image| image.sop_instance_uid == uid);
    Ok(found.map(|image| images.kept(&key.clinic, image.object)))
}

/// The bytes of one image of a case.
async fn bytes(room: &Room, key: &CaseKey, uid: &str) -> Result<Option<Vec<u8>>, Error> {
    let Some(images) = &room.images else {
        return Ok(None);
    };
    let all = room.archive.case_images(key).await?;
    let Some(image) = all.iter().find(|image| image.sop_instance_uid == uid) else {
        return Ok(None);
    };
    match images.read(&key.clinic, image.object).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => {
            tracing::error!(%error, clinic = %key.clinic, "An image of a case cannot be read.");
            Ok(None)
        }
    }
}

/// An image as it is kept, for the viewer.
pub(super) async fn instance(
    State(room): State<Room>,
    signed: Signed,
    Path((clinic, case, uid)): Path<(String, String, String)>,
) -> Response {
    let key = match may_see(&signed, (clinic, case)) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let found = async {
        let found = bytes(&room, &key, &uid).await?;
        if found.is_some() {
            room.note_look(&signed, &key).await?;
        }
        Ok::<_, Error>(found)
    };
    match found.await {
        Ok(Some(bytes)) => ([(header::CONTENT_TYPE, "application/dicom")], bytes).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error, signed.person.language),
    }
}

/// A small picture that came before the images.
pub(super) async fn quick(
    State(room): State<Room>,
    signed: Signed,
    Path((clinic, case, place)): Path<(String, String, usize)>,
) -> Response {
    let key = match may_see(&signed, (clinic, case)) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let found = async {
        let Some(case) = room.archive.case(&key).await? else {
            return Ok::<_, Error>(None);
        };
        let set = set(&room, &key, case.life.version).await?;
        room.note_look(&signed, &key).await?;
        Ok(set.quick.get(place).map(|(_, object)| *object))
    };
    let (object, images) = match (found.await, &room.images) {
        (Ok(Some(object)), Some(images)) => (object, images),
        (Err(error), _) => return failed(&error, signed.person.language),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match images.read(&key.clinic, object).await {
        Ok(picture) => ([(header::CONTENT_TYPE, "image/jpeg")], picture).into_response(),
        Err(error) => {
            tracing::error!(%error, clinic = %key.clinic, "A quick look cannot be read.");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

/// Where the model looked. Not for who wants to look first.
pub(super) async fn heat(
    State(room): State<Room>,
    signed: Signed,
    Path((clinic, case, place)): Path<(String, String, usize)>,
) -> Response {
    let key = match may_see(&signed, (clinic, case)) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let found = async {
        let Some(case) = room.archive.case(&key).await? else {
            return Ok::<_, Error>(None);
        };
        if hides_ai(&room, &signed, &key, case.life.state.is_open()).await? {
            return Ok(None);
        }
        let set = set(&room, &key, case.life.version).await?;
        room.note_look(&signed, &key).await?;
        Ok(set.heat_maps.get(place).map(|map| map.object.id))
    };
    let (object, images) = match (found.await, &room.images) {
        (Ok(Some(object)), Some(images)) => (object, images),
        (Err(error), _) => return failed(&error, signed.person.language),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match images.read(&key.clinic, object).await {
        Ok(layer) => ([(header::CONTENT_TYPE, "image/png")], layer).into_response(),
        Err(error) => {
            tracing::error!(%error, clinic = %key.clinic, "A heat map cannot be read.");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

/// How a picture is to be drawn.
#[derive(Debug, Deserialize)]
pub(super) struct Drawing {
    frame: Option<u32>,
    // A form sends what was left empty as well.
    #[serde(default)]
    centre: String,
    #[serde(default)]
    width: String,
}

/// A picture drawn by the server, where there is no viewer.
pub(super) async fn drawn(
    State(room): State<Room>,
    signed: Signed,
    Path((clinic, case, uid)): Path<(String, String, String)>,
    Query(asked): Query<Drawing>,
) -> Response {
    let key = match may_see(&signed, (clinic, case)) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let found = async {
        let found = kept(&room, &key, &uid).await?;
        if found.is_some() {
            room.note_look(&signed, &key).await?;
        }
        Ok::<_, Error>(found)
    };
    let file = match found.await {
        Ok(Some(file)) => file,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => return failed(&error, signed.person.language),
    };
    match tokio::task::spawn_blocking(move || draw(&file, &asked)).await {
        Ok(Some(jpeg)) => ([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response(),
        Ok(None) | Err(_) => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
    }
}

/// A window is given whole or not at all.
fn draw(kept: &Kept, asked: &Drawing) -> Option<Vec<u8>> {
    let header = read_header(kept).ok()?;
    let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    let width = number(&asked.width).filter(|width| 1.0 <= *width);
    let window = number(&asked.centre)
        .zip(width)
        .map(|(centre, width)| Window::Linear { centre, width });
    let frame = asked.frame.unwrap_or(1).saturating_sub(1);
    let picture = pixels::load_picture(kept, &header, frame, window).ok()?;
    let shown = Shown {
        fit: Some((DRAWN_SIDE, DRAWN_SIDE)),
        ..Shown::default()
    };
    render::show(&picture, &shown).ok()
}
