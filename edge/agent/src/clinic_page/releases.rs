//! New models in words: what is on its way, what came of the last one.

use super::texts::{Problem, Texts, fill};
use crate::status::ReleaseStatus;

/// Lines for the list; empty on a box that gets no new models.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ReleaseLines {
    /// Beside the model's name.
    pub(super) on_trial: Option<String>,
    /// Nothing to do about these.
    pub(super) news: Vec<String>,
    /// The last model that did not stay, or what stands in the way of the next.
    pub(super) notices: Vec<String>,
    /// The button that looks at the stick.
    pub(super) stick: bool,
}

impl ReleaseLines {
    pub(super) fn of(status: &ReleaseStatus, texts: &Texts) -> Self {
        let t = &texts.release;
        let named = |text: &str, model: &str| fill(text, &[("model", model)]);
        let coming = status.coming.as_deref().map(|model| named(&t.coming, model));
        let beside = status.beside.as_deref().map(|model| named(&t.beside, model));
        let trouble = status
            .trouble
            .map(|code| fill(&t.trouble, &[("problem", word(code, texts))]));
        let ended = status.ended.as_ref().map(|(model, rolled_back, code)| {
            let text = if *rolled_back { &t.rolled_back } else { &t.refused };
            fill(text, &[("model", model), ("problem", word(code, texts))])
        });
        let stick = status
            .stick_trouble
            .map(|code| fill(&t.stick_trouble, &[("problem", word(code, texts))]));
        Self {
            on_trial: status.on_trial.then(|| t.on_trial.clone()),
            news: coming.into_iter().chain(beside).collect(),
            notices: trouble.into_iter().chain(ended).chain(stick).collect(),
            stick: status.stick,
        }
    }
}

/// A stable code as a clinic understands it: what to expect, and whom to ask, rather than how it was found out.
fn word<'a>(code: &str, texts: &'a Texts) -> &'a str {
    let Problem {
        untrusted,
        older,
        expired,
        not_whole,
        withdrawn,
        wrong_answers,
        failing,
        too_slow,
        crashed,
        damaged,
        commanded,
        clock,
        unreachable,
        disk,
        other,
    } = &texts.problem;
    match code {
        "unsigned" | "threshold" | "wrong_type" | "malformed" | "spec_version" | "mislabelled"
        | "not_listed" | "never_good_here" | "other_model" | "root" => untrusted,
        "rollback" | "downgrade" | "wrong_version" => older,
        "expired" | "freeze" => expired,
        "mix_and_match" | "wrong_target" | "wrong_length" | "too_large" | "missing" => not_whole,
        "withdrawn" => withdrawn,
        "golden" | "bundle" => wrong_answers,
        "failing" | "failed_in_shadow" => failing,
        "too_slow" => too_slow,
        "crashed" => crashed,
        "damaged" => damaged,
        "commanded" => commanded,
        "clock" => clock,
        "unreadable" | "no_source" => unreachable,
        "no_room" | "state" | "write" | "shelf" => disk,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::super::texts::Library;
    use super::*;

    #[test]
    fn what_happened_to_a_model_is_said_in_plain_words() {
        let library = Library::load().unwrap();
        let status = ReleaseStatus {
            on_trial: true,
            coming: Some("cxr 0.3.0".into()),
            ended: Some(("cxr 0.2.0".into(), true, "failing")),
            stick_trouble: Some("unsigned"),
            ..ReleaseStatus::default()
        };
        let en = ReleaseLines::of(&status, library.of(Language::En));
        assert_eq!(en.on_trial.as_deref(), Some("new, being watched"));
        assert_eq!(en.news, ["On its way: cxr 0.3.0"]);
        assert_eq!(
            en.notices,
            [
                "Model cxr 0.2.0 was taken back: it failed on pictures. The model before it answers.",
                "What is on the stick is not used: it is not signed as it must be."
            ]
        );
        let zh = ReleaseLines::of(&status, library.of(Language::Zh));
        assert!(zh.notices[0].contains("cxr 0.2.0"), "{:?}", zh.notices);
        assert_eq!(
            ReleaseLines::of(&ReleaseStatus::default(), library.of(Language::En)),
            ReleaseLines::default()
        );
    }
}
