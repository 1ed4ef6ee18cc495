//! The words on results, in English and Chinese beside each other: whoever opens one reads one of them.

use barefoot_domain::{FindingCode, FindingResult};

use super::Evidence;
use crate::report::codes::finding_name;
use crate::report::{self, Language};

pub(super) const NOTICE: &str = "AI-assisted, not a diagnosis";
pub(super) const NOTICE_ZH: &str = "人工智能辅助，非诊断结论";
pub(super) const DEMONSTRATION: &str = "Demonstration model, not for clinical use.";
pub(super) const DEMONSTRATION_ZH: &str = "演示模型，不得用于临床。";
pub(super) const NO_ANSWER: &str = "The model gave no answer.";
pub(super) const NO_ANSWER_ZH: &str = "人工智能未给出结论。";

/// `Pneumonia 肺炎`, or one word where both are the same.
pub(super) fn finding(evidence: &Evidence<'_>, code: &FindingCode) -> String {
    let in_language = |language| finding_name(code, evidence.names, language);
    both(&in_language(Language::En), &in_language(Language::Zh))
}

/// `Pneumonia 肺炎 87 %`: the score, to the percent.
pub(super) fn score(evidence: &Evidence<'_>, result: &FindingResult) -> String {
    let percent = (result.score.value() * 100.0).round();
    format!("{} {percent} %", finding(evidence, &result.code))
}

pub(super) fn both(english: &str, chinese: &str) -> String {
    if english == chinese {
        return english.to_owned();
    }
    format!("{english} {chinese}")
}

/// Why a person must look, or why none must soon.
pub(super) fn reasons(evidence: &Evidence<'_>, language: Language) -> Vec<String> {
    let reasons = evidence.assessment.reasons.iter();
    reasons
        .map(|reason| report::of_reason(reason, evidence.names, language))
        .collect()
}

/// What the picture shows below itself, most important first.
pub(super) fn band(evidence: &Evidence<'_>) -> Vec<String> {
    let assessment = evidence.assessment;
    let mut lines = Vec::new();
    for result in &assessment.findings {
        let call = both(
            report::of_call(result.call, Language::En),
            report::of_call(result.call, Language::Zh),
        );
        lines.push(format!("{} · {call}", score(evidence, result)));
    }
    if assessment.findings.is_empty() {
        lines.push(both(NO_ANSWER, NO_ANSWER_ZH));
    }
    for (language, colon, semicolon) in [(Language::En, ": ", "; "), (Language::Zh, "：", "；")] {
        let urgency = report::of_urgency(assessment.urgency, language);
        let reasons = reasons(evidence, language).join(semicolon);
        lines.push(format!("{urgency}{colon}{reasons}"));
    }
    let grade =
        [Language::En, Language::Zh].map(|language| report::of_grade(assessment.quality.grade, language));
    lines.push(format!("Image quality 影像质量: {}", grade.join(" ")));
    if let Some(model) = &assessment.model {
        let engine = assessment.engine.as_ref();
        let engine = engine.map(|used| format!(" ({} {})", used.engine, used.precision));
        lines.push(format!("Model 模型: {model}{}", engine.unwrap_or_default()));
        if model.demonstration {
            lines.push(both(DEMONSTRATION, DEMONSTRATION_ZH));
        }
    }
    let replaced = evidence
        .replaces
        .map(|before| format!(", replaces 取代 {before}"));
    lines.push(format!(
        "Study version 检查版本 {}{}",
        evidence.version,
        replaced.unwrap_or_default()
    ));
    lines
}
