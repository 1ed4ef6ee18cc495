use barefoot_domain::QualityProblem;
use barefoot_imaging::report;

use crate::config::Language;

/// What a finding is called, on pages as on paper; `None` for one that stands on no list of ours.
pub(crate) fn finding_name(code: &str, language: Language) -> Option<&'static str> {
    report::name_of(code, on_paper(language))
}

/// What is wrong with a picture, on pages as on paper.
pub(crate) fn problem_name(problem: QualityProblem, language: Language) -> &'static str {
    report::name_of_problem(problem, on_paper(language))
}

fn on_paper(language: Language) -> report::Language {
    match language {
        Language::Zh => report::Language::Zh,
        Language::En => report::Language::En,
    }
}
