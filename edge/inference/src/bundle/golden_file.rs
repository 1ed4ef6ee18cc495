use serde::Deserialize;

use super::BundleError;
use crate::Precision;

/// A bundle cannot call a wrong engine right: differences beyond this are refused whatever it allows.
const TOLERANCE_LIMIT: f32 = 0.05;

/// A picture and the calibrated scores every engine must give for it.
pub(crate) struct GoldenCase {
    /// PNG.
    pub(crate) picture: Vec<u8>,
    scores: ScoresRecord,
    /// Whether it is a picture outside the bundle's scope; `None` where nothing is said.
    pub(crate) outside: Option<bool>,
    pub(crate) tolerance: f32,
}

impl GoldenCase {
    pub(crate) fn scores(&self, precision: Precision) -> Option<&[f32]> {
        match precision {
            Precision::F32 => self.scores.f32.as_deref(),
            Precision::Int8 => self.scores.int8.as_deref(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema: u32,
    cases: Vec<CaseRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseRecord {
    file: String,
    sha256: String,
    scores: ScoresRecord,
    outside: Option<bool>,
    tolerance: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoresRecord {
    f32: Option<Vec<f32>>,
    int8: Option<Vec<f32>>,
}

/// What is wrong with the golden file, or with one it names.
pub(super) enum Fault {
    Content(&'static str),
    Named(BundleError),
}

impl Fault {
    pub(super) fn in_file(self, file: &str) -> BundleError {
        match self {
            Self::Content(what) => BundleError::Content {
                file: file.to_owned(),
                what,
            },
            Self::Named(error) => error,
        }
    }
}

pub(super) fn parse(
    json: &[u8],
    findings: usize,
    read: impl Fn(&str, &str) -> Result<Vec<u8>, BundleError>,
) -> Result<Vec<GoldenCase>, Fault> {
    let record: Record =
        serde_json::from_slice(json).map_err(|_| Fault::Content("not the JSON of golden cases"))?;
    if record.schema != 1 {
        return Err(Fault::Content("this program reads schema 1"));
    }
    if record.cases.is_empty() || 64 < record.cases.len() {
        return Err(Fault::Content("1 to 64 golden cases"));
    }
    record
        .cases
        .into_iter()
        .map(|case| {
            check(&case, findings).map_err(Fault::Content)?;
            Ok(GoldenCase {
                picture: read(&case.file, &case.sha256).map_err(Fault::Named)?,
                scores: case.scores,
                outside: case.outside,
                tolerance: case.tolerance,
            })
        })
        .collect()
}

fn check(case: &CaseRecord, findings: usize) -> Result<(), &'static str> {
    for scores in [&case.scores.f32, &case.scores.int8].into_iter().flatten() {
        if scores.len() != findings || !scores.iter().all(|score| (0.0..=1.0).contains(score)) {
            return Err("a golden case has one score within 0 and 1 for each finding");
        }
    }
    if !(0.0..=TOLERANCE_LIMIT).contains(&case.tolerance) {
        return Err("a tolerance is within 0 and 0.05");
    }
    Ok(())
}
