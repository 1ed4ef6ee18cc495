use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::words::{Words, words};
use super::{Frame, Site};
use crate::people::caller::Signed;
use crate::people::guard::failed;
use crate::people::{
    AccountError, PersonView, Right, Role, SetUpCode, TypedProfile, Verified, language_word, tier_word,
};
use crate::web::{Chosen, html};

struct Row {
    person: PersonView,
    roles: String,
    tier: &'static str,
    state: &'static str,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeopleView {
    frame: Frame,
    rows: Vec<Row>,
}

struct RoleChoice {
    word: &'static str,
    label: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    frame: Frame,
    /// `None`: a new one.
    id: Option<String>,
    name: String,
    typed: TypedProfile,
    roles: Vec<RoleChoice>,
    tiers: Vec<(&'static str, &'static str)>,
    mistake: Option<String>,
    /// There is a sign-in provider.
    linkable: bool,
}

/// The code, shown this once.
#[derive(Template)]
#[template(path = "person_code.html")]
struct CodePage {
    frame: Frame,
    person: PersonView,
    code: String,
    link: String,
    hours: u32,
}

/// A form's fields; a box that is not ticked is not sent.
#[derive(Deserialize, Default)]
pub(super) struct Typed {
    #[serde(default)]
    name: String,
    display_name: String,
    title: String,
    institution: String,
    role_reader: Option<String>,
    role_chief: Option<String>,
    role_operator: Option<String>,
    role_maintainer: Option<String>,
    role_auditor: Option<String>,
    tier: String,
    subspecialties: String,
    language: String,
    active: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

impl Typed {
    fn profile(&self) -> TypedProfile {
        let roles: Vec<&str> = [
            (Role::Reader, &self.role_reader),
            (Role::Chief, &self.role_chief),
            (Role::Operator, &self.role_operator),
            (Role::Maintainer, &self.role_maintainer),
            (Role::Auditor, &self.role_auditor),
        ]
        .into_iter()
        .filter(|(_, ticked)| ticked.is_some())
        .map(|(role, _)| role.word())
        .collect();
        TypedProfile {
            display_name: self.display_name.clone(),
            title: self.title.clone(),
            institution: self.institution.clone(),
            roles: roles.join(" "),
            tier: self.tier.clone(),
            subspecialties: self.subspecialties.clone(),
            language: self.language.clone(),
            active: self.active.is_some(),
        }
    }
}

fn typed_of(person: &PersonView) -> TypedProfile {
    TypedProfile {
        display_name: person.display_name.clone(),
        title: person.title.clone(),
        institution: person.institution.clone(),
        roles: person.roles.to_string(),
        tier: tier_word(person.tier).to_owned(),
        subspecialties: person.subspecialties.join(" "),
        language: language_word(person.language).to_owned(),
        active: person.active,
    }
}

fn person_page(
    site: &Site,
    words: &'static Words,
    signed: &Signed,
    who: (Option<String>, String),
    typed: TypedProfile,
    mistake: Option<String>,
) -> Response {
    let roles = Role::ALL.into_iter().map(|role| RoleChoice {
        word: role.word(),
        label: words.role(role),
        chosen: typed.roles.split(' ').any(|word| word == role.word()),
    });
    html(&PersonPage {
        frame: Frame::of(words, signed),
        id: who.0,
        name: who.1,
        roles: roles.collect(),
        tiers: words.tiers().to_vec(),
        typed,
        mistake,
        linkable: site.people.provider_label().is_some(),
    })
}

pub(super) async fn list(State(site): State<Site>, signed: Signed, chosen: Chosen) -> Response {
    let words = words(site.language(chosen, Some(&signed)));
    let people = match site.people.list().await {
        Ok(people) => people,
        Err(error) => return failed(&error),
    };
    let row = |person: PersonView| Row {
        roles: words.roles(&person.roles),
        tier: words.tier(person.tier),
        state: match (person.active, person.set_up) {
            (false, _) => words.disabled,
            (true, false) => words.not_set_up,
            (true, true) => words.active,
        },
        person,
    };
    let view = PeopleView {
        frame: Frame::of(words, &signed),
        rows: people.into_iter().map(row).collect(),
    };
    chosen.remember(html(&view))
}

pub(super) async fn new(State(site): State<Site>, signed: Signed, chosen: Chosen) -> Response {
    let language = site.language(chosen, Some(&signed));
    let typed = TypedProfile {
        tier: "county".to_owned(),
        roles: "reader".to_owned(),
        language: language_word(language).to_owned(),
        active: true,
        ..TypedProfile::default()
    };
    chosen.remember(person_page(
        &site,
        words(language),
        &signed,
        (None, String::new()),
        typed,
        None,
    ))
}

pub(super) async fn add(
    State(site): State<Site>,
    signed: Signed,
    chosen: Chosen,
    Verified(Form(typed)): Verified<Form<Typed>>,
) -> Response {
    if let Err(forbidden) = signed.allow(Right::KeepPeople) {
        return forbidden.into_response();
    }
    let words = words(site.language(chosen, Some(&signed)));
    let profile = typed.profile();
    match site.people.add(signed.actor(), &typed.name, &profile).await {
        Ok(code) => code_page(&site, words, &signed, code),
        Err(error) => again(&site, words, &signed, (None, typed.name), profile, error),
    }
}

fn again(
    site: &Site,
    words: &'static Words,
    signed: &Signed,
    who: (Option<String>, String),
    typed: TypedProfile,
    error: AccountError,
) -> Response {
    let mistake = match error {
        AccountError::Failed(error) => return failed(&error),
        AccountError::Mistake(mistake) => words.mistake(mistake).to_owned(),
        AccountError::Taken => words.taken.to_owned(),
        other => other.to_string(),
    };
    let mut answer = person_page(site, words, signed, who, typed, Some(mistake));
    *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    answer
}

fn code_page(site: &Site, words: &'static Words, signed: &Signed, made: SetUpCode) -> Response {
    html(&CodePage {
        frame: Frame::of(words, signed),
        link: site.people.set_up_link(&made.code),
        person: made.person,
        code: made.code,
        hours: made.hours,
    })
}

pub(super) async fn person(
    State(site): State<Site>,
    signed: Signed,
    Path(id): Path<String>,
    chosen: Chosen,
) -> Response {
    let words = words(site.language(chosen, Some(&signed)));
    match site.people.person(&id).await {
        Ok(Some(person)) => {
            let who = (Some(person.id.clone()), person.name.clone());
            chosen.remember(person_page(&site, words, &signed, who, typed_of(&person), None))
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn change(
    State(site): State<Site>,
    signed: Signed,
    Path(id): Path<String>,
    chosen: Chosen,
    Verified(Form(typed)): Verified<Form<Typed>>,
) -> Response {
    if let Err(forbidden) = signed.allow(Right::KeepPeople) {
        return forbidden.into_response();
    }
    let words = words(site.language(chosen, Some(&signed)));
    let profile = typed.profile();
    let is_self = id == signed.person.id;
    let loses = !profile.active || !profile.roles.contains(Role::Operator.word());
    if is_self && loses {
        let who = (Some(id), signed.person.name.clone());
        let mut answer = person_page(
            &site,
            words,
            &signed,
            who,
            profile,
            Some(words.not_yourself.to_owned()),
        );
        *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return answer;
    }
    match site.people.change_profile(signed.actor(), &id, &profile).await {
        Ok(()) => Redirect::to("/people").into_response(),
        Err(AccountError::Unknown) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            let person = site.people.person(&id).await.ok().flatten();
            let name = person.map(|person| person.name).unwrap_or_default();
            again(&site, words, &signed, (Some(id), name), profile, error)
        }
    }
}

pub(super) async fn reset(
    State(site): State<Site>,
    signed: Signed,
    Path(id): Path<String>,
    chosen: Chosen,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    if let Err(forbidden) = signed.allow(Right::KeepPeople) {
        return forbidden.into_response();
    }
    let words = words(site.language(chosen, Some(&signed)));
    match site.people.reset(signed.actor(), &id).await {
        Ok(code) => code_page(&site, words, &signed, code),
        Err(AccountError::Failed(error)) => failed(&error),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
