//! What the box concluded, in words. Pure: the domain and the texts in, sentences out.

use barefoot_domain::{
    Call, FindingCode, FindingRegion, FindingResult, QualityGrade, QualityProblem, Reason, Score, Side,
    Urgency,
};
use barefoot_imaging::report;

use super::Language;
use super::texts::{Texts, fill};
use crate::case_index::{CaseState, Delivery};
use crate::finding_names::FindingNames;
use crate::picture_quality::PictureQuality;
use crate::users::Roles;

/// Everything the words depend on beside the case itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wording<'a> {
    pub(super) texts: &'a Texts,
    pub(super) language: Language,
    pub(super) names: &'a FindingNames,
    pub(super) pictures: &'a PictureQuality,
    pub(super) review_below: f32,
    /// What whoever reads may do.
    pub(super) may: Roles,
    /// Minutes the clinic's time is ahead of UTC.
    pub(super) utc_offset_minutes: i32,
    /// By the hub's clock, as deadlines are.
    pub(super) now_hub_ms: i64,
    /// Whether the hub takes messages, where it has said so.
    pub(super) hub_talks: Option<bool>,
}

/// The traffic light: shape, symbol and word say the same as the colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Light {
    /// CSS class: colour and shape.
    pub(super) class: &'static str,
    pub(super) symbol: &'static str,
    pub(super) word: String,
    pub(super) hint: String,
}

/// One finding's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FindingLine {
    pub(super) class: &'static str,
    pub(super) text: String,
    pub(super) confidence: String,
}

/// How far the result has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeliveryLine {
    pub(super) class: &'static str,
    pub(super) symbol: &'static str,
    pub(super) text: String,
}

impl Wording<'_> {
    /// A light of a case that is still being worked on is never green, yellow or red: the answer may change.
    pub(super) fn light(&self, state: CaseState, urgency: Option<Urgency>) -> Light {
        let t = &self.texts.urgency;
        let (class, symbol, word, hint) = match (state, urgency) {
            (CaseState::Receiving, _) => ("pending", "…", &t.receiving, &t.receiving_hint),
            (CaseState::Assessing, _) | (CaseState::Assessed, None) => {
                ("pending", "…", &t.assessing, &t.assessing_hint)
            }
            (_, Some(Urgency::Critical)) => ("critical", "!", &t.critical, &t.critical_hint),
            (_, Some(Urgency::Review)) => ("review", "?", &t.review, &t.review_hint),
            (_, Some(Urgency::Routine)) => ("routine", "✓", &t.routine, &t.routine_hint),
        };
        Light {
            class,
            symbol,
            word: word.clone(),
            hint: hint.clone(),
        }
    }

    pub(super) fn finding(&self, result: &FindingResult) -> FindingLine {
        let t = &self.texts.finding;
        let sure = self.review_below <= result.confidence.value();
        let (class, text) = match (result.call, sure) {
            (Call::Positive, true) => ("likely", &t.likely),
            (Call::Positive, false) => ("possible", &t.possible),
            (Call::Negative, true) => ("not-seen", &t.not_seen),
            (Call::Negative, false) => ("unsure", &t.not_seen_unsure),
        };
        FindingLine {
            class,
            text: fill(text, &[("finding", &self.name(&result.code))]),
            confidence: self.confidence(result.confidence),
        }
    }

    pub(super) fn name(&self, code: &FindingCode) -> String {
        match (self.names.get(code), self.language) {
            (Some(name), Language::Zh) => name.zh,
            (Some(name), Language::En) => name.en,
            // What an expert has found may be in no bundle of this box.
            (None, language) => {
                let language = match language {
                    Language::Zh => report::Language::Zh,
                    Language::En => report::Language::En,
                };
                let known = report::name_of(code.as_str(), language);
                known.unwrap_or(code.as_str()).to_owned()
            }
        }
    }

    /// Never rounded up: 79.9 % must not read as the 80 % it fails to reach, and nothing is 100 % certain.
    fn confidence(&self, confidence: Score) -> String {
        let percent = whole_percent(confidence.value());
        let (text, percent) = match percent {
            100.. => (&self.texts.finding.confidence_over, 99),
            _ => (&self.texts.finding.confidence, percent),
        };
        fill(text, &[("percent", &percent.to_string())])
    }

    /// On which side of the patient, and how much of what was looked at.
    pub(super) fn region(&self, region: &FindingRegion) -> String {
        let t = &self.texts.result;
        let text = match region.side {
            None => &t.seen,
            Some(Side::Left) => &t.seen_left,
            Some(Side::Right) => &t.seen_right,
            Some(Side::Both) => &t.seen_both,
        };
        let percent = whole_percent(region.extent).max(1).to_string();
        fill(
            text,
            &[("finding", &self.name(&region.finding)), ("percent", &percent)],
        )
    }

    pub(super) fn reason(&self, reason: &Reason) -> String {
        let t = &self.texts.reason;
        match reason {
            Reason::Confident => t.confident.clone(),
            Reason::UrgentFinding(code) => fill(&t.urgent_finding, &[("finding", &self.name(code))]),
            Reason::LowConfidence(code) => fill(
                &t.low_confidence,
                &[
                    ("finding", &self.name(code)),
                    ("percent", &whole_percent(self.review_below).to_string()),
                ],
            ),
            Reason::PoorQuality => t.poor_quality.clone(),
            Reason::OutsideIntendedUse => t.outside_intended_use.clone(),
            Reason::NoModel => t.no_model.clone(),
            Reason::ModelFailed => t.model_failed.clone(),
            Reason::IdentityConflict => t.identity_conflict.clone(),
            Reason::PictureOutside => t.picture_outside.clone(),
            Reason::Disagreement(code) => fill(&t.disagreement, &[("finding", &self.name(code))]),
            Reason::PanelIncomplete => t.panel_incomplete.clone(),
            Reason::ModelTooSlow => t.model_too_slow.clone(),
            Reason::SubgroupNotCovered => t.subgroup_not_covered.clone(),
        }
    }

    pub(super) fn grade(&self, grade: QualityGrade) -> (&'static str, String) {
        let t = &self.texts.quality;
        match grade {
            QualityGrade::A => ("good", t.a.clone()),
            QualityGrade::B => ("usable", t.b.clone()),
            QualityGrade::C => ("poor", t.c.clone()),
        }
    }

    pub(super) fn advice(&self, problem: QualityProblem) -> String {
        let t = &self.texts.quality;
        match problem {
            QualityProblem::Blank => &t.blank,
            QualityProblem::Overexposed => &t.overexposed,
            QualityProblem::Underexposed => &t.underexposed,
            QualityProblem::LowContrast => &t.low_contrast,
            QualityProblem::LowResolution => &t.low_resolution,
            QualityProblem::Undecodable => &t.undecodable,
            QualityProblem::DoseHigh => &t.dose_high,
            QualityProblem::DoseLow => &t.dose_low,
            QualityProblem::AnatomyCut => &t.anatomy_cut,
            QualityProblem::NotCollimated => &t.not_collimated,
            QualityProblem::Blurred => &t.blurred,
            QualityProblem::Rotated => &t.rotated,
            QualityProblem::Inverted => &t.inverted,
            QualityProblem::ViewMissing => &t.view_missing,
            QualityProblem::LateralityMissing => &t.laterality_missing,
            QualityProblem::BodyPartMissing => &t.body_part_missing,
            QualityProblem::BodyPartWrong => &t.body_part_wrong,
            QualityProblem::BurnedInText => &t.burned_in_text,
            QualityProblem::SlicesMissing => &t.slices_missing,
            QualityProblem::SlicesDoubled => &t.slices_doubled,
            QualityProblem::SpacingUneven => &t.spacing_uneven,
            QualityProblem::FramesBlack => &t.frames_black,
            QualityProblem::FramesFrozen => &t.frames_frozen,
            QualityProblem::NoVideoDecoder => &t.no_video_decoder,
            QualityProblem::VideoDiffers => &t.video_differs,
        }
        .clone()
    }

    /// `None` while there is nothing to deliver.
    pub(super) fn delivery(&self, delivery: &Delivery) -> Option<DeliveryLine> {
        let t = &self.texts.delivery;
        let (class, symbol, text) = match delivery {
            Delivery::None => return None,
            Delivery::Queued { .. } => ("queued", "↑", t.queued.clone()),
            Delivery::Receipted { .. } => ("receipted", "✓", t.receipted.clone()),
            Delivery::Refused { reason, .. } => ("refused", "✕", fill(&t.refused, &[("reason", reason)])),
        };
        Some(DeliveryLine { class, symbol, text })
    }

    /// "X-ray (DX)"; the code alone when it has no word.
    pub(super) fn modality(&self, code: &str) -> String {
        match self.texts.modality.get(code) {
            _ if code.is_empty() => self.texts.study.unknown_modality.clone(),
            Some(word) if word == code => word.clone(),
            Some(word) => match self.language {
                Language::Zh => format!("{word}（{code}）"),
                Language::En => format!("{word} ({code})"),
            },
            None => code.to_owned(),
        }
    }

    pub(super) fn images(&self, count: usize) -> String {
        let t = &self.texts.study;
        match count {
            1 => t.image.clone(),
            _ => fill(&t.images_count, &[("n", &count.to_string())]),
        }
    }

    /// DICOM Patient's Sex (PS3.3 section C.7.1.1); anything else is shown as sent.
    pub(super) fn sex(&self, code: &str) -> String {
        let t = &self.texts.patient;
        match code {
            "M" => t.male.clone(),
            "F" => t.female.clone(),
            "O" => t.other.clone(),
            _ => code.to_owned(),
        }
    }
}

/// Rounded down; the cast loses nothing, because the value is a whole number from 0 to 100.
fn whole_percent(probability: f32) -> u32 {
    // The addend undoes what f32 loses of a decimal such as 0.58.
    (f64::from(probability) * 100.0 + 0.001).floor().clamp(0.0, 100.0) as u32
}

/// A DICOM date as people write it; what is no date is shown as sent.
pub(super) fn date(text: &str) -> String {
    match (text.get(..4), text.get(4..6), text.get(6..8)) {
        (Some(year), Some(month), Some(day)) if text.len() == 8 => format!("{year}-{month}-{day}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::texts::Library;
    use super::*;
    use crate::finding_names::FindingName;
    use crate::study_folder::StateDirectory;

    fn line(language: Language, call: Call, confidence: f32) -> (String, String) {
        let library = Library::load().unwrap();
        let code = FindingCode::new("pneumonia").unwrap();
        let name = FindingName {
            en: "Pneumonia".into(),
            zh: "肺炎".into(),
        };
        let names = [(code.clone(), name)].into_iter().collect();
        let folder = tempfile::tempdir().unwrap();
        let pictures = PictureQuality::open(&StateDirectory::open(folder.path()).unwrap()).unwrap();
        let wording = Wording {
            texts: library.of(language),
            language,
            names: &names,
            pictures: &pictures,
            review_below: 0.8,
            may: Roles::default(),
            utc_offset_minutes: 480,
            now_hub_ms: 0,
            hub_talks: None,
        };
        let confidence = Score::new(confidence).unwrap();
        let line = wording.finding(&FindingResult {
            code,
            score: confidence,
            call,
            confidence,
        });
        (line.text, line.confidence)
    }

    #[test]
    fn a_finding_is_worded_by_call_and_certainty() {
        let check = |language, call, confidence, text: &str, words: &str| {
            assert_eq!(
                line(language, call, confidence),
                (text.to_owned(), words.to_owned())
            );
        };
        check(
            Language::En,
            Call::Positive,
            0.93,
            "Pneumonia: likely",
            "confidence 93 %",
        );
        check(
            Language::En,
            Call::Positive,
            0.6,
            "Pneumonia: possible, not certain",
            "confidence 60 %",
        );
        check(
            Language::En,
            Call::Negative,
            0.97,
            "Pneumonia: not seen",
            "confidence 97 %",
        );
        check(Language::Zh, Call::Positive, 0.93, "肺炎：疑似", "置信度 93%");
        check(
            Language::Zh,
            Call::Negative,
            0.5,
            "肺炎：未见，但把握不足",
            "置信度 50%",
        );
    }

    #[test]
    fn confidence_is_never_rounded_up() {
        let confidence = |value| line(Language::En, Call::Positive, value).1;
        assert_eq!(confidence(0.799), "confidence 79 %");
        assert_eq!(confidence(0.58), "confidence 58 %");
        assert_eq!(confidence(0.999), "confidence 99 %");
        assert_eq!(confidence(1.0), "confidence over 99 %");
    }

    #[test]
    fn dates_are_spread_only_when_they_are_dates() {
        assert_eq!(date("19800131"), "1980-01-31");
        for odd in ["", "1980", "约1980", "1980-01-31"] {
            assert_eq!(date(odd), odd);
        }
    }
}
