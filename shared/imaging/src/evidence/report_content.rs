//! What the structured report says: PS3.16 TID 1500, with a measurement group a finding (TID 1410 where a region is known,
//! else TID 1501) and what holds of the whole study as qualitative evaluations.

use barefoot_domain::{
    Assessment, Call, EngineUse, FindingRegion, FindingResult, ModelVersion, Presence, QualityGrade, Urgency,
};

use super::algorithm::{self, dcm};
use super::sites::{procedure, site_of};
use super::wording::{self, DEMONSTRATION, DEMONSTRATION_ZH, NO_ANSWER, NO_ANSWER_ZH, NOTICE, NOTICE_ZH};
use super::{Evidence, Source, names};
use crate::report::codes::{self, Code, Scheme, code, finding_code, finding_name};
use crate::report::fhir::findings::presence;
use crate::report::sr::items::Relationship::{
    Contains, HasAcqContext, HasConceptMod, HasObsContext, SelectedFrom,
};
use crate::report::sr::items::{Item, coded, container, coordinates, image, number, text, uid};
use crate::report::{self, Language, uids};

fn own(value: &str, meaning: &str) -> Code {
    code(Scheme::Own, value, meaning)
}

pub(super) fn document(evidence: &Evidence<'_>) -> Item {
    let mut root = container(&dcm("126000", "Imaging Measurement Report")).template("1500");
    let language = dcm("121049", "Language of Content Item and Descendants");
    let english = code(Scheme::Language, "en", "English");
    root.add(HasConceptMod, coded(&language, &english));
    observer(&mut root);
    root.add(
        HasConceptMod,
        coded(
            &dcm("121058", "Procedure reported"),
            &procedure(evidence.modality),
        ),
    );
    if let Some(library) = library(evidence) {
        root.add(Contains, library);
    }
    if let Some(measurements) = measurements(evidence) {
        root.add(Contains, measurements);
    }
    root.add(Contains, evaluations(evidence));
    root
}

/// TID 1004: a program observed, no person.
fn observer(root: &mut Item) {
    let kind = dcm("121005", "Observer Type");
    root.add(HasObsContext, coded(&kind, &dcm("121007", "Device")));
    let program = uids::program_uid();
    root.add(
        HasObsContext,
        uid(&dcm("121012", "Device Observer UID"), &program),
    );
    for (value, meaning, said) in [
        ("121013", "Device Observer Name", "Barefoot"),
        ("121014", "Device Observer Manufacturer", "Barefoot"),
        ("121015", "Device Observer Model Name", "Barefoot"),
    ] {
        root.add(HasObsContext, text(&dcm(value, meaning), said));
    }
}

/// TID 1600: the images of the study.
fn library(evidence: &Evidence<'_>) -> Option<Item> {
    let images = &evidence.subject.images;
    if images.is_empty() {
        return None;
    }
    let mut group = container(&dcm("126200", "Image Library Group"));
    if !evidence.modality.is_empty() {
        let modality = coded(&dcm("121139", "Modality"), &modality_code(evidence.modality));
        group.add(HasAcqContext, modality);
    }
    for entry in images {
        group.add(Contains, image(&entry.sop_class, &entry.sop_instance, None));
    }
    Some(container(&dcm("111028", "Image Library")).with(Contains, group))
}

/// PS3.16 CID 29.
fn modality_code(modality: &str) -> Code {
    let meaning = match modality {
        "CR" => "Computed Radiography",
        "DX" => "Digital Radiography",
        "CT" => "Computed Tomography",
        "MR" => "Magnetic Resonance",
        "US" => "Ultrasound",
        "MG" => "Mammography",
        other => other,
    };
    dcm(modality, meaning)
}

/// Who answered, for a group of measurements.
#[derive(Clone, Copy)]
struct Answer<'a> {
    model: &'a ModelVersion,
    engine: Option<&'a EngineUse>,
    result: &'a FindingResult,
    /// Regions are those of the model that is named first.
    regions: &'a [FindingRegion],
}

fn answers(assessment: &Assessment) -> Vec<Answer<'_>> {
    let first = assessment.model.iter().flat_map(|model| {
        assessment.findings.iter().map(move |result| Answer {
            model,
            engine: assessment.engine.as_ref(),
            result,
            regions: &assessment.regions,
        })
    });
    let others = assessment.others.iter().flat_map(|other| {
        other.findings.iter().map(move |result| Answer {
            model: &other.model,
            engine: other.engine.as_ref(),
            result,
            regions: &[],
        })
    });
    first.chain(others).collect()
}

/// One group a finding, and one a region where a finding has several.
fn measurements(evidence: &Evidence<'_>) -> Option<Item> {
    let answers = answers(evidence.assessment);
    if answers.is_empty() {
        return None;
    }
    let mut section = container(&dcm("126010", "Imaging Measurements"));
    for answer in answers {
        let regions: Vec<&FindingRegion> = answer
            .regions
            .iter()
            .filter(|region| region.finding == answer.result.code)
            .collect();
        if regions.is_empty() {
            section.add(Contains, group(evidence, &answer, None));
        }
        for (index, region) in regions.into_iter().enumerate() {
            section.add(Contains, group(evidence, &answer, Some((index, region))));
        }
    }
    Some(section)
}

fn group(evidence: &Evidence<'_>, answer: &Answer<'_>, region: Option<(usize, &FindingRegion)>) -> Item {
    let (result, model) = (answer.result, answer.model);
    let placed = region.and_then(|(_, region)| Some((region, evidence.looked_at?)));
    let template = if placed.is_some() { "1410" } else { "1501" };
    let mut group = container(&dcm("125007", "Measurement Group")).template(template);
    let number_of = region.map_or(String::new(), |(index, _)| format!(" {}", index + 1));
    let tracked = format!("{}{number_of}", result.code);
    let tracking = format!("{tracked} ({})", model.id);
    group.add(
        HasObsContext,
        text(&dcm("112039", "Tracking Identifier"), &tracking),
    );
    let tracking_uid = names::tracking_uid(&evidence.subject.study.uid, &model.id, &tracked);
    group.add(
        HasObsContext,
        uid(&dcm("112040", "Tracking Unique Identifier"), &tracking_uid),
    );
    let name = finding_name(&result.code, evidence.names, Language::En);
    let finding = finding_code(&result.code, &name);
    group.add(Contains, coded(&dcm("121071", "Finding"), &finding));
    if let Some(site) = site_of(&result.code) {
        let mut site = coded(&code(Scheme::Snomed, "363698007", "Finding Site"), &site);
        if let Some(side) = region.and_then(|(_, region)| region.side) {
            let laterality = code(Scheme::Snomed, "272741003", "Laterality");
            site.add(HasConceptMod, coded(&laterality, &codes::side(side)));
        }
        group.add(HasConceptMod, site);
    }
    algorithm::add_to(&mut group, model, answer.engine);
    if let Some((region, source)) = placed {
        group.add(Contains, outline(region, source));
    }
    numbers(&mut group, result, region.map(|(_, region)| region));
    let said = match result.call {
        Call::Positive => Presence::Present,
        Call::Negative => Presence::Absent,
    };
    group.add(Contains, coded(&own("CALL", "Model's call"), &presence(said)));
    group
}

fn numbers(group: &mut Item, result: &FindingResult, region: Option<&FindingRegion>) {
    let ratio = code(Scheme::Ucum, "1", "no units");
    let percent = code(Scheme::Ucum, "%", "Percent");
    let score = own("SCORE", "Calibrated probability of the finding");
    let value = format!("{:.4}", result.score.value());
    group.add(Contains, number(&score, &value, &ratio));
    let certainty = dcm("111012", "Certainty of Finding");
    let value = format!("{:.2}", result.confidence.value() * 100.0);
    group.add(Contains, number(&certainty, &value, &percent));
    if let Some(region) = region.filter(|region| region.extent.is_finite()) {
        let extent = own("EXTENT", "Share of the anatomy covered");
        let value = format!("{:.2}", region.extent * 100.0);
        group.add(Contains, number(&extent, &value, &percent));
    }
}

/// The region's box on its image.
fn outline(region: &FindingRegion, source: &Source) -> Item {
    let corners = corners(region, source);
    let image = image(
        &source.image.sop_class,
        &source.image.sop_instance,
        source.frame_of_several(),
    );
    coordinates("POLYLINE", &corners).with(SelectedFrom, image)
}

/// Columns and rows of a closed outline within the image.
pub(super) fn corners(region: &FindingRegion, source: &Source) -> [(f32, f32); 5] {
    let along = |share: f32, pixels: u32| {
        let share = if share.is_finite() { share } else { 0.0 };
        share.clamp(0.0, 1.0) * pixels as f32
    };
    let (left, top) = (along(region.left, source.columns), along(region.top, source.rows));
    let right = along(region.left + region.width, source.columns);
    let bottom = along(region.top + region.height, source.rows);
    [
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
    ]
}

/// What holds of the whole: that a machine says it, how good the picture is, how soon a person must look and why.
fn evaluations(evidence: &Evidence<'_>) -> Item {
    let assessment = evidence.assessment;
    let comment = dcm("121106", "Comment");
    let mut section = container(&code(Scheme::Umls, "C0034375", "Qualitative Evaluations"));
    let mut say = |said: String| section.add(Contains, text(&comment, &said));
    say(wording::both(NOTICE, NOTICE_ZH));
    if assessment.findings.is_empty() {
        say(wording::both(NO_ANSWER, NO_ANSWER_ZH));
    }
    if assessment.model.as_ref().is_some_and(|model| model.demonstration) {
        say(wording::both(DEMONSTRATION, DEMONSTRATION_ZH));
    }
    if let Some(before) = evidence.replaces {
        say(format!(
            "Takes the place of the result of study version {before}."
        ));
    }
    for other in assessment.others.iter().filter(|other| other.findings.is_empty()) {
        say(format!("{} gave no answer.", other.model));
    }
    let urgency = match assessment.urgency {
        Urgency::Critical => own("CRITICAL", "Critical result"),
        Urgency::Review => own("REVIEW", "For review by a person"),
        Urgency::Routine => own("ROUTINE", "Routine"),
    };
    section.add(Contains, coded(&own("URGENCY", "Urgency"), &urgency));
    for reason in &assessment.reasons {
        let in_words =
            [Language::En, Language::Zh].map(|language| report::of_reason(reason, evidence.names, language));
        let said = format!("{reason}: {}", in_words.join(" / "));
        section.add(Contains, text(&own("REASON", "Reason for the urgency"), &said));
    }
    let grade = match assessment.quality.grade {
        QualityGrade::A => own("QUALITY-A", "Good"),
        QualityGrade::B => own("QUALITY-B", "Usable"),
        QualityGrade::C => own("QUALITY-C", "Not to be trusted"),
    };
    section.add(Contains, coded(&own("QUALITY", "Image quality grade"), &grade));
    for problem in &assessment.quality.problems {
        let said = [Language::En, Language::Zh].map(|language| report::name_of_problem(*problem, language));
        section.add(
            Contains,
            text(&own("PROBLEM", "Image quality problem"), &said.join(" / ")),
        );
    }
    section
}
