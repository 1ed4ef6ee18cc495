//! A report as PDF, joined to its patient: only here, where patient and images are.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use barefoot_domain::{FindingCode, Report};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::pixels;
use barefoot_imaging::render::{self, Shown};
use barefoot_imaging::report::{
    self, FindingName, FontFiles, Fonts, Identity, Image, KeyImage, Language, Sheet, Study, Subject, Who,
};
use barefoot_wire::decode_signed_report;
use ring::digest;
use time::UtcOffset;

use crate::at_rest;
use crate::case_book::CaseBook;
use crate::character_sets::CharacterSets;
use crate::clinic_page::{HubNames, NoPaper, PaperWish};
use crate::finding_names::FindingNames;
use crate::study_folder::{StateDirectory, StudyKey};

/// Longest side of the picture on the page.
const PICTURE_SIDE: u32 = 1024;

/// What a page is written from.
#[derive(Debug)]
pub(crate) struct PaperWriter {
    pub(crate) state: StateDirectory,
    pub(crate) book: Arc<CaseBook>,
    pub(crate) hub_names: HubNames,
    pub(crate) character_sets: CharacterSets,
    pub(crate) finding_names: FindingNames,
    pub(crate) utc_offset: UtcOffset,
    pub(crate) font_files: FontFiles,
    /// Loaded by the first page, and looked for again as long as there are none: who installs them need restart nothing.
    pub(crate) fonts: Mutex<Option<Fonts>>,
}

/// An image of the study, and where it lies.
struct Kept {
    path: PathBuf,
    header: Header,
    named: String,
}

/// The picture on the page, drawn.
struct Drawn {
    jpeg: Vec<u8>,
    named: String,
    frame: u32,
    columns: u32,
    rows: u32,
}

impl PaperWriter {
    /// Blocking.
    ///
    /// # Errors
    /// When there are no fonts, the report's log cannot be read, or the page cannot be written.
    pub(crate) fn pdf(&self, wish: &PaperWish) -> Result<Vec<u8>, NoPaper> {
        let failed = |source| NoPaper::Failed { source };
        let fonts = self.fonts()?;
        let report = &*wish.report;
        let travelled = self
            .book
            .signed_report(&wish.study, &report.id)
            .map_err(failed)?
            .ok_or_else(|| failed(io::Error::from(io::ErrorKind::NotFound)))?;
        let signed = decode_signed_report(&travelled)
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let images = self.images(&wish.study).map_err(failed)?;
        let key_image = drawn(report, &images);
        let subject = subject(wish, &images);
        let sheet = Sheet {
            report,
            subject: &subject,
            institution: "",
            fingerprint: sha256(&signed.content),
            signature: Some(&travelled),
            key_image: key_image.as_ref().map(|drawn| KeyImage {
                jpeg: &drawn.jpeg,
                named: &drawn.named,
                frame: drawn.frame,
                columns: drawn.columns,
                rows: drawn.rows,
            }),
            names: &self.names(report),
            language: if wish.language.starts_with("zh") {
                Language::Zh
            } else {
                Language::En
            },
            utc_offset: self.utc_offset,
        };
        let page = report::pdf(&sheet, &fonts).map_err(|error| failed(io::Error::other(error)))?;
        if !page.missing.is_empty() {
            // Which ones they are may be a part of a name.
            tracing::warn!(
                study = %wish.study,
                characters = page.missing.len(),
                "The fonts lack characters of a report; boxes stand for them in its PDF."
            );
        }
        Ok(page.bytes)
    }

    fn fonts(&self) -> Result<Fonts, NoPaper> {
        let mut loaded = self.fonts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fonts) = &*loaded {
            return Ok(fonts.clone());
        }
        let fonts = Fonts::load(&self.font_files).map_err(|source| NoPaper::Fonts { source })?;
        Ok(loaded.insert(fonts).clone())
    }

    /// The study's images; none where they were removed.
    fn images(&self, study: &StudyKey) -> io::Result<Vec<Kept>> {
        let entries = match fs::read_dir(self.state.instances(study)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.ends_with(".dcm") && !name.contains(".conflict-") {
                paths.push(path);
            }
        }
        paths.sort();
        let kept = |path: PathBuf| {
            let mut header = header::read_header(&at_rest::stored(&path)).ok()?;
            self.character_sets.apply(&mut header);
            Some(Kept {
                named: self.hub_names.of(header.sop_instance_uid()),
                path,
                header,
            })
        };
        Ok(paths.into_iter().filter_map(kept).collect())
    }

    /// What the models' bundles call the findings of the report.
    fn names(&self, report: &Report) -> Vec<(FindingCode, FindingName)> {
        let stated = report.statements.iter().map(|statement| &statement.finding);
        let called = report
            .assessment
            .iter()
            .flat_map(|assessment| &assessment.findings);
        stated
            .chain(called.map(|finding| &finding.code))
            .filter_map(|code| {
                let name = self.finding_names.get(code)?;
                let (zh, en) = (name.zh, name.en);
                Some((code.clone(), FindingName { zh, en }))
            })
            .collect()
    }
}

/// The patient as the clinic's page shows it; the images say the rest.
fn subject(wish: &PaperWish, images: &[Kept]) -> Subject {
    let patient = &wish.patient;
    // In a study with images of two patients only the patient's own say something of them.
    let own = images.iter().map(|kept| &kept.header).find(|header| {
        let id = header.patient().id.map(|text| text.value).unwrap_or_default();
        id == patient.id
    });
    let said = |what: fn(&Header) -> Option<String>| own.and_then(what).unwrap_or_default();
    Subject {
        who: Who::Patient(Identity {
            name: patient.name.clone(),
            id: patient.id.clone(),
            id_issuer: String::new(),
            birth_date: patient.birth_date.clone(),
            sex: patient.sex.clone(),
            age: said(|header| header.patient().age),
        }),
        study: Study {
            uid: said(|header| Some(header.study_uid().as_str().to_owned())),
            id: String::new(),
            date: said(Header::study_date),
            time: said(Header::study_time),
            accession: patient.accession.clone(),
            description: said(|header| header.study_description().map(|text| text.value)),
            referring: String::new(),
        },
        images: images
            .iter()
            .map(|kept| Image {
                named: kept.named.clone(),
                sop_instance: kept.header.sop_instance_uid().to_owned(),
                sop_class: kept.header.sop_class_uid().to_owned(),
                series: kept.header.series_uid().unwrap_or_default().to_owned(),
                frames: kept.header.frames(),
            })
            .collect(),
    }
}

/// The first picture that is marked; where none is, the middle one of the study, in a stack the one most likely to show
/// something. `None` where it cannot be drawn: the words stand without it.
fn drawn(report: &Report, images: &[Kept]) -> Option<Drawn> {
    let mut marked = report.statements.iter().flat_map(|statement| &statement.regions);
    let (kept, frame) = match marked.next() {
        Some(region) => {
            let kept = images.iter().find(|kept| kept.named == region.instance)?;
            (kept, region.frame)
        }
        None => {
            let shown: Vec<&Kept> = images.iter().filter(|kept| kept.header.has_pixels()).collect();
            let kept = *shown.get(shown.len() / 2)?;
            (kept, kept.header.frames() / 2 + 1)
        }
    };
    let (columns, rows) = (u32::from(kept.header.columns()?), u32::from(kept.header.rows()?));
    let side = PICTURE_SIDE.min(columns.max(rows));
    let make = || {
        let picture = pixels::load_picture(
            &at_rest::stored(&kept.path),
            &kept.header,
            frame.checked_sub(1)?,
            None,
        )
        .ok()?;
        let shown = Shown {
            fit: Some((side, side)),
            ..Shown::default()
        };
        render::show(&picture, &shown).ok()
    };
    // A codec that panics on somebody's picture must not take the daemon along.
    let jpeg = catch_unwind(AssertUnwindSafe(make)).ok().flatten()?;
    Some(Drawn {
        jpeg,
        named: kept.named.clone(),
        frame,
        columns,
        rows,
    })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().try_into().unwrap_or([0; 32])
}

#[cfg(test)]
mod tests;
