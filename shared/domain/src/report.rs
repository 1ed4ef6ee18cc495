use crate::{Assessment, CaseId, ClinicId, FindingCode, Urgency};

/// Where a case is read. A case that is not read in time goes one tier up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    County,
    City,
    Province,
}

impl Tier {
    /// The next higher one; the province has none above.
    #[must_use]
    pub fn above(self) -> Option<Self> {
        match self {
            Self::County => Some(Self::City),
            Self::City => Some(Self::Province),
            Self::Province => None,
        }
    }
}

/// Whether a reader sees a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    Present,
    Absent,
    /// Cannot be said from these images.
    Possible,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Left,
    Right,
    Both,
}

/// An area of one image that a reader marked.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// SOP Instance UID as the hub knows it; the clinic can turn it back.
    pub instance: String,
    /// From 1.
    pub frame: u32,
    pub shape: Shape,
    /// Column and row in pixels of the image, from its upper left corner. Two corners of a rectangle, two of the box around
    /// an ellipse, three or more of a polygon.
    pub points: Vec<(f32, f32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    Rectangle,
    Ellipse,
    Polygon,
}

/// What a reader says of one finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub finding: FindingCode,
    pub presence: Presence,
    pub side: Option<Side>,
    pub note: String,
    pub regions: Vec<Region>,
}

/// Which part somebody had in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    First,
    Second,
    /// Decided where two readers differed.
    Adjudicator,
}

/// A person who read the images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The account at the hub, a ULID.
    pub person: String,
    /// As it stands on the report.
    pub name: String,
    pub title: String,
    pub institution: String,
    pub part: Part,
    /// When the opinion was given, Unix milliseconds.
    pub at_ms: i64,
}

/// A report as it is signed. It never changes; what is to be added stands in another one that names it.
///
/// It holds no identity: the clinic joins it to its patient by the case.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// ULID.
    pub id: String,
    pub clinic: ClinicId,
    pub case: CaseId,
    /// Of the study that was read.
    pub version: u32,
    /// The report this one adds to.
    pub addendum_to: Option<String>,
    /// DICOM modality of the images; empty when unknown.
    pub modality: String,
    pub tier: Tier,
    pub urgency: Urgency,
    /// The structured part.
    pub statements: Vec<Statement>,
    /// What is seen.
    pub description: String,
    /// What it means.
    pub impression: String,
    /// What to do.
    pub advice: String,
    /// What the model had said, if one did: every report that had help says so.
    pub assessment: Option<Assessment>,
    /// In the order they read; who signs stands last.
    pub readers: Vec<Reader>,
    /// BCP 47, of the words in it.
    pub language: String,
    /// Unix milliseconds, the hub's clock.
    pub signed_at_ms: i64,
}

/// Where a case is on its way to a report, as the clinic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Nobody needs to read it.
    NotRead,
    /// Waits for a reader.
    Waiting,
    /// Somebody reads it.
    BeingRead,
    /// A second reader or a decision between two is waited for.
    SecondRead,
    /// The reader asked for more images, or for better ones.
    ImagesWanted,
    /// There is a signed report.
    Reported,
    /// Taken off the list without a report, by a person who said why.
    Withdrawn,
}

/// What the hub tells a clinic of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseState {
    pub case: CaseId,
    pub version: u32,
    pub progress: Progress,
    pub tier: Tier,
    /// When a report is due, Unix milliseconds by the hub's clock.
    pub deadline_ms: Option<i64>,
    /// Rising with each change of a case: an older state that comes late changes nothing.
    pub change: u64,
    pub at_ms: i64,
}

/// Who wrote a message about a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Author {
    Clinic,
    Expert,
}

/// What a message about a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Just said.
    Note,
    /// The clinic asks an expert to look: the case is put on the list, whatever the model said.
    AskExpert,
    /// The expert asks for more images or for a better one.
    WantImages,
}

/// A message between a clinic and whoever reads its case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// ULID; the same message twice is one.
    pub id: String,
    pub case: CaseId,
    pub version: u32,
    pub author: Author,
    /// As it is shown. Of the clinic: its name for the post ("radiographer"), never a patient's.
    pub name: String,
    pub subject: Subject,
    pub text: String,
    pub at_ms: i64,
}

/// The clinic doctor's word on what the model said of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// ULID.
    pub id: String,
    pub case: CaseId,
    pub version: u32,
    pub finding: FindingCode,
    pub present: bool,
    pub at_ms: i64,
}

/// Somebody in the clinic has read a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRead {
    pub report: String,
    pub case: CaseId,
    pub at_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_above_the_province() {
        assert_eq!(Tier::County.above(), Some(Tier::City));
        assert_eq!(Tier::City.above(), Some(Tier::Province));
        assert_eq!(Tier::Province.above(), None);
    }
}
