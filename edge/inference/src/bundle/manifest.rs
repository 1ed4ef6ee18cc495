use barefoot_domain::{FindingCode, ModelVersion};
use serde::Deserialize;

use super::input::{self, InputForm};
use super::output::Output;
use super::{BundleError, Finding, MANIFEST};
use crate::{Precision, scope};

/// What the bundle may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// Shown as "demonstration, not for clinical use" wherever its results show.
    Demonstration,
    Clinical,
}

/// Which objects the model takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Takes {
    /// DICOM modalities, in upper case.
    pub(crate) modalities: Vec<String>,
    /// Body parts, in upper case. An object that names none is taken: most scanners leave it out.
    pub(crate) body_parts: Vec<String>,
    /// View positions, in upper case; any where none is named. An object that names none is taken.
    #[serde(default)]
    pub(crate) views: Vec<String>,
    /// The youngest and the oldest patient, in years. An object without an age is taken.
    #[serde(default)]
    pub(crate) ages: Option<[f32; 2]>,
    pub(crate) min_rows: u16,
    pub(crate) min_columns: u16,
}

/// How a picture becomes the graph's input.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preprocessing {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The only way so far: reading it refuses any other.
    #[serde(rename = "resize")]
    _resize: Resize,
    #[serde(rename = "filter")]
    _filter: Filter,
    /// The part of the picture the graph sees; the whole without it.
    pub(crate) crop: Option<Crop>,
    /// Where given, the stretched picture is first brought to mean 0 and deviation 1; less than this much deviation is not
    /// made more of.
    pub(crate) contrast_floor: Option<f32>,
    /// Subtracted from the grey level, which is within 0 and 1 unless its contrast was evened.
    pub(crate) mean: f32,
    /// Divided by afterwards.
    pub(crate) std: f32,
}

/// In fractions of the picture's sides, from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Crop {
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) left: f64,
    pub(crate) right: f64,
}

impl Crop {
    fn is_part(&self) -> bool {
        // A NaN is within nothing.
        let within = |from: f64, to: f64| 0.0 <= from && from + 0.05 <= to && to <= 1.0;
        within(self.top, self.bottom) && within(self.left, self.right)
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Resize {
    /// To exactly the input's size, whatever that does to the ratio of the sides.
    Stretch,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Filter {
    Triangle,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedFile {
    pub(super) file: String,
    /// In hexadecimal.
    pub(super) sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArtefactRecord {
    precision: Precision,
    file: String,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindingRecord {
    code: String,
    name_en: String,
    name_zh: String,
    urgent: bool,
    /// Which of the graph's classes it is; without it, the finding's place in the manifest.
    class: Option<usize>,
    /// Of a mask: the probability from which a pixel belongs to the finding.
    threshold: Option<f32>,
    operating_point: f32,
    /// Which data the operating point was chosen on.
    #[serde(rename = "operating_set")]
    _operating_set: String,
    temperature: f32,
    /// Which data the temperature was fitted on.
    #[serde(rename = "calibration_set")]
    _calibration_set: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema: u32,
    id: String,
    version: String,
    title: String,
    status: Status,
    #[serde(rename = "intended_use")]
    _intended_use: String,
    #[serde(rename = "licence")]
    _licence: String,
    #[serde(rename = "attribution")]
    _attribution: String,
    takes: Takes,
    preprocessing: Preprocessing,
    scope: Option<scope::Record>,
    #[serde(default)]
    input: input::Record,
    output: Output,
    head: Option<NamedFile>,
    artefact: Vec<ArtefactRecord>,
    finding: Vec<FindingRecord>,
    golden: Option<NamedFile>,
    /// Free: the figures in the card.
    #[serde(rename = "evaluation")]
    _evaluation: Option<toml::Table>,
    /// Free: where the weights come from.
    #[serde(rename = "training")]
    _training: Option<toml::Table>,
}

/// The manifest with every rule checked.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) version: ModelVersion,
    pub(super) title: String,
    pub(super) takes: Takes,
    pub(super) preprocessing: Preprocessing,
    pub(super) scope: Option<scope::Record>,
    pub(super) input: InputForm,
    pub(super) output: Output,
    /// Of `features+head`.
    pub(super) head: Option<NamedFile>,
    pub(super) artefacts: Vec<(Precision, NamedFile)>,
    pub(super) findings: Vec<Finding>,
    /// Only graphs that hold everything may do without: the engines are then held against the one every box has.
    pub(super) golden: Option<NamedFile>,
}

pub(super) fn parse(text: &str) -> Result<Manifest, BundleError> {
    let record: Record = toml::from_str(text).map_err(|source| BundleError::Manifest {
        source: Box::new(source),
    })?;
    checked(record).map_err(|what| BundleError::Content {
        file: MANIFEST.to_owned(),
        what,
    })
}

fn checked(record: Record) -> Result<Manifest, &'static str> {
    check(&record)?;
    record.output.check()?;
    let classes = record.output.classes();
    let findings = record.finding.into_iter().enumerate();
    let findings = findings
        .map(|(place, record)| finding(record, place, classes))
        .collect::<Result<_, _>>()?;
    let artefacts = record.artefact.into_iter().map(|artefact| {
        let named = NamedFile {
            file: artefact.file,
            sha256: artefact.sha256,
        };
        (artefact.precision, named)
    });
    Ok(Manifest {
        version: ModelVersion {
            id: record.id,
            version: record.version,
            demonstration: record.status == Status::Demonstration,
        },
        title: record.title,
        takes: record.takes,
        preprocessing: record.preprocessing,
        scope: record.scope,
        input: record.input.checked()?,
        output: record.output,
        head: record.head,
        artefacts: artefacts.collect(),
        findings,
        golden: record.golden,
    })
}

fn check(record: &Record) -> Result<(), &'static str> {
    let preprocessing = &record.preprocessing;
    let learns = matches!(record.output, Output::Features(_));
    let sizes = 1..=4096_u32;
    let rules = [
        (record.schema == 1, "this program reads schema 1"),
        (
            is_name(&record.id),
            "id: 1 to 64 of letters, digits, '.', '_', '-'",
        ),
        (
            is_name(&record.version),
            "version: 1 to 64 of letters, digits, '.', '_', '-'",
        ),
        (!record.takes.modalities.is_empty(), "takes no modality"),
        (
            !record.finding.is_empty() && record.finding.len() <= 256,
            "1 to 256 findings",
        ),
        (
            !record.artefact.is_empty() && record.artefact.len() <= 8,
            "1 to 8 artefacts",
        ),
        (
            sizes.contains(&preprocessing.width) && sizes.contains(&preprocessing.height),
            "the input's sides are within 1 and 4096",
        ),
        (
            preprocessing.mean.is_finite() && preprocessing.std.is_finite() && 0.0 < preprocessing.std,
            "mean is a number and std a positive one",
        ),
        (
            preprocessing.crop.is_none_or(|crop| crop.is_part()),
            "a crop's edges are within 0 and 1, and at least 0.05 apart",
        ),
        (
            preprocessing
                .contrast_floor
                .is_none_or(|floor| floor.is_finite() && 0.0 < floor),
            "a contrast floor is positive",
        ),
        (
            record.head.is_some() == learns,
            "a [head] belongs to the output kind features+head, and only to it",
        ),
        (
            record.golden.is_some() || !learns,
            "the output kind features+head needs [golden] cases",
        ),
        (
            record
                .takes
                .ages
                .is_none_or(|[youngest, oldest]| 0.0 <= youngest && youngest <= oldest),
            "ages: the youngest and the oldest, in years",
        ),
    ];
    match rules.iter().find(|(kept, _)| !kept) {
        None => record.scope.as_ref().map_or(Ok(()), scope::Record::check),
        Some((_, rule)) => Err(rule),
    }
}

fn finding(record: FindingRecord, place: usize, classes: usize) -> Result<Finding, &'static str> {
    let code = FindingCode::new(record.code).map_err(|_| "finding code: 1 to 64 of a-z, 0-9, '_' and '-'")?;
    if !(0.0..=1.0).contains(&record.operating_point) {
        return Err("an operating point is within 0 and 1");
    }
    if !record.temperature.is_finite() || record.temperature <= 0.0 {
        return Err("a temperature is positive");
    }
    let class = record.class.unwrap_or(place);
    if classes <= class {
        return Err("a finding's class is one of the graph's: 0 is the first");
    }
    let threshold = record.threshold.unwrap_or(0.5);
    if !(0.0..=1.0).contains(&threshold) {
        return Err("a pixel threshold is within 0 and 1");
    }
    Ok(Finding {
        code,
        class,
        threshold,
        name_en: record.name_en,
        name_zh: record.name_zh,
        urgent: record.urgent,
        operating_point: record.operating_point,
        temperature: record.temperature,
    })
}

/// Names go into every result and onto pages.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
}
