//! Assessments between wire and domain.

use barefoot_domain::{
    Assessment, Call, EngineUse, FindingCode, FindingRegion, FindingResult, ModelVersion, OtherAnswer,
    QualityGrade, QualityProblem, QualityVerdict, Reason, Score, Side, Urgency,
};

use crate::DecodeError;
use crate::v1;

/// The most findings, reasons, problems, regions or further answers one assessment may name.
const MAX_ITEMS: usize = 256;

pub(crate) fn assessment_to_wire(assessment: &Assessment) -> v1::Assessment {
    v1::Assessment {
        model: assessment.model.as_ref().map(model_to_wire),
        engine: assessment.engine.as_ref().map(engine_to_wire),
        findings: assessment.findings.iter().map(finding_to_wire).collect(),
        quality: match assessment.quality.grade {
            QualityGrade::A => v1::QualityGrade::A,
            QualityGrade::B => v1::QualityGrade::B,
            QualityGrade::C => v1::QualityGrade::C,
        }
        .into(),
        quality_problems: assessment
            .quality
            .problems
            .iter()
            .map(|problem| {
                match problem {
                    QualityProblem::Blank => v1::QualityProblem::Blank,
                    QualityProblem::Overexposed => v1::QualityProblem::Overexposed,
                    QualityProblem::Underexposed => v1::QualityProblem::Underexposed,
                    QualityProblem::LowContrast => v1::QualityProblem::LowContrast,
                    QualityProblem::LowResolution => v1::QualityProblem::LowResolution,
                    QualityProblem::Undecodable => v1::QualityProblem::Undecodable,
                    QualityProblem::DoseHigh => v1::QualityProblem::DoseHigh,
                    QualityProblem::DoseLow => v1::QualityProblem::DoseLow,
                    QualityProblem::AnatomyCut => v1::QualityProblem::AnatomyCut,
                    QualityProblem::NotCollimated => v1::QualityProblem::NotCollimated,
                    QualityProblem::Blurred => v1::QualityProblem::Blurred,
                    QualityProblem::Rotated => v1::QualityProblem::Rotated,
                    QualityProblem::Inverted => v1::QualityProblem::Inverted,
                    QualityProblem::ViewMissing => v1::QualityProblem::ViewMissing,
                    QualityProblem::LateralityMissing => v1::QualityProblem::LateralityMissing,
                    QualityProblem::BodyPartMissing => v1::QualityProblem::BodyPartMissing,
                    QualityProblem::BodyPartWrong => v1::QualityProblem::BodyPartWrong,
                    QualityProblem::BurnedInText => v1::QualityProblem::BurnedInText,
                    QualityProblem::SlicesMissing => v1::QualityProblem::SlicesMissing,
                    QualityProblem::SlicesDoubled => v1::QualityProblem::SlicesDoubled,
                    QualityProblem::SpacingUneven => v1::QualityProblem::SpacingUneven,
                    QualityProblem::FramesBlack => v1::QualityProblem::FramesBlack,
                    QualityProblem::FramesFrozen => v1::QualityProblem::FramesFrozen,
                    QualityProblem::NoVideoDecoder => v1::QualityProblem::NoVideoDecoder,
                    QualityProblem::VideoDiffers => v1::QualityProblem::VideoDiffers,
                }
                .into()
            })
            .collect(),
        urgency: match assessment.urgency {
            Urgency::Routine => v1::Urgency::Routine,
            Urgency::Review => v1::Urgency::Review,
            Urgency::Critical => v1::Urgency::Critical,
        }
        .into(),
        reasons: assessment.reasons.iter().map(reason_to_wire).collect(),
        regions: assessment.regions.iter().map(region_to_wire).collect(),
        others: assessment.others.iter().map(other_to_wire).collect(),
    }
}

fn model_to_wire(model: &ModelVersion) -> v1::Model {
    v1::Model {
        id: model.id.clone(),
        version: model.version.clone(),
        demonstration: model.demonstration,
    }
}

fn engine_to_wire(engine: &EngineUse) -> v1::Engine {
    v1::Engine {
        engine: engine.engine.clone(),
        precision: engine.precision.clone(),
    }
}

fn other_to_wire(other: &OtherAnswer) -> v1::OtherAnswer {
    v1::OtherAnswer {
        model: Some(model_to_wire(&other.model)),
        engine: other.engine.as_ref().map(engine_to_wire),
        findings: other.findings.iter().map(finding_to_wire).collect(),
    }
}

fn region_to_wire(region: &FindingRegion) -> v1::FindingRegion {
    v1::FindingRegion {
        finding: region.finding.as_str().to_owned(),
        left: region.left,
        top: region.top,
        width: region.width,
        height: region.height,
        side: side_to_wire(region.side).into(),
        extent: region.extent,
    }
}

fn finding_to_wire(finding: &FindingResult) -> v1::FindingResult {
    v1::FindingResult {
        code: finding.code.as_str().to_owned(),
        score: finding.score.value(),
        call: match finding.call {
            Call::Positive => v1::Call::Positive,
            Call::Negative => v1::Call::Negative,
        }
        .into(),
        confidence: finding.confidence.value(),
    }
}

fn reason_to_wire(reason: &Reason) -> v1::Reason {
    use v1::ReasonCode as Code;
    let (code, finding) = match reason {
        Reason::Confident => (Code::Confident, None),
        Reason::UrgentFinding(finding) => (Code::UrgentFinding, Some(finding)),
        Reason::LowConfidence(finding) => (Code::LowConfidence, Some(finding)),
        Reason::PoorQuality => (Code::PoorQuality, None),
        Reason::OutsideIntendedUse => (Code::OutsideIntendedUse, None),
        Reason::NoModel => (Code::NoModel, None),
        Reason::ModelFailed => (Code::ModelFailed, None),
        Reason::IdentityConflict => (Code::IdentityConflict, None),
        Reason::PictureOutside => (Code::PictureOutside, None),
        Reason::Disagreement(finding) => (Code::Disagreement, Some(finding)),
        Reason::PanelIncomplete => (Code::PanelIncomplete, None),
        Reason::ModelTooSlow => (Code::ModelTooSlow, None),
        Reason::SubgroupNotCovered => (Code::SubgroupNotCovered, None),
    };
    v1::Reason {
        code: code.into(),
        finding: finding.map(|code| code.as_str().to_owned()).unwrap_or_default(),
    }
}

pub(crate) fn assessment_from_wire(assessment: v1::Assessment) -> Result<Assessment, DecodeError> {
    let items = [
        assessment.findings.len(),
        assessment.reasons.len(),
        assessment.quality_problems.len(),
        assessment.regions.len(),
        assessment.others.len(),
    ];
    if items.iter().any(|n| MAX_ITEMS < *n) {
        return Err(DecodeError::Field {
            field: "assessment (too many items)",
        });
    }
    let grade = match assessment.quality() {
        v1::QualityGrade::A => QualityGrade::A,
        v1::QualityGrade::B => QualityGrade::B,
        v1::QualityGrade::C => QualityGrade::C,
        v1::QualityGrade::Unspecified => return Err(DecodeError::Field { field: "quality" }),
    };
    let urgency = match assessment.urgency() {
        v1::Urgency::Routine => Urgency::Routine,
        v1::Urgency::Review => Urgency::Review,
        v1::Urgency::Critical => Urgency::Critical,
        v1::Urgency::Unspecified => return Err(DecodeError::Field { field: "urgency" }),
    };
    let problems = assessment
        .quality_problems()
        .map(problem_from_wire)
        .collect::<Result<_, _>>()?;
    Ok(Assessment {
        model: assessment.model.map(model_from_wire).transpose()?,
        engine: assessment.engine.map(engine_from_wire).transpose()?,
        findings: assessment
            .findings
            .into_iter()
            .map(finding_from_wire)
            .collect::<Result<_, _>>()?,
        quality: QualityVerdict { grade, problems },
        urgency,
        reasons: assessment
            .reasons
            .into_iter()
            .map(reason_from_wire)
            .collect::<Result<_, _>>()?,
        regions: assessment
            .regions
            .into_iter()
            .map(region_from_wire)
            .collect::<Result<_, _>>()?,
        others: assessment
            .others
            .into_iter()
            .map(other_from_wire)
            .collect::<Result<_, _>>()?,
    })
}

fn other_from_wire(other: v1::OtherAnswer) -> Result<OtherAnswer, DecodeError> {
    if MAX_ITEMS < other.findings.len() {
        return Err(DecodeError::Field {
            field: "other (too many findings)",
        });
    }
    Ok(OtherAnswer {
        model: model_from_wire(other.model.ok_or(DecodeError::Field { field: "other.model" })?)?,
        engine: other.engine.map(engine_from_wire).transpose()?,
        findings: other
            .findings
            .into_iter()
            .map(finding_from_wire)
            .collect::<Result<_, _>>()?,
    })
}

/// A box that reaches out of the picture would be drawn beside it.
fn region_from_wire(region: v1::FindingRegion) -> Result<FindingRegion, DecodeError> {
    const ROUNDING: f32 = 1e-4;
    let side = side_from_wire(region.side());
    let shares = [
        region.left,
        region.top,
        region.width,
        region.height,
        region.extent,
    ];
    let inside = region.left + region.width <= 1.0 + ROUNDING && region.top + region.height <= 1.0 + ROUNDING;
    if !inside || !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
        return Err(DecodeError::Field { field: "region" });
    }
    Ok(FindingRegion {
        finding: finding_code(region.finding)?,
        left: region.left,
        top: region.top,
        width: region.width,
        height: region.height,
        side,
        extent: region.extent,
    })
}

pub(crate) fn side_to_wire(side: Option<Side>) -> v1::Side {
    match side {
        None => v1::Side::Unspecified,
        Some(Side::Left) => v1::Side::Left,
        Some(Side::Right) => v1::Side::Right,
        Some(Side::Both) => v1::Side::Both,
    }
}

pub(crate) fn side_from_wire(side: v1::Side) -> Option<Side> {
    match side {
        v1::Side::Unspecified => None,
        v1::Side::Left => Some(Side::Left),
        v1::Side::Right => Some(Side::Right),
        v1::Side::Both => Some(Side::Both),
    }
}

/// Names that will stand on pages and in logs: short, printable ASCII.
fn short_name(text: String, field: &'static str) -> Result<String, DecodeError> {
    let plain = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
    plain.then_some(text).ok_or(DecodeError::Field { field })
}

fn model_from_wire(model: v1::Model) -> Result<ModelVersion, DecodeError> {
    Ok(ModelVersion {
        id: short_name(model.id, "model.id")?,
        version: short_name(model.version, "model.version")?,
        demonstration: model.demonstration,
    })
}

fn engine_from_wire(engine: v1::Engine) -> Result<EngineUse, DecodeError> {
    Ok(EngineUse {
        engine: short_name(engine.engine, "engine.engine")?,
        precision: short_name(engine.precision, "engine.precision")?,
    })
}

fn finding_from_wire(finding: v1::FindingResult) -> Result<FindingResult, DecodeError> {
    let call = match finding.call() {
        v1::Call::Positive => Call::Positive,
        v1::Call::Negative => Call::Negative,
        v1::Call::Unspecified => {
            return Err(DecodeError::Field {
                field: "finding.call",
            });
        }
    };
    Ok(FindingResult {
        code: finding_code(finding.code)?,
        score: Score::new(finding.score).ok_or(DecodeError::Field {
            field: "finding.score",
        })?,
        call,
        confidence: Score::new(finding.confidence).ok_or(DecodeError::Field {
            field: "finding.confidence",
        })?,
    })
}

pub(crate) fn finding_code(text: String) -> Result<FindingCode, DecodeError> {
    FindingCode::new(text).map_err(|_| DecodeError::Field {
        field: "finding.code",
    })
}

fn reason_from_wire(reason: v1::Reason) -> Result<Reason, DecodeError> {
    use v1::ReasonCode as Code;
    Ok(match reason.code() {
        Code::Confident => Reason::Confident,
        Code::UrgentFinding => Reason::UrgentFinding(finding_code(reason.finding)?),
        Code::LowConfidence => Reason::LowConfidence(finding_code(reason.finding)?),
        Code::PoorQuality => Reason::PoorQuality,
        Code::OutsideIntendedUse => Reason::OutsideIntendedUse,
        Code::NoModel => Reason::NoModel,
        Code::ModelFailed => Reason::ModelFailed,
        Code::IdentityConflict => Reason::IdentityConflict,
        Code::PictureOutside => Reason::PictureOutside,
        Code::Disagreement => Reason::Disagreement(finding_code(reason.finding)?),
        Code::PanelIncomplete => Reason::PanelIncomplete,
        Code::ModelTooSlow => Reason::ModelTooSlow,
        Code::SubgroupNotCovered => Reason::SubgroupNotCovered,
        Code::Unspecified => return Err(DecodeError::Field { field: "reason.code" }),
    })
}

fn problem_from_wire(problem: v1::QualityProblem) -> Result<QualityProblem, DecodeError> {
    Ok(match problem {
        v1::QualityProblem::Blank => QualityProblem::Blank,
        v1::QualityProblem::Overexposed => QualityProblem::Overexposed,
        v1::QualityProblem::Underexposed => QualityProblem::Underexposed,
        v1::QualityProblem::LowContrast => QualityProblem::LowContrast,
        v1::QualityProblem::LowResolution => QualityProblem::LowResolution,
        v1::QualityProblem::Undecodable => QualityProblem::Undecodable,
        v1::QualityProblem::DoseHigh => QualityProblem::DoseHigh,
        v1::QualityProblem::DoseLow => QualityProblem::DoseLow,
        v1::QualityProblem::AnatomyCut => QualityProblem::AnatomyCut,
        v1::QualityProblem::NotCollimated => QualityProblem::NotCollimated,
        v1::QualityProblem::Blurred => QualityProblem::Blurred,
        v1::QualityProblem::Rotated => QualityProblem::Rotated,
        v1::QualityProblem::Inverted => QualityProblem::Inverted,
        v1::QualityProblem::ViewMissing => QualityProblem::ViewMissing,
        v1::QualityProblem::LateralityMissing => QualityProblem::LateralityMissing,
        v1::QualityProblem::BodyPartMissing => QualityProblem::BodyPartMissing,
        v1::QualityProblem::BodyPartWrong => QualityProblem::BodyPartWrong,
        v1::QualityProblem::BurnedInText => QualityProblem::BurnedInText,
        v1::QualityProblem::SlicesMissing => QualityProblem::SlicesMissing,
        v1::QualityProblem::SlicesDoubled => QualityProblem::SlicesDoubled,
        v1::QualityProblem::SpacingUneven => QualityProblem::SpacingUneven,
        v1::QualityProblem::FramesBlack => QualityProblem::FramesBlack,
        v1::QualityProblem::FramesFrozen => QualityProblem::FramesFrozen,
        v1::QualityProblem::NoVideoDecoder => QualityProblem::NoVideoDecoder,
        v1::QualityProblem::VideoDiffers => QualityProblem::VideoDiffers,
        v1::QualityProblem::Unspecified => {
            return Err(DecodeError::Field {
                field: "quality_problems",
            });
        }
    })
}
