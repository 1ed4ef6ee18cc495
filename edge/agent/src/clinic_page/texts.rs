//! The page's texts. One typed structure for both languages: a key that is missing, superfluous or misspelt is an
//! error when the file is read, and one that is used without being there does not compile.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;

use super::Language;

const ZH: &str = include_str!("../../assets/lang/zh.toml");
const EN: &str = include_str!("../../assets/lang/en.toml");

macro_rules! words {
    ($($section:ident { $($key:ident),+ $(,)? })+) => {$(
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $section {
            $(pub(super) $key: String,)+
        }
    )+};
}

words! {
    Page { title, decides, demonstration, stale, skip, language, back, allowed, empty_filter, more, places, sound_on, sound_off, certificate }
    StatusTexts {
        heading, clinic, connected, no_line, since, nothing_waits, waiting, model, model_opening, no_model, no_model_why, space_low, space_full,
        space_advice, identity_refused, identity_ending, clock_wrong,
        quarantined, quarantined_advice, attention,
    }
    Scanner { refused, attempts, advice, allow }
    Release { on_trial, coming, beside, trouble, refused, rolled_back, stick, stick_trouble, looked }
    Exchange {
        heading, link, import_heading, import_advice, all_folders, start, cancel, no_import, no_medium, listing,
        running, done, cancelled, failed, kept, duplicates, conflicts, others, refused, missing, cut, trouble,
        nodes_heading, no_nodes, nothing_waits, waiting, last_sent, aside, again,
    }
    Orders {
        heading, link, new_heading, advice, add, added, name, latin_name, patient_id, birth_date, sex, modality,
        description, date, time, scanner, referring_physician, accession, list_heading, none, more, started, take_back,
        missing, too_long, character, not_a_date, not_a_time, not_a_choice,
    }
    Problem {
        untrusted, older, expired, not_whole, withdrawn, wrong_answers, failing, too_slow, crashed, damaged, commanded,
        clock, unreachable, disk, other,
    }
    Age { moment, minutes, hours, days }
    Filter { heading, all, critical, review }
    Empty { heading, intro, ae_title, address, address_value, port, then, unknown }
    SelfTestTexts {
        heading, intro, start, result, all_well, not_well, passed, failed, left, marked,
        door, door_advice, door_left, picture, picture_advice, quality, quality_advice, model, model_advice, model_left,
        disk, disk_advice, queue, queue_advice, hub, hub_advice, removed, removed_advice,
    }
    ScannerCard { heading, link, intro, addresses, several, only_here, tls_port, tls_note, calling }
    UrgencyTexts {
        critical, critical_hint, review, review_hint, routine, routine_hint, receiving, receiving_hint, assessing,
        assessing_hint,
    }
    Finding { likely, possible, not_seen, not_seen_unsure, confidence, confidence_over }
    ResultTexts { heading, not_assessed, earlier, why, seen, seen_left, seen_right, seen_both }
    ReasonTexts {
        confident, urgent_finding, low_confidence, poor_quality, outside_intended_use, no_model, model_failed,
        identity_conflict, picture_outside, disagreement, panel_incomplete, model_too_slow, subgroup_not_covered,
    }
    Quality {
        heading, so_far, intro, none, day, pictures, commonest, count, no_scanner, a, b, c, blank, overexposed, underexposed, low_contrast, low_resolution, undecodable,
        dose_high, dose_low, anatomy_cut, not_collimated, blurred, rotated, inverted, view_missing, laterality_missing, body_part_missing, body_part_wrong, burned_in_text, slices_missing, slices_doubled, spacing_uneven, frames_black, frames_frozen, no_video_decoder, video_differs,
    }
    DeliveryTexts { heading, queued, receipted, refused }
    Conflict { heading, text }
    Confirm {
        heading, hint, open, clinic_present, clinic_absent, expert_present, expert_absent, present, absent,
        consent_heading, consent_none, consent_yes, consent_yes_guardian, consent_no, consent_no_guardian, consent_opt_out,
        consent_opt_in, consent_minor, consent_unknown_age, research_none, research_yes, research_yes_guardian, research_no,
        research_no_guardian, research_silent, research_minor, research_unknown_age, who, patient, guardian, allow, forbid,
    }
    LearningTexts {
        heading, no_policy, no_hub, examples, pending, site_fit, last, taking_part, contributed, declined, refused,
        reason_no_policy, reason_policy, reason_budget, reason_too_few_examples, reason_other_model, reason_failed,
        spent, spent_unbounded, closed,
    }
    Patient { unnamed, guessed, guessed_hint, id, sex, birth_date, male, female, other }
    Study {
        heading, modality, unknown_modality, images, image, images_count, received, removed, assessed, version, model,
        engine, study_uid, case, case_hint,
    }
    PriorTexts { heading, change, more, less, same, other_model }
    Picture { alt, alt_heat, none, pending, heat_map, heat_hint, presented, without, without_hint }
    ErrorTexts { missing_heading, missing, refused_heading, refused, failed_heading, failed, no_fonts, no_pdf }
    Expert {
        arrivals, arrived, addendum_arrived, ask_waits, ask_refused, waiting, being_read, second_read, images_wanted,
        report_follows, read, withdrawn, due, overdue, county, city, province,
    }
    Talk {
        heading, form_heading, hint, text, ask, send, back, not_sent, clinic, expert, expert_named, asked,
        wants_images, waits, waits_for_hub, arrived, refused, seen, message_arrived, post_doctor, post_technician,
        empty, too_long, too_many, not_by_policy, too_early, names_patient, names_name, names_id, names_birth_date, names_accession,
        names_number,
    }
    ReportTexts {
        heading, addendum, reports, withheld, description, impression, advice, present, absent, possible, left,
        right, both, first_reader, second_reader, adjudicator, signed_by, verified, assisted, unassisted, have_read,
        was_read, was_read_by, print, print_now, sheet, patient, number, marked_alt, no_image,
    }
    Days {
        today, yesterday, day, show, all, search, search_hint, find, search_heading, found, found_none, found_more,
    }
    FirstBootTexts {
        heading, intro, hub, code, button, stick, of_a_stick, done, address, code_wrong, unreachable, not_the_hub,
        unknown_code, expired_code, cancelled_code, used_code, shut_out, refused, answer, store,
    }
    SignInTexts {
        heading, button, out, wrong, locked, trouble, first, make_first, nobody, not_allowed_heading, not_allowed,
    }
    People {
        heading, is_off, done, name, pin, new_pin, again, own_pin, set_pin, roles, doctor, technician, manager, save,
        remove, add_heading, add, was_locked, differ, bad_name, name_taken, bad_pin, no_role, last_manager, too_many,
        unknown,
    }
    PolicyTexts {
        heading, intro, who_changes, absent, older, lost, done, results, results_text, images, images_none, images_text, images_off,
        dates_shifted, dates_kept, characteristics_kept, characteristics_removed, so_far_images, messages, messages_yes, messages_no,
        stick, stick_yes, stick_no, node, node_originals, node_deidentified, node_nothing, so_far_node, learning,
        learning_none, learning_text, learning_opt_in, learning_opt_out, learning_rounds, learning_no_rounds,
        learning_models, learning_hours, so_far_learning, research, research_none, research_text, research_removed, research_shifted,
        research_sex_age, research_nobody, research_names_recipient, research_names_export, so_far_research, minors,
        minors_text, minors_unknown_minor, minors_unknown_adult, never, never_text, change, urgencies, critical, review,
        routine, dates, shifted, kept, keep_characteristics, trust_clean, free_text, allow_stick, nodes_heading, unlisted,
        originals, deidentified, nothing, minor_age, unknown_age, as_minor, as_adult, learn, off, opt_in, opt_out,
        follow_site, join_rounds, models, models_hint, cohort, clip_norm, noise, secure, required, allowed, refused, epsilon,
        delta, examples, hours_from, hours_to, hours_hint, take_off, add_recipient, name, purpose, removed, keep_sex_age, names, per_recipient, per_export, until, manager,
        no_manager, pin, save, confirm_heading, confirm_text, loosens, confirm_button, back, wrong, wrong_pin, locked,
        meanwhile, failed,
    }
    WallTexts {
        heading, today, critical, review, waiting, overdue, arrived, nothing, case, urgency, expert,
    }
    FaultTexts {
        heading, what, note, voice, voice_hint, record, stop, make, no_sound,
    }
    AsideTexts {
        notice, look, heading, advice, none, clear,
    }
}

/// All texts of one language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    pub(super) page: Page,
    pub(super) status: StatusTexts,
    pub(super) scanner: Scanner,
    pub(super) release: Release,
    pub(super) exchange: Exchange,
    pub(super) orders: Orders,
    pub(super) problem: Problem,
    pub(super) age: Age,
    pub(super) filter: Filter,
    pub(super) empty: Empty,
    pub(super) scanner_card: ScannerCard,
    pub(super) self_test: SelfTestTexts,
    pub(super) urgency: UrgencyTexts,
    pub(super) finding: Finding,
    pub(super) result: ResultTexts,
    pub(super) reason: ReasonTexts,
    pub(super) quality: Quality,
    pub(super) delivery: DeliveryTexts,
    pub(super) conflict: Conflict,
    pub(super) confirm: Confirm,
    pub(super) learning: LearningTexts,
    pub(super) patient: Patient,
    pub(super) study: Study,
    pub(super) prior: PriorTexts,
    pub(super) picture: Picture,
    pub(super) error: ErrorTexts,
    pub(super) expert: Expert,
    pub(super) talk: Talk,
    pub(super) report: ReportTexts,
    pub(super) days: Days,
    pub(super) sign_in: SignInTexts,
    pub(super) first_boot: FirstBootTexts,
    pub(super) people: People,
    pub(super) policy: PolicyTexts,
    pub(super) wall: WallTexts,
    pub(super) fault: FaultTexts,
    pub(super) aside: AsideTexts,
    /// Keys and values of a policy; one that is not here is shown as it is.
    pub(super) policy_words: BTreeMap<String, String>,
    /// By DICOM modality code; a code that is not here is shown as it is.
    pub(super) modality: BTreeMap<String, String>,
}

/// Both languages. Boxed: there are some hundred texts.
#[derive(Debug)]
pub(super) struct Library {
    zh: Box<Texts>,
    en: Box<Texts>,
}

impl Library {
    /// # Errors
    /// When an embedded language file is wrong; a test reads them, so a built program does not meet it.
    pub(super) fn load() -> io::Result<Self> {
        Ok(Self {
            zh: Box::new(read(ZH)?),
            en: Box::new(read(EN)?),
        })
    }

    pub(super) fn of(&self, language: Language) -> &Texts {
        match language {
            Language::Zh => &self.zh,
            Language::En => &self.en,
        }
    }
}

fn read(text: &str) -> io::Result<Texts> {
    toml::from_str(text).map_err(io::Error::other)
}

/// Puts `values` into the `{…}` places of `text`, in one pass: a value that looks like a place stays a value.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let place = after.split_once('}');
        let value = place.and_then(|(name, _)| values.iter().find(|(key, _)| *key == name));
        match (place, value) {
            (Some((_, behind)), Some((_, value))) => {
                filled.push_str(value);
                rest = behind;
            }
            _ => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn flat(text: &str) -> BTreeMap<String, String> {
        let table: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(text).unwrap();
        table
            .into_iter()
            .flat_map(|(section, keys)| {
                keys.into_iter()
                    .map(move |(key, value)| (format!("{section}.{key}"), value))
            })
            .collect()
    }

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}').map(|(name, _)| name))
            .collect()
    }

    #[test]
    fn both_languages_have_every_text_and_the_same_places() {
        Library::load().unwrap();
        let (zh, en) = (flat(ZH), flat(EN));
        assert_eq!(zh.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
        for (key, text) in &zh {
            assert!(
                !text.trim().is_empty() && !en[key].trim().is_empty(),
                "{key} is empty"
            );
            assert_eq!(places(text), places(&en[key]), "{key} has other places");
        }
    }

    #[test]
    fn a_wrong_language_file_is_refused() {
        assert!(read(&EN.replace("skip =", "skipp =")).is_err());
        assert!(read(&format!("{EN}\n[extra]\nkey = \"x\"")).is_err());
    }

    #[test]
    fn values_are_filled_in_once() {
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "2")]), "{b} and 2");
        assert_eq!(fill("left {open", &[("open", "x")]), "left {open");
        assert_eq!(fill("{unknown}", &[]), "{unknown}");
        assert_eq!(fill("无", &[]), "无");
    }
}
