//! What hub and clinic say to each other about a case that a person reads.

use barefoot_domain::{
    Author, CaseId, CaseState, ClinicId, Message as CaseMessage, Opinion, Part, Presence, Progress, Reader,
    Region, Report, ReportRead, Shape, Statement, Subject, Tier, Urgency,
};
use prost::Message;

use crate::assessment::{
    assessment_from_wire, assessment_to_wire, finding_code, side_from_wire, side_to_wire,
};
use crate::convert::{envelope, is_ulid};
use crate::{DecodeError, v1};

/// Of [`v1::ReportContent`] and [`v1::SignerStatement`].
const CONTENT_VERSION: u32 = 1;

/// Each of a report's three texts, and of a note: what fits a page and an envelope.
pub const MAX_REPORT_CHARS: usize = 4000;
const MAX_NOTE_CHARS: usize = 500;

/// A report as it is signed; with its signatures it still fits an envelope.
pub const MAX_REPORT_BYTES: usize = 56 * 1024;

pub const MAX_MESSAGE_CHARS: usize = 2000;

const MAX_STATEMENTS: usize = 64;
pub(crate) const MAX_REGIONS: usize = 64;
const MAX_POINTS: usize = 256;
const MAX_READERS: usize = 8;

fn decode<M: Message + Default>(body: &[u8], message: &'static str) -> Result<M, DecodeError> {
    M::decode(body).map_err(|source| DecodeError::Protobuf { message, source })
}

fn field(field: &'static str) -> DecodeError {
    DecodeError::Field { field }
}

fn case(text: String) -> Result<CaseId, DecodeError> {
    CaseId::new(text).map_err(|_| field("case_id"))
}

fn positive(number: u32, name: &'static str) -> Result<u32, DecodeError> {
    (number != 0).then_some(number).ok_or(field(name))
}

fn ulid(text: String, name: &'static str) -> Result<String, DecodeError> {
    if is_ulid(&text) {
        Ok(text)
    } else {
        Err(field(name))
    }
}

/// Text people wrote: lines are kept, other control characters are not text.
fn words(text: String, most: usize, name: &'static str) -> Result<String, DecodeError> {
    let control = |c: char| c.is_control() && c != '\n';
    if most < text.chars().count() || text.chars().any(control) {
        return Err(field(name));
    }
    Ok(text)
}

fn person_name(text: String, name: &'static str) -> Result<String, DecodeError> {
    if text.trim().is_empty() {
        return Err(field(name));
    }
    words(text, 128, name)
}

fn list<T, U>(
    items: Vec<T>,
    most: usize,
    name: &'static str,
    convert: impl Fn(T) -> Result<U, DecodeError>,
) -> Result<Vec<U>, DecodeError> {
    if most < items.len() {
        return Err(field(name));
    }
    items.into_iter().map(convert).collect()
}

fn tier_to_wire(tier: Tier) -> v1::Tier {
    match tier {
        Tier::County => v1::Tier::County,
        Tier::City => v1::Tier::City,
        Tier::Province => v1::Tier::Province,
    }
}

fn tier_from_wire(tier: v1::Tier) -> Result<Tier, DecodeError> {
    match tier {
        v1::Tier::County => Ok(Tier::County),
        v1::Tier::City => Ok(Tier::City),
        v1::Tier::Province => Ok(Tier::Province),
        v1::Tier::Unspecified => Err(field("tier")),
    }
}

fn urgency_to_wire(urgency: Urgency) -> v1::Urgency {
    match urgency {
        Urgency::Routine => v1::Urgency::Routine,
        Urgency::Review => v1::Urgency::Review,
        Urgency::Critical => v1::Urgency::Critical,
    }
}

fn urgency_from_wire(urgency: v1::Urgency) -> Result<Urgency, DecodeError> {
    match urgency {
        v1::Urgency::Routine => Ok(Urgency::Routine),
        v1::Urgency::Review => Ok(Urgency::Review),
        v1::Urgency::Critical => Ok(Urgency::Critical),
        v1::Urgency::Unspecified => Err(field("urgency")),
    }
}

pub(crate) fn region_to_wire(region: &Region) -> v1::Region {
    v1::Region {
        instance: region.instance.clone(),
        frame: region.frame,
        shape: match region.shape {
            Shape::Rectangle => v1::Shape::Rectangle,
            Shape::Ellipse => v1::Shape::Ellipse,
            Shape::Polygon => v1::Shape::Polygon,
        }
        .into(),
        point: region
            .points
            .iter()
            .flat_map(|(column, row)| [*column, *row])
            .collect(),
    }
}

pub(crate) fn region_from_wire(region: v1::Region) -> Result<Region, DecodeError> {
    let shape = match region.shape() {
        v1::Shape::Rectangle => Shape::Rectangle,
        v1::Shape::Ellipse => Shape::Ellipse,
        v1::Shape::Polygon => Shape::Polygon,
        v1::Shape::Unspecified => return Err(field("region.shape")),
    };
    let (pairs, rest) = region.point.as_chunks::<2>();
    let enough = match shape {
        Shape::Rectangle | Shape::Ellipse => pairs.len() == 2,
        Shape::Polygon => (3..=MAX_POINTS).contains(&pairs.len()),
    };
    // No picture is larger in either direction (Rows and Columns are 16 bits).
    let inside = |value: &f32| (0.0..=65_536.0).contains(value);
    if !rest.is_empty() || !enough || !region.point.iter().all(inside) {
        return Err(field("region.point"));
    }
    Ok(Region {
        // It has the same form as a case's name.
        instance: CaseId::new(region.instance)
            .map_err(|_| field("region.instance"))?
            .as_str()
            .to_owned(),
        frame: positive(region.frame, "region.frame")?,
        shape,
        points: pairs.iter().map(|[column, row]| (*column, *row)).collect(),
    })
}

fn statement_to_wire(statement: &Statement) -> v1::Statement {
    v1::Statement {
        finding: statement.finding.as_str().to_owned(),
        presence: match statement.presence {
            Presence::Present => v1::FindingPresence::Present,
            Presence::Absent => v1::FindingPresence::Absent,
            Presence::Possible => v1::FindingPresence::Possible,
        }
        .into(),
        side: side_to_wire(statement.side).into(),
        note: statement.note.clone(),
        region: statement.regions.iter().map(region_to_wire).collect(),
    }
}

fn statement_from_wire(statement: v1::Statement) -> Result<Statement, DecodeError> {
    Ok(Statement {
        presence: match statement.presence() {
            v1::FindingPresence::Present => Presence::Present,
            v1::FindingPresence::Absent => Presence::Absent,
            v1::FindingPresence::Possible => Presence::Possible,
            v1::FindingPresence::Unspecified => return Err(field("statement.presence")),
        },
        side: side_from_wire(statement.side()),
        finding: finding_code(statement.finding)?,
        note: words(statement.note, MAX_NOTE_CHARS, "statement.note")?,
        regions: list(
            statement.region,
            MAX_REGIONS,
            "statement.region (too many items)",
            region_from_wire,
        )?,
    })
}

fn reader_to_wire(reader: &Reader) -> v1::Reader {
    v1::Reader {
        person: reader.person.clone(),
        name: reader.name.clone(),
        title: reader.title.clone(),
        institution: reader.institution.clone(),
        part: match reader.part {
            Part::First => v1::Part::First,
            Part::Second => v1::Part::Second,
            Part::Adjudicator => v1::Part::Adjudicator,
        }
        .into(),
        at_ms: reader.at_ms,
    }
}

fn reader_from_wire(reader: v1::Reader) -> Result<Reader, DecodeError> {
    Ok(Reader {
        part: match reader.part() {
            v1::Part::First => Part::First,
            v1::Part::Second => Part::Second,
            v1::Part::Adjudicator => Part::Adjudicator,
            v1::Part::Unspecified => return Err(field("reader.part")),
        },
        person: ulid(reader.person, "reader.person")?,
        name: person_name(reader.name, "reader.name")?,
        title: words(reader.title, 128, "reader.title")?,
        institution: words(reader.institution, 128, "reader.institution")?,
        at_ms: reader.at_ms,
    })
}

/// The bytes that are signed.
#[must_use]
pub fn encode_report(report: &Report) -> Vec<u8> {
    v1::ReportContent {
        version: CONTENT_VERSION,
        id: report.id.clone(),
        clinic: report.clinic.as_str().to_owned(),
        case_id: report.case.as_str().to_owned(),
        study_version: report.version,
        addendum_to: report.addendum_to.clone().unwrap_or_default(),
        modality: report.modality.clone(),
        tier: tier_to_wire(report.tier).into(),
        urgency: urgency_to_wire(report.urgency).into(),
        statement: report.statements.iter().map(statement_to_wire).collect(),
        description: report.description.clone(),
        impression: report.impression.clone(),
        advice: report.advice.clone(),
        assessment: report.assessment.as_ref().map(assessment_to_wire),
        reader: report.readers.iter().map(reader_to_wire).collect(),
        language: report.language.clone(),
        signed_at_ms: report.signed_at_ms,
    }
    .encode_to_vec()
}

/// # Errors
/// When the bytes are no report, of a version this program does not know, or a field is missing or outside its range.
pub fn decode_report(content: &[u8]) -> Result<Report, DecodeError> {
    if MAX_REPORT_BYTES < content.len() {
        return Err(DecodeError::TooLarge { bytes: content.len() });
    }
    let content: v1::ReportContent = decode(content, "ReportContent")?;
    if content.version != CONTENT_VERSION {
        return Err(field("version"));
    }
    let (tier, urgency) = (
        tier_from_wire(content.tier())?,
        urgency_from_wire(content.urgency())?,
    );
    let readers = list(
        content.reader,
        MAX_READERS,
        "reader (too many items)",
        reader_from_wire,
    )?;
    if readers.is_empty() {
        return Err(field("reader"));
    }
    Ok(Report {
        id: ulid(content.id, "id")?,
        clinic: ClinicId::new(content.clinic).map_err(|_| field("clinic"))?,
        case: case(content.case_id)?,
        version: positive(content.study_version, "study_version")?,
        addendum_to: match content.addendum_to {
            none if none.is_empty() => None,
            id => Some(ulid(id, "addendum_to")?),
        },
        modality: words(content.modality, 16, "modality")?,
        tier,
        urgency,
        statements: list(
            content.statement,
            MAX_STATEMENTS,
            "statement (too many items)",
            statement_from_wire,
        )?,
        description: words(content.description, MAX_REPORT_CHARS, "description")?,
        impression: words(content.impression, MAX_REPORT_CHARS, "impression")?,
        advice: words(content.advice, MAX_REPORT_CHARS, "advice")?,
        assessment: content.assessment.map(assessment_from_wire).transpose()?,
        readers,
        language: words(content.language, 35, "language")?,
        signed_at_ms: content.signed_at_ms,
    })
}

/// `id` is the envelope's; the report has its own.
#[must_use]
pub fn signed_report_envelope(id: String, clinic: &ClinicId, signed: &v1::SignedReport) -> v1::Envelope {
    envelope(id, clinic, v1::Kind::Report, signed.encode_to_vec())
}

/// The parts of a signed report. Whose signature it is and what it says is not looked at here.
///
/// # Errors
/// When the body is no signed report or a part is missing.
pub fn decode_signed_report(body: &[u8]) -> Result<v1::SignedReport, DecodeError> {
    let signed: v1::SignedReport = decode(body, "SignedReport")?;
    for (part, name) in [
        (&signed.content, "content"),
        (&signed.signature, "signature"),
        (&signed.signer, "signer"),
        (&signed.signer_signature, "signer_signature"),
        (&signed.certificate, "certificate"),
    ] {
        if part.is_empty() {
            return Err(field(name));
        }
    }
    Ok(signed)
}

#[must_use]
pub fn case_state_envelope(id: String, clinic: &ClinicId, state: &CaseState) -> v1::Envelope {
    let body = v1::CaseState {
        case_id: state.case.as_str().to_owned(),
        version: state.version,
        progress: match state.progress {
            Progress::NotRead => v1::Progress::NotRead,
            Progress::Waiting => v1::Progress::Waiting,
            Progress::BeingRead => v1::Progress::BeingRead,
            Progress::SecondRead => v1::Progress::SecondRead,
            Progress::ImagesWanted => v1::Progress::ImagesWanted,
            Progress::Reported => v1::Progress::Reported,
            Progress::Withdrawn => v1::Progress::Withdrawn,
        }
        .into(),
        tier: tier_to_wire(state.tier).into(),
        deadline_ms: state.deadline_ms,
        change: state.change,
        at_ms: state.at_ms,
    };
    envelope(id, clinic, v1::Kind::CaseState, body.encode_to_vec())
}

/// # Errors
/// When the body is no case's state, or a field is missing or outside its range.
pub fn decode_case_state(body: &[u8]) -> Result<CaseState, DecodeError> {
    let state: v1::CaseState = decode(body, "CaseState")?;
    Ok(CaseState {
        progress: match state.progress() {
            v1::Progress::NotRead => Progress::NotRead,
            v1::Progress::Waiting => Progress::Waiting,
            v1::Progress::BeingRead => Progress::BeingRead,
            v1::Progress::SecondRead => Progress::SecondRead,
            v1::Progress::ImagesWanted => Progress::ImagesWanted,
            v1::Progress::Reported => Progress::Reported,
            v1::Progress::Withdrawn => Progress::Withdrawn,
            v1::Progress::Unspecified => return Err(field("progress")),
        },
        tier: tier_from_wire(state.tier())?,
        case: case(state.case_id)?,
        version: positive(state.version, "version")?,
        deadline_ms: state.deadline_ms,
        change: state.change,
        at_ms: state.at_ms,
    })
}

#[must_use]
pub fn message_envelope(id: String, clinic: &ClinicId, message: &CaseMessage) -> v1::Envelope {
    let body = v1::CaseMessage {
        id: message.id.clone(),
        case_id: message.case.as_str().to_owned(),
        version: message.version,
        author: match message.author {
            Author::Clinic => v1::Author::Clinic,
            Author::Expert => v1::Author::Expert,
        }
        .into(),
        name: message.name.clone(),
        subject: match message.subject {
            Subject::Note => v1::Subject::Note,
            Subject::AskExpert => v1::Subject::AskExpert,
            Subject::WantImages => v1::Subject::WantImages,
        }
        .into(),
        text: message.text.clone(),
        at_ms: message.at_ms,
    };
    envelope(id, clinic, v1::Kind::Message, body.encode_to_vec())
}

/// # Errors
/// When the body is no message, or a field is missing or outside its range.
pub fn decode_message(body: &[u8]) -> Result<CaseMessage, DecodeError> {
    let message: v1::CaseMessage = decode(body, "CaseMessage")?;
    Ok(CaseMessage {
        author: match message.author() {
            v1::Author::Clinic => Author::Clinic,
            v1::Author::Expert => Author::Expert,
            v1::Author::Unspecified => return Err(field("author")),
        },
        subject: match message.subject() {
            v1::Subject::Note => Subject::Note,
            v1::Subject::AskExpert => Subject::AskExpert,
            v1::Subject::WantImages => Subject::WantImages,
            v1::Subject::Unspecified => return Err(field("subject")),
        },
        id: ulid(message.id, "id")?,
        case: case(message.case_id)?,
        version: positive(message.version, "version")?,
        name: words(message.name, 128, "name")?,
        text: words(message.text, MAX_MESSAGE_CHARS, "text")?,
        at_ms: message.at_ms,
    })
}

#[must_use]
pub fn opinion_envelope(id: String, clinic: &ClinicId, opinion: &Opinion) -> v1::Envelope {
    let body = v1::Opinion {
        id: opinion.id.clone(),
        case_id: opinion.case.as_str().to_owned(),
        version: opinion.version,
        finding: opinion.finding.as_str().to_owned(),
        present: opinion.present,
        at_ms: opinion.at_ms,
    };
    envelope(id, clinic, v1::Kind::Opinion, body.encode_to_vec())
}

/// # Errors
/// When the body is no opinion, or a field is missing or outside its range.
pub fn decode_opinion(body: &[u8]) -> Result<Opinion, DecodeError> {
    let opinion: v1::Opinion = decode(body, "Opinion")?;
    Ok(Opinion {
        id: ulid(opinion.id, "id")?,
        case: case(opinion.case_id)?,
        version: positive(opinion.version, "version")?,
        finding: finding_code(opinion.finding)?,
        present: opinion.present,
        at_ms: opinion.at_ms,
    })
}

#[must_use]
pub fn report_read_envelope(id: String, clinic: &ClinicId, read: &ReportRead) -> v1::Envelope {
    let body = v1::ReportRead {
        report_id: read.report.clone(),
        case_id: read.case.as_str().to_owned(),
        at_ms: read.at_ms,
    };
    envelope(id, clinic, v1::Kind::ReportRead, body.encode_to_vec())
}

/// # Errors
/// When the body says of no report that it was read, or a field is outside its range.
pub fn decode_report_read(body: &[u8]) -> Result<ReportRead, DecodeError> {
    let read: v1::ReportRead = decode(body, "ReportRead")?;
    Ok(ReportRead {
        report: ulid(read.report_id, "report_id")?,
        case: case(read.case_id)?,
        at_ms: read.at_ms,
    })
}

#[cfg(test)]
mod tests;
