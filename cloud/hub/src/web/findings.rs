use barefoot_imaging::report;

use crate::config::Language;

/// What a finding is called, on pages as on paper; `None` for one that stands on no list of ours.
pub(crate) fn finding_name(code: &str, language: Language) -> Option<&'static str> {
    let language = match language {
        Language::Zh => report::Language::Zh,
        Language::En => report::Language::En,
    };
    report::name_of(code, language)
}
