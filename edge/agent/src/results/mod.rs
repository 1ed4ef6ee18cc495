//! What an assessment becomes for other systems: objects in the study's `results/`, from where `deliver` takes them, and
//! FHIR bundles in a directory of the site's choice.
//!
//! Made beside the line an image takes, after the assessment is in the case log: a study is on the page and in the queue
//! before. Each version once; what a crash left out the next start makes, from the log and the images alone. Where it is
//! doubtful whose the images are nothing is made: an archive would file it with the wrong patient.

mod config;
mod files;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use barefoot_domain::{Call, FindingCode, StudyUid};
use barefoot_imaging::evidence::{
    self, Evidence, Kind, Mask, Segment, Source, fhir_bundle, presentation_state, secondary_capture,
    segmentation, sop_instance_uid, structured_report, subject_of,
};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::report::{FindingName, FontFiles, Fonts, Object};
use barefoot_imaging::{pixels, render};
use time::UtcOffset;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::at_rest;
use crate::case_book::{AssessedVersion, CaseBook};
use crate::case_index::CaseIndex;
use crate::character_sets::CharacterSets;
use crate::error_chain::chain;
use crate::finding_names::FindingNames;
use crate::heat_layer::HeatLayer;
use crate::mask_layers::MaskLayers;
use crate::study_folder::{StateDirectory, StudyKey};
pub(crate) use config::Config;

/// Versions that wait to be written. When full, the next start writes what was left out.
const WAITING: usize = 1024;

/// What results are made from.
#[derive(Debug)]
pub(crate) struct ResultsWriter {
    pub(crate) config: Config,
    pub(crate) state: StateDirectory,
    pub(crate) book: Arc<CaseBook>,
    pub(crate) cases: CaseIndex,
    pub(crate) character_sets: CharacterSets,
    pub(crate) finding_names: FindingNames,
    pub(crate) utc_offset: UtcOffset,
    pub(crate) font_files: FontFiles,
    pub(crate) fonts: Mutex<Option<Fonts>>,
}

/// Where assessed versions are handed in; clones share it. Nobody waits at it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResultsDesk(Option<mpsc::Sender<(StudyKey, u32)>>);

impl ResultsDesk {
    /// The desk, and what comes in there.
    pub(crate) fn open() -> (Self, mpsc::Receiver<(StudyKey, u32)>) {
        let (hand_in, handed_in) = mpsc::channel(WAITING);
        (Self(Some(hand_in)), handed_in)
    }

    pub(crate) fn hand_in(&self, study: &StudyKey, version: u32) {
        let Some(hand_in) = &self.0 else {
            return;
        };
        if hand_in.try_send((study.clone(), version)).is_err() {
            tracing::warn!(%study, version, "Too many results wait to be written for archives; the next start writes this one.");
        }
    }
}

/// The study's images, as far as they can be read.
struct Images {
    paths: Vec<PathBuf>,
    headers: Vec<Header>,
}

/// The image a model looked at, and what its heat map is of.
struct LookedAt {
    source: Source,
    finding: Option<FindingCode>,
}

impl ResultsWriter {
    /// Writes what comes in until `shutdown`, first what the last run left out. `written` hears of each study that has
    /// something new.
    pub(crate) async fn run(
        self,
        mut handed_in: mpsc::Receiver<(StudyKey, u32)>,
        written: impl Fn(&StudyKey) + Send + Sync + Clone + 'static,
        shutdown: CancellationToken,
    ) {
        let this = Arc::new(self);
        let left_out = {
            let this = Arc::clone(&this);
            tokio::task::spawn_blocking(move || this.left_out())
                .await
                .unwrap_or_default()
        };
        let mut left_out = left_out.into_iter();
        loop {
            let (study, version) = match left_out.next() {
                Some(next) if !shutdown.is_cancelled() => next,
                _ => tokio::select! {
                    () = shutdown.cancelled() => return,
                    next = handed_in.recv() => match next {
                        Some(next) => next,
                        None => return,
                    },
                },
            };
            let (this, written) = (Arc::clone(&this), written.clone());
            let write = move || {
                match this.write(&study, version) {
                    Ok(()) => {}
                    Err(error) => {
                        tracing::error!(%study, version, error = chain(&error), "A result could not be written for archives; the next start tries again.");
                    }
                }
                written(&study);
            };
            // A panic costs one study's results; the next start tries again.
            let _ = tokio::task::spawn_blocking(write).await;
        }
    }

    /// The newest versions whose results are not all there. Only those since results are wanted: an archive is not flooded
    /// with the past.
    fn left_out(&self) -> Vec<(StudyKey, u32)> {
        let begun_ms = match files::begun_ms(&self.state) {
            Ok(begun_ms) => begun_ms,
            Err(error) => {
                tracing::error!(%error, "Which results the last run left out is not known.");
                return Vec::new();
            }
        };
        let mut all = self.cases.all();
        all.retain(|case| case.assessed_at_ms.is_some_and(|at_ms| begun_ms <= at_ms));
        all.retain(|case| !files::is_complete(&self.state, &case.study, case.version));
        all.sort_by_key(|case| case.assessed_at_ms);
        all.iter()
            .map(|case| (case.study.clone(), case.version))
            .collect()
    }

    /// Blocking.
    ///
    /// # Errors
    /// When the disk fails or an object cannot be made.
    pub(crate) fn write(&self, study: &StudyKey, version: u32) -> io::Result<()> {
        if files::is_complete(&self.state, study, version) {
            return Ok(());
        }
        let Some(assessed) = self.book.assessed(study, version)? else {
            return Ok(());
        };
        if assessed.doubtful {
            tracing::warn!(%study, version, "It is doubtful whose this study's images are: no result goes to archives.");
            return files::complete(&self.state, study, version);
        }
        let images = self.images(study, &assessed);
        let Some(subject) = subject_of(&images.headers) else {
            tracing::warn!(%study, version, "A study's images are gone: no result can be written for archives.");
            return Ok(());
        };
        let looked_at = self.looked_at(study, version, &images);
        let names = self.names(&assessed);
        let institution = images.headers.first().and_then(Header::institution);
        let institution = institution.map(|text| text.value).unwrap_or_default();
        let study_uid = StudyUid::new(subject.study.uid.as_str()).map_err(io::Error::other)?;
        let written = |before: &&u32| self.has(study, &study_uid, **before);
        let evidence = Evidence {
            assessment: &assessed.assessment,
            subject: &subject,
            version,
            replaces: assessed.earlier.iter().find(written).copied(),
            assessed_at_ms: assessed.assessed_at_ms,
            looked_at: looked_at.as_ref().map(|looked_at| &looked_at.source),
            modality: &assessed.modality,
            names: &names,
            institution: &institution,
            utc_offset: self.utc_offset,
        };
        let mut is_whole = true;
        let finding = looked_at
            .as_ref()
            .and_then(|looked_at| looked_at.finding.as_ref());
        let masks = MaskLayers::load(&self.state.pictures(study, version)).unwrap_or_else(|error| {
            tracing::warn!(%study, version, %error, "The masks cannot be read; the result goes without them.");
            None
        });
        for made in self.objects(&evidence, finding, masks.as_ref()) {
            match made {
                Ok(Some(object)) => files::keep(&self.state, study, &object)?,
                Ok(None) => {}
                Err(error) => {
                    is_whole = false;
                    tracing::error!(%study, version, error = chain(&error), "A result's object cannot be made; the others are, and the next start tries again.");
                }
            }
        }
        if let Some(directory) = &self.config.fhir {
            let bundle = fhir_bundle(&evidence).map_err(io::Error::other)?;
            files::keep_bundle(directory, study, version, &bundle)?;
        }
        if is_whole {
            files::complete(&self.state, study, version)?;
        }
        Ok(())
    }

    /// `finding`: what the heat map is of. `masks`: what the model drew, where it draws.
    fn objects(
        &self,
        evidence: &Evidence<'_>,
        finding: Option<&FindingCode>,
        masks: Option<&MaskLayers>,
    ) -> Vec<Result<Option<Object>, evidence::Error>> {
        let mut made = Vec::new();
        if self.config.sr {
            made.push(structured_report(evidence).map(Some));
        }
        if self.config.secondary_capture {
            let fonts = self.fonts();
            made.push(fonts.and_then(|fonts| secondary_capture(evidence, &fonts)));
        }
        if self.config.gsps {
            made.push(presentation_state(evidence));
        }
        if self.config.seg {
            let segments = match masks {
                Some(masks) => drawn(evidence, masks),
                None => covered(evidence, finding),
            };
            made.push(segments.and_then(|segments| segmentation(evidence, &segments)));
        }
        made
    }

    fn fonts(&self) -> Result<Fonts, evidence::Error> {
        let mut loaded = self.fonts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fonts) = &*loaded {
            return Ok(fonts.clone());
        }
        let fonts = Fonts::load(&self.font_files)?;
        Ok(loaded.insert(fonts).clone())
    }

    /// Whether a version's result was written, by its first kind that is wanted.
    fn has(&self, study: &StudyKey, study_uid: &StudyUid, version: u32) -> bool {
        let kind = if self.config.sr {
            Kind::StructuredReport
        } else {
            Kind::SecondaryCapture
        };
        files::path(
            &self.state,
            study,
            &sop_instance_uid(kind, study_uid.as_str(), version),
        )
        .exists()
    }

    fn images(&self, study: &StudyKey, assessed: &AssessedVersion) -> Images {
        let directory = self.state.instances(study);
        let read = |name: &String| {
            let path = directory.join(name);
            let mut header = header::read_header(&at_rest::stored(&path)).ok()?;
            self.character_sets.apply(&mut header);
            Some((path, header))
        };
        let (paths, headers) = assessed.instances.iter().filter_map(read).unzip();
        Images { paths, headers }
    }

    /// The image of the heat map, and of which finding that is; where there is none, the only image. Of several nobody knows
    /// which was looked at.
    fn looked_at(&self, study: &StudyKey, version: u32, images: &Images) -> Option<LookedAt> {
        let layer = HeatLayer::load(&self.state.pictures(study, version)).unwrap_or_else(|error| {
            tracing::warn!(%study, version, %error, "The heat map cannot be read; the result goes without it.");
            None
        });
        let is_looked_at = |path: &PathBuf| match &layer {
            Some(layer) => path.file_name().is_some_and(|name| name == layer.file.as_str()),
            None => images.paths.len() == 1,
        };
        let (path, header) = images
            .paths
            .iter()
            .zip(&images.headers)
            .find(|(path, header)| is_looked_at(path) && header.has_pixels())?;
        // A codec that panics on somebody's picture must not take the daemon along.
        let read = catch_unwind(AssertUnwindSafe(|| {
            let middle = header.frames() / 2 + 1;
            let frame = layer.as_ref().map_or(middle, |layer| layer.frame);
            let mut source = Source::read(&at_rest::stored(path), header, frame).ok()?;
            if frame == middle {
                source.picture = pixels::load_gray(&at_rest::stored(path), header).ok();
            }
            source.heat = layer
                .as_ref()
                .and_then(|layer| render::map_of_layer(&layer.png).ok());
            Some(source)
        }));
        Some(LookedAt {
            source: read.ok().flatten()?,
            finding: layer.and_then(|layer| FindingCode::new(layer.finding).ok()),
        })
    }

    /// What the models' bundles call the findings.
    fn names(&self, assessed: &AssessedVersion) -> Vec<(FindingCode, FindingName)> {
        let assessment = &assessed.assessment;
        let others = assessment.others.iter().flat_map(|other| &other.findings);
        let results = assessment.findings.iter().chain(others);
        results
            .filter_map(|result| {
                let name = self.finding_names.get(&result.code)?;
                let (zh, en) = (name.zh, name.en);
                Some((result.code.clone(), FindingName { zh, en }))
            })
            .collect()
    }
}

fn was_found(evidence: &Evidence<'_>, code: &FindingCode) -> bool {
    let mut of_it = evidence
        .assessment
        .findings
        .iter()
        .filter(|result| result.code == *code);
    of_it.any(|result| result.call == Call::Positive)
}

/// What the model drew of findings that are there when all models have spoken.
fn drawn(evidence: &Evidence<'_>, layers: &MaskLayers) -> Result<Vec<Segment>, evidence::Error> {
    let Some(source) = evidence.looked_at else {
        return Ok(Vec::new());
    };
    let mut segments = Vec::new();
    for layer in &layers.masks {
        let finding = FindingCode::new(layer.finding.as_str()).ok();
        let Some(finding) = finding.filter(|finding| was_found(evidence, finding)) else {
            continue;
        };
        let map = render::map_of_mask(&layer.png).map_err(|source| evidence::Error::Picture { source })?;
        segments.push(Segment {
            mask: Mask::of_heat(&map, source.columns, source.rows)?,
            finding,
        });
    }
    Ok(segments)
}

/// What the heat map covers, where what it is of was found.
fn covered(evidence: &Evidence<'_>, finding: Option<&FindingCode>) -> Result<Vec<Segment>, evidence::Error> {
    let heat = evidence
        .looked_at
        .and_then(|source| Some((source, source.heat.as_ref()?)));
    let finding = finding.filter(|finding| was_found(evidence, finding));
    let (Some((source, heat)), Some(finding)) = (heat, finding) else {
        return Ok(Vec::new());
    };
    Ok(vec![Segment {
        finding: finding.clone(),
        mask: Mask::of_heat(heat, source.columns, source.rows)?,
    }])
}

#[cfg(test)]
mod tests;
