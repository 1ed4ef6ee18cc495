use std::sync::Arc;

use super::*;
use crate::case_index::samples::assessed;

fn policy() -> SitePolicy {
    toml::from_str(include_str!(
        "../../../../../provisioning/sites/policy.example.toml"
    ))
    .unwrap()
}

fn case(uid: &str, change: impl FnOnce(&mut CaseView)) -> Arc<CaseView> {
    let mut case = assessed(uid);
    case.patient = PatientText {
        name: "Wang".into(),
        id: "P1".into(),
        birth_date: "19700315".into(),
        study_date: "20261101".into(),
        ..PatientText::default()
    };
    change(&mut case);
    Arc::new(case)
}

fn said(allowed: bool, giver: Giver, at_ms: i64) -> Word {
    Word {
        allowed,
        giver,
        at_ms,
    }
}

fn ask(cases: &[Arc<CaseView>], for_what: ConsentFor) -> Because {
    Register::of_cases(cases)
        .answer(&policy(), &*cases[0], for_what)
        .because
}

#[test]
fn silence_is_no_for_research_and_what_the_site_says_for_learning() {
    let silent = [case("1.2.1", |_| {})];
    assert_eq!(ask(&silent, ConsentFor::Research), Because::SilenceForbids);
    assert_eq!(
        ask(&silent, ConsentFor::Learning),
        Because::SilenceForbids,
        "opt-in"
    );
    let register = Register::of_cases(&silent);
    let mut opt_out = policy();
    opt_out.learning.as_mut().unwrap().consent = super::super::Consent::OptOut;
    let answer = register.answer(&opt_out, &*silent[0], ConsentFor::Learning);
    assert_eq!((answer.because, answer.age), (Because::SilenceAllows, Age::Adult));
    let closed = SitePolicy::care_only();
    for for_what in [ConsentFor::Learning, ConsentFor::Research] {
        assert_eq!(
            register.answer(&closed, &*silent[0], for_what).because,
            Because::Policy
        );
    }
}

#[test]
fn a_word_is_the_patients_and_the_newest_stands() {
    let yes = said(true, Giver::Patient, 5);
    let no = said(false, Giver::Patient, 7);
    let with = |uid, word| case(uid, |case| case.labels.set_word(ConsentFor::Research, word));
    let plain = case("1.2.1", |_| {});
    assert_eq!(
        ask(&[plain.clone(), with("1.2.2", yes)], ConsentFor::Research),
        Because::Yes
    );
    assert_eq!(
        ask(
            &[plain.clone(), with("1.2.2", yes), with("1.2.3", no)],
            ConsentFor::Research
        ),
        Because::No,
        "withdrawn on another study"
    );
    let other_use = case("1.2.2", |case| case.labels.set_word(ConsentFor::Learning, yes));
    assert_eq!(
        ask(&[plain.clone(), other_use], ConsentFor::Research),
        Because::SilenceForbids
    );
    // Somebody else under the same number: their yes opens nothing, their no closes.
    for (word, expected) in [(yes, Because::SilenceForbids), (no, Because::No)] {
        let stranger = case("1.2.2", |case| {
            case.patient.name = "Li".into();
            case.labels.set_word(ConsentFor::Research, word);
        });
        assert_eq!(ask(&[plain.clone(), stranger], ConsentFor::Research), expected);
    }
    // Without a number nobody is known again.
    let nameless = |uid| {
        case(uid, |case| {
            case.patient.id.clear();
            case.labels.set_word(ConsentFor::Research, yes);
        })
    };
    let alone = case("1.2.1", |case| case.patient.id.clear());
    assert_eq!(
        ask(&[alone, nameless("1.2.2")], ConsentFor::Research),
        Because::SilenceForbids
    );
    assert_eq!(ask(&[nameless("1.2.2")], ConsentFor::Research), Because::Yes);
}

#[test]
fn a_minors_study_needs_the_guardians_word_also_years_later() {
    let minor = |word: Option<Word>| {
        case("1.2.1", |case| {
            case.patient.birth_date = "20081102".into();
            if let Some(word) = word {
                case.labels.set_word(ConsentFor::Research, word);
            }
        })
    };
    for (word, expected) in [
        (None, Because::GuardianNeeded),
        (Some(said(true, Giver::Patient, 1)), Because::GuardianNeeded),
        (Some(said(true, Giver::Guardian, 1)), Because::Yes),
        (Some(said(false, Giver::Patient, 1)), Because::No),
        (Some(said(false, Giver::Guardian, 1)), Because::No),
    ] {
        assert_eq!(ask(&[minor(word)], ConsentFor::Research), expected);
    }
    let grown = case("1.2.1", |case| case.patient.birth_date = "20081101".into());
    assert_eq!(
        ask(&[grown], ConsentFor::Research),
        Because::SilenceForbids,
        "18 on that day"
    );
}

#[test]
fn an_age_that_nobody_tells_is_what_the_policy_says() {
    let unknown = case("1.2.1", |case| {
        case.patient.birth_date = "unknown".into();
        case.labels
            .set_word(ConsentFor::Research, said(true, Giver::Patient, 1));
    });
    let register = Register::of_cases([&unknown]);
    let answer = register.answer(&policy(), &*unknown, ConsentFor::Research);
    assert_eq!(
        (answer.because, answer.age),
        (Because::GuardianNeeded, Age::Unknown { is_minor: true })
    );
    let mut trusting = policy();
    trusting.minors.unknown_age = UnknownAge::Adult;
    assert_eq!(
        register
            .answer(&trusting, &*unknown, ConsentFor::Research)
            .because,
        Because::Yes
    );
}

#[test]
fn the_younger_of_two_ages_counts() {
    let patient = |birth: &str, age: &str| PatientText {
        birth_date: birth.into(),
        age: age.into(),
        study_date: "20261101".into(),
        ..PatientText::default()
    };
    for (birth, age, expected) in [
        ("19700315", "", Some(56)),
        ("1970.03.15", "012Y", Some(12)),
        ("", "011M", Some(0)),
        ("20270101", "", None),
        ("18000101", "", None),
        ("", "12", None),
        ("", "岁岁岁", None),
    ] {
        assert_eq!(years(&patient(birth, age), 0), expected, "{birth} {age}");
    }
}
