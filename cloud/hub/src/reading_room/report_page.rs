use std::sync::{Arc, OnceLock};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use barefoot_domain::{Part, Report};
use barefoot_imaging::report::{
    self as documents, FontFiles, Fonts, KeyImage, Language as PaperLanguage, Sheet, Subject, Who,
};
use barefoot_wire::decode_report;
use prost::Message;
use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::list_page::Nav;
use super::words::Words;
use super::{Room, address, allow, failed, not_found, object, said, statements};
use crate::archive::{CaseKey, Error, StoredReport};
use crate::audit::Action;
use crate::config::Language;
use crate::people::{Right, Signed};
use crate::web::{html, local_time};

/// A signed report as pages show it.
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) is_first: bool,
    pub(super) description: String,
    pub(super) impression: String,
    pub(super) advice: String,
    pub(super) statements: Vec<String>,
    /// Name, title and institution, and their part, in order; who signed stands last.
    pub(super) readers: Vec<String>,
    pub(super) signed_at: String,
    /// Where it is on its way.
    pub(super) way: &'static str,
    pub(super) model: Option<String>,
    pub(super) fingerprint: String,
}

#[derive(Template)]
#[template(path = "report.html")]
struct PageView {
    words: &'static Words,
    nav: Nav,
    number: i64,
    clinic: String,
    case_address: String,
    reports: Vec<Shown>,
}

/// The reports of a case, the first one first.
pub(super) async fn of_case(room: &Room, words: &'static Words, key: &CaseKey) -> Result<Vec<Shown>, Error> {
    let stored = room.archive.reports_of(key).await?;
    stored.iter().map(|report| shown(room, words, report)).collect()
}

fn shown(room: &Room, words: &'static Words, stored: &StoredReport) -> Result<Shown, Error> {
    let report = content(stored)?;
    let model = report.assessment.as_ref().map(|assessment| {
        let model = assessment.model.as_ref();
        model.map_or_else(|| words.no_model.to_owned(), ToString::to_string)
    });
    Ok(Shown {
        id: stored.id.clone(),
        is_first: stored.addendum_to.is_none(),
        statements: report
            .statements
            .iter()
            .map(|statement| statements::line(words, statement))
            .collect(),
        readers: report
            .readers
            .iter()
            .map(|reader| reader_line(words, reader))
            .collect(),
        signed_at: local_time(stored.signed_at_ms, room.look.offset),
        way: if stored.read_at_ms.is_some() {
            words.read
        } else if stored.delivered_at_ms.is_some() {
            words.delivered
        } else {
            words.waiting_line
        },
        model,
        fingerprint: fingerprint(stored)
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        description: report.description,
        impression: report.impression,
        advice: report.advice,
    })
}

fn reader_line(words: &Words, reader: &barefoot_domain::Reader) -> String {
    let part = match reader.part {
        Part::First => "",
        Part::Second => words.sign_second,
        Part::Adjudicator => words.adjudicate,
    };
    [
        reader.name.as_str(),
        reader.title.as_str(),
        reader.institution.as_str(),
        part,
    ]
    .into_iter()
    .filter(|text| !text.is_empty())
    .collect::<Vec<&str>>()
    .join(" · ")
}

fn content(stored: &StoredReport) -> Result<Report, Error> {
    decode_report(&stored.signed.content).map_err(|_| Error::Stored { what: "report" })
}

fn fingerprint(stored: &StoredReport) -> [u8; 32] {
    let hash = digest(&SHA256, &stored.signed.content);
    hash.as_ref().try_into().unwrap_or([0; 32])
}

/// A report with its addenda, for reading and for printing.
pub(super) async fn page(State(room): State<Room>, signed: Signed, Path(id): Path<String>) -> Response {
    let words = room.words(&signed);
    if let Err(refusal) = allow(&signed, Right::SeeCases) {
        return *refusal;
    }
    let found = async {
        let Some(report) = room.archive.report(&id).await? else {
            return Ok::<_, Error>(None);
        };
        let key = CaseKey {
            clinic: report.clinic,
            case: report.case,
        };
        room.note(&signed, Action::ViewCase, object(&key).and_subject(&id), "report")
            .await?;
        let Some(case) = room.archive.case(&key).await? else {
            return Ok(None);
        };
        let reports = of_case(&room, words, &key).await?;
        Ok(Some(PageView {
            words,
            nav: Nav::new(&signed, "report"),
            number: case.number,
            clinic: key.clinic.as_str().to_owned(),
            case_address: address(&key),
            reports,
        }))
    };
    match found.await {
        Ok(Some(page)) => html(&page),
        Ok(None) => not_found(words),
        Err(error) => failed(&error, words.language),
    }
}

/// Which form of a report is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    form: String,
}

/// A report as a file: `pdf`, `sr`, `encapsulated`, `fhir`, or `signed` as it was signed.
pub(super) async fn file(
    State(room): State<Room>,
    signed: Signed,
    Path(id): Path<String>,
    Query(Form { form }): Query<Form>,
) -> Response {
    let words = room.words(&signed);
    if let Err(refusal) = allow(&signed, Right::SeeCases) {
        return *refusal;
    }
    let stored = match room.archive.report(&id).await {
        Ok(Some(report)) => report,
        Ok(None) => return not_found(words),
        Err(error) => return failed(&error, words.language),
    };
    let key = CaseKey {
        clinic: stored.clinic.clone(),
        case: stored.case.clone(),
    };
    let noted = room
        .note(&signed, Action::Export, object(&key).and_subject(&id), &form)
        .await;
    if let Err(error) = noted {
        return failed(&error, words.language);
    }
    match make(&room, words.language, &key, stored, &form).await {
        Ok(Some((kind, name, bytes))) => {
            let disposition = format!("attachment; filename=\"{name}\"");
            (
                [
                    (header::CONTENT_TYPE, kind.to_owned()),
                    (header::CONTENT_DISPOSITION, disposition),
                ],
                bytes,
            )
                .into_response()
        }
        Ok(None) => not_found(words),
        Err(Unmade::Archive(error)) => failed(&error, words.language),
        Err(Unmade::Document(error)) => {
            tracing::error!(%error, "A report's document could not be made.");
            said(
                StatusCode::SERVICE_UNAVAILABLE,
                words,
                &error.to_string(),
                &format!("/reports/{id}"),
            )
        }
        Err(Unmade::Cut) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

enum Unmade {
    Archive(Error),
    Document(documents::Error),
    Cut,
}

impl From<Error> for Unmade {
    fn from(error: Error) -> Self {
        Self::Archive(error)
    }
}

type File = (&'static str, String, Vec<u8>);

async fn make(
    room: &Room,
    language: Language,
    key: &CaseKey,
    stored: StoredReport,
    form: &str,
) -> Result<Option<File>, Unmade> {
    let id = stored.id.clone();
    if form == "signed" {
        let bytes = stored.signed.encode_to_vec();
        return Ok(Some(("application/octet-stream", format!("{id}.report"), bytes)));
    }
    let report = content(&stored)?;
    let subject = subject(room, key).await?;
    let picture = key_picture(room, key, report.version).await?;
    let fingerprint = fingerprint(&stored);
    let utc_offset = room.look.offset;
    let form = form.to_owned();
    let made = tokio::task::spawn_blocking(move || {
        let signature = stored.signed.encode_to_vec();
        let sheet = Sheet {
            report: &report,
            subject: &subject,
            institution: "",
            fingerprint,
            signature: Some(&signature),
            key_image: picture.as_ref().map(KeyPicture::on_paper),
            names: &[],
            language: match language {
                Language::Zh => PaperLanguage::Zh,
                Language::En => PaperLanguage::En,
            },
            utc_offset,
        };
        let pdf = || -> Result<Vec<u8>, documents::Error> { Ok(documents::pdf(&sheet, &fonts()?)?.bytes) };
        Ok(match form.as_str() {
            "pdf" => Some(("application/pdf", format!("{id}.pdf"), pdf()?)),
            "sr" => Some((
                "application/dicom",
                format!("{id}-sr.dcm"),
                documents::structured_report(&sheet)?.file,
            )),
            "encapsulated" => {
                let object = documents::encapsulated_pdf(&sheet, &pdf()?)?;
                Some(("application/dicom", format!("{id}-pdf.dcm"), object.file))
            }
            "fhir" => {
                // Where there is no font there is still a bundle.
                let pdf = pdf().ok();
                let bundle = documents::fhir_bundle(&sheet, pdf.as_deref())?;
                Some(("application/fhir+json", format!("{id}.json"), bundle))
            }
            _ => None,
        })
    });
    made.await.map_err(|_| Unmade::Cut)?.map_err(Unmade::Document)
}

/// Read once; some 35 MB that only a hub which prints needs.
fn fonts() -> Result<Fonts, documents::Error> {
    static FONTS: OnceLock<Arc<Fonts>> = OnceLock::new();
    if let Some(fonts) = FONTS.get() {
        return Ok(fonts.as_ref().clone());
    }
    let fonts = Fonts::load(&FontFiles::default())?;
    Ok(FONTS.get_or_init(|| Arc::new(fonts)).as_ref().clone())
}

/// The picture that stands on the page.
struct KeyPicture {
    jpeg: Vec<u8>,
    named: String,
    columns: u32,
    rows: u32,
}

impl KeyPicture {
    fn on_paper(&self) -> KeyImage<'_> {
        KeyImage {
            jpeg: &self.jpeg,
            named: &self.named,
            frame: 1,
            columns: self.columns,
            rows: self.rows,
        }
    }
}

/// The first of the quick look's pictures; a report is printed without one as well.
async fn key_picture(room: &Room, key: &CaseKey, version: u32) -> Result<Option<KeyPicture>, Error> {
    let set = super::pictures::set(room, key, version).await?;
    let (Some(images), Some((image, object))) = (&room.images, set.key_picture()) else {
        return Ok(None);
    };
    match images.read(&key.clinic, object).await {
        Ok(jpeg) => Ok(Some(KeyPicture {
            jpeg,
            named: image.sop_instance_uid.clone(),
            columns: image.columns,
            rows: image.rows,
        })),
        Err(error) => {
            tracing::warn!(%error, clinic = %key.clinic, "A report is printed without its picture.");
            Ok(None)
        }
    }
}

/// Nobody: the case's pseudonym and its images.
async fn subject(room: &Room, key: &CaseKey) -> Result<Subject, Error> {
    let study = room.archive.case_study(key).await?.unwrap_or_default();
    let images = room.archive.case_images(key).await?;
    Ok(Subject {
        who: Who::Case {
            pseudonym: study.patient_id,
        },
        study: documents::Study {
            uid: key.case.as_str().to_owned(),
            date: study.date,
            time: study.time,
            description: study.description,
            ..documents::Study::default()
        },
        images: images
            .into_iter()
            .map(|image| documents::Image {
                named: image.sop_instance_uid.clone(),
                sop_instance: image.sop_instance_uid,
                sop_class: image.sop_class_uid,
                series: image.series_uid,
                frames: image.frames,
            })
            .collect(),
    })
}
