//! What the document says: TID 2000 "Basic Diagnostic Imaging Report", with an account of the model that TID 2000, being
//! extensible, has room for.

use barefoot_domain::{
    Assessment, Call, FindingResult, Presence, QualityGrade, Region, Shape, Statement, Urgency,
};

use super::super::codes::{self, Code, Scheme, code, finding_code};
use super::super::words::words;
use super::super::{Error, Image, Sheet, uids};
use super::items::Relationship::{
    Contains, HasConceptMod, HasObsContext, HasProperties, InferredFrom, SelectedFrom,
};
use super::items::{Item, coded, container, coordinates, image, number, person, text, uid};

fn dcm(value: &str, meaning: &str) -> Code {
    code(Scheme::Dicom, value, meaning)
}

fn own(value: &str, meaning: &str) -> Code {
    code(Scheme::Own, value, meaning)
}

fn section(value: &str, meaning: &str) -> Item {
    container(&code(Scheme::Loinc, value, meaning))
}

pub(super) fn document(sheet: &Sheet<'_>) -> Result<Item, Error> {
    let report = sheet.report;
    let mut root = container(&codes::title(&report.modality)).template("2000");
    let language = dcm("121049", "Language of Content Item and Descendants");
    root.add(HasConceptMod, coded(&language, &language_code(&report.language)));
    observers(&mut root, sheet);
    if let Some(first) = &report.addendum_to {
        let said = text(&dcm("121106", "Comment"), &format!("Adds to report {first}"));
        root.add(Contains, section("55107-7", "Addendum").with(Contains, said));
    }
    root.add(Contains, findings(sheet)?);
    if let Some(impressions) = impressions(sheet) {
        root.add(Contains, impressions);
    }
    if !report.advice.trim().is_empty() {
        let advice = text(&dcm("121075", "Recommendation"), &report.advice);
        root.add(
            Contains,
            section("18783-1", "Recommendations").with(Contains, advice),
        );
    }
    root.add(Contains, assistance(sheet));
    Ok(root)
}

fn language_code(tag: &str) -> Code {
    let is_tag = (2..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let tag = if is_tag { tag } else { "und" };
    let meaning = match tag.split('-').next() {
        Some("zh") => "Chinese",
        Some("en") => "English",
        _ => tag,
    };
    code(Scheme::Language, tag, meaning)
}

/// TID 1002: who signed, and the program that wrote it down.
fn observers(root: &mut Item, sheet: &Sheet<'_>) {
    let kind = dcm("121005", "Observer Type");
    if let Some(signer) = sheet.report.readers.last() {
        root.add(HasObsContext, coded(&kind, &dcm("121006", "Person")));
        root.add(
            HasObsContext,
            person(&dcm("121008", "Person Observer Name"), &signer.name),
        );
        if !signer.institution.trim().is_empty() {
            let organisation = dcm("121009", "Person Observer's Organization Name");
            root.add(HasObsContext, text(&organisation, &signer.institution));
        }
    }
    device(root, &uids::program_uid(), "Barefoot", "Barefoot");
}

/// TID 1004.
fn device(item: &mut Item, device_uid: &str, name: &str, model: &str) {
    let kind = dcm("121005", "Observer Type");
    item.add(HasObsContext, coded(&kind, &dcm("121007", "Device")));
    item.add(
        HasObsContext,
        uid(&dcm("121012", "Device Observer UID"), device_uid),
    );
    item.add(HasObsContext, text(&dcm("121013", "Device Observer Name"), name));
    item.add(
        HasObsContext,
        text(&dcm("121015", "Device Observer Model Name"), model),
    );
}

fn findings(sheet: &Sheet<'_>) -> Result<Item, Error> {
    let mut section = section("59776-5", "Findings");
    if !sheet.report.description.trim().is_empty() {
        let finding = dcm("121071", "Finding");
        section.add(Contains, text(&finding, &sheet.report.description));
    }
    for statement in &sheet.report.statements {
        section.add(Contains, stated(sheet, statement)?);
    }
    Ok(section)
}

fn stated(sheet: &Sheet<'_>, statement: &Statement) -> Result<Item, Error> {
    let name = words(sheet.language).finding(&statement.finding, sheet.names);
    let value = finding_code(&statement.finding, &name);
    let mut item = coded(&dcm("121071", "Finding"), &value);
    if let Some(side) = statement.side {
        let laterality = code(Scheme::Snomed, "272741003", "Laterality");
        item.add(HasConceptMod, coded(&laterality, &codes::side(side)));
    }
    item.add(HasProperties, presence(statement.presence));
    if !statement.note.trim().is_empty() {
        item.add(HasProperties, text(&dcm("121106", "Comment"), &statement.note));
    }
    for region in &statement.regions {
        let image = sheet
            .subject
            .images
            .iter()
            .find(|image| image.named == region.instance);
        match image.and_then(|image| marked(region, image)) {
            Some(coordinates) => item.add(InferredFrom, coordinates),
            None => {
                let lost = "A region was marked on an image that is not known here.";
                item.add(HasProperties, text(&dcm("121106", "Comment"), lost));
            }
        }
    }
    Ok(item)
}

/// PS3.16 CID 240.
fn presence(presence: Presence) -> Item {
    let (value, meaning) = match presence {
        Presence::Present => ("52101004", "Present"),
        Presence::Absent => ("272519000", "Absent"),
        Presence::Possible => ("373068000", "Undetermined"),
    };
    let name = dcm("121052", "Presence of property");
    coded(&name, &code(Scheme::Snomed, value, meaning))
}

/// `None` for a region without the points its shape needs.
fn marked(region: &Region, of: &Image) -> Option<Item> {
    let finite = |(column, row): &(f32, f32)| column.is_finite() && row.is_finite();
    if !region.points.iter().all(finite) {
        return None;
    }
    let (graphic_type, points) = match (region.shape, region.points.as_slice()) {
        (Shape::Rectangle, [a, b, ..]) => ("POLYLINE", vec![*a, (b.0, a.1), *b, (a.0, b.1), *a]),
        (Shape::Ellipse, [a, b, ..]) => ("ELLIPSE", axes(*a, *b)),
        (Shape::Polygon, points @ [first, _, _, ..]) => {
            let mut points = points.to_vec();
            points.push(*first);
            ("POLYLINE", points)
        }
        _ => return None,
    };
    let frame = (1 < of.frames).then_some(region.frame);
    let image = image(&of.sop_class, &of.sop_instance, frame);
    Some(coordinates(graphic_type, &points).with(SelectedFrom, image))
}

/// An ellipse's four points: the ends of its longer axis, then of the shorter (PS3.3 section C.18.6.1.2).
fn axes(a: (f32, f32), b: (f32, f32)) -> Vec<(f32, f32)> {
    let middle = ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    let across = [(a.0.min(b.0), middle.1), (a.0.max(b.0), middle.1)];
    let down = [(middle.0, a.1.min(b.1)), (middle.0, a.1.max(b.1))];
    let is_wide = (a.1 - b.1).abs() <= (a.0 - b.0).abs();
    if is_wide {
        [across, down].concat()
    } else {
        [down, across].concat()
    }
}

fn impressions(sheet: &Sheet<'_>) -> Option<Item> {
    let mut section = section("19005-8", "Impressions");
    let has_text = !sheet.report.impression.trim().is_empty();
    if has_text {
        let impression = dcm("121073", "Impression");
        section.add(Contains, text(&impression, &sheet.report.impression));
    }
    let is_critical = sheet.report.urgency == Urgency::Critical;
    if is_critical {
        section.add(
            Contains,
            coded(&own("URGENCY", "Urgency"), &own("CRITICAL", "Critical result")),
        );
    }
    (has_text || is_critical).then_some(section)
}

/// What the model had said, by its own word; or that none was asked.
fn assistance(sheet: &Sheet<'_>) -> Item {
    let mut section = container(&own("AI", "Artificial intelligence assistance"));
    let note = dcm("121106", "Comment");
    let Some(assessment) = &sheet.report.assessment else {
        section.add(
            Contains,
            text(&note, "No artificial intelligence was used for this report."),
        );
        return section;
    };
    algorithm(&mut section, assessment);
    if let Some(model) = &assessment.model {
        let device_uid = uids::device_uid(&model.id, &model.version);
        device(&mut section, &device_uid, &model.id, &model.to_string());
    }
    section.add(
        Contains,
        text(&note, "AI-assisted. AI assists, a clinician decides."),
    );
    if assessment.model.as_ref().is_some_and(|model| model.demonstration) {
        section.add(
            Contains,
            text(&note, "Demonstration model, not for clinical use."),
        );
    }
    for result in &assessment.findings {
        section.add(Contains, answered(sheet, assessment, result));
    }
    let grade = match assessment.quality.grade {
        QualityGrade::A => own("QUALITY-A", "Good"),
        QualityGrade::B => own("QUALITY-B", "Usable"),
        QualityGrade::C => own("QUALITY-C", "Not to be trusted"),
    };
    section.add(Contains, coded(&own("QUALITY", "Image quality grade"), &grade));
    for reason in &assessment.reasons {
        section.add(
            Contains,
            text(&own("REASON", "Reason for the urgency"), &reason.to_string()),
        );
    }
    section
}

fn answered(sheet: &Sheet<'_>, assessment: &Assessment, result: &FindingResult) -> Item {
    let name = words(sheet.language).finding(&result.code, sheet.names);
    let value = finding_code(&result.code, &name);
    let mut item = coded(&dcm("121071", "Finding"), &value);
    algorithm(&mut item, assessment);
    item.add(
        HasProperties,
        presence(match result.call {
            Call::Positive => Presence::Present,
            Call::Negative => Presence::Absent,
        }),
    );
    let score = own("SCORE", "Calibrated probability of the finding");
    let ratio = code(Scheme::Ucum, "1", "no units");
    item.add(
        HasProperties,
        number(&score, &format!("{:.4}", result.score.value()), &ratio),
    );
    let certainty = dcm("111012", "Certainty of Finding");
    let percent = code(Scheme::Ucum, "%", "Percent");
    let value = format!("{:.2}", result.confidence.value() * 100.0);
    item.add(HasProperties, number(&certainty, &value, &percent));
    item
}

/// TID 4019.
fn algorithm(item: &mut Item, assessment: &Assessment) {
    let Some(model) = &assessment.model else {
        return;
    };
    item.add(HasConceptMod, text(&dcm("111001", "Algorithm Name"), &model.id));
    item.add(
        HasConceptMod,
        text(&dcm("111003", "Algorithm Version"), &model.version),
    );
    if let Some(used) = &assessment.engine {
        let parameters = format!("engine={} precision={}", used.engine, used.precision);
        item.add(
            HasConceptMod,
            text(&dcm("111002", "Algorithm Parameters"), &parameters),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_axis_is_said_first() {
        assert_eq!(
            axes((0.0, 0.0), (4.0, 2.0)),
            [(0.0, 1.0), (4.0, 1.0), (2.0, 0.0), (2.0, 2.0)]
        );
        assert_eq!(
            axes((2.0, 4.0), (0.0, 0.0)),
            [(1.0, 0.0), (1.0, 4.0), (0.0, 2.0), (2.0, 2.0)]
        );
    }
}
