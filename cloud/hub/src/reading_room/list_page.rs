use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use barefoot_domain::{ClinicId, Urgency};
use serde::Deserialize;
use time::UtcOffset;

use super::words::Words;
use super::{Room, allow, failed};
use crate::archive::{Case, CaseKey, Error, Filter, MOST_COUNTED, Scope};
use crate::clock::now_ms;
use crate::people::{Right, Signed};
use crate::web::{html, iso_time, local_time};
use crate::worklist::life::State as CaseState;

/// Cases on one page.
const SHOWN: u32 = 50;

/// What of the list is wanted.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    scope: String,
    #[serde(default)]
    modality: String,
    #[serde(default)]
    clinic: String,
    #[serde(default)]
    urgency: String,
    #[serde(default)]
    tier: String,
    page: Option<u32>,
}

#[derive(Template)]
#[template(path = "worklist.html")]
struct PageView {
    words: &'static Words,
    nav: Nav,
    scopes: Vec<Choice>,
    urgencies: Vec<Choice>,
    modality: String,
    clinic: String,
    only_tier: bool,
    ai_hidden: bool,
    source: String,
    list: ListView,
}

#[derive(Template)]
#[template(path = "worklist_list.html")]
pub(super) struct ListView {
    words: &'static Words,
    alarms: Vec<Row>,
    rows: Vec<Row>,
    total: String,
    first: u32,
    last: u32,
    previous: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "said.html")]
pub(super) struct SaidView {
    pub(super) words: &'static Words,
    pub(super) text: String,
    pub(super) onward: String,
}

/// The head of every page of the room.
#[derive(Debug, Clone)]
pub(super) struct Nav {
    pub(super) name: String,
    pub(super) here: &'static str,
    pub(super) csrf: String,
    pub(super) keeps_roster: bool,
}

impl Nav {
    pub(super) fn new(signed: &Signed, here: &'static str) -> Self {
        Self {
            name: signed.person.display_name.clone(),
            here,
            csrf: signed.csrf.clone(),
            keeps_roster: signed.person.may(Right::KeepRoster),
        }
    }
}

pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) name: &'static str,
    pub(super) chosen: bool,
}

struct Row {
    address: String,
    number: i64,
    urgency_class: &'static str,
    urgency: &'static str,
    modality: String,
    clinic: String,
    quality: String,
    reasons: Vec<String>,
    state: &'static str,
    tier: &'static str,
    due: String,
    due_iso: String,
    late: bool,
    remark: Vec<&'static str>,
}

/// The class of a colour.
pub(super) fn urgency_class(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Critical => "critical",
        Urgency::Review => "review",
        Urgency::Routine => "routine",
    }
}

pub(super) async fn page(State(room): State<Room>, signed: Signed, Query(asked): Query<Asked>) -> Response {
    if let Err(refusal) = allow(&signed, Right::SeeCases) {
        return *refusal;
    }
    let words = room.words(&signed);
    let built = async {
        let list = view(&room, &signed, &asked).await?;
        let ai_hidden = room.archive.hides_ai(&signed.person.id).await?;
        Ok::<_, Error>((list, ai_hidden))
    };
    match built.await {
        Ok((list, ai_hidden)) => html(&PageView {
            words,
            nav: Nav::new(&signed, "worklist"),
            scopes: [
                ("", words.open),
                ("mine", words.mine),
                ("done", words.done),
                ("all", words.all),
                ("teaching", words.teaching),
            ]
            .map(|(value, name)| Choice {
                value,
                name,
                chosen: asked.scope == value,
            })
            .into(),
            urgencies: [
                ("", words.any),
                ("critical", words.urgency(Urgency::Critical)),
                ("review", words.urgency(Urgency::Review)),
            ]
            .map(|(value, name)| Choice {
                value,
                name,
                chosen: asked.urgency == value,
            })
            .into(),
            modality: asked.modality.clone(),
            clinic: asked.clinic.clone(),
            only_tier: !asked.tier.is_empty(),
            ai_hidden,
            source: format!("/worklist/list?{}", asked.query(asked.page.unwrap_or(1))),
            list,
        }),
        Err(error) => failed(&error, words.language),
    }
}

/// The part that changes, for the script to swap in.
pub(super) async fn list(State(room): State<Room>, signed: Signed, Query(asked): Query<Asked>) -> Response {
    if let Err(refusal) = allow(&signed, Right::SeeCases) {
        return *refusal;
    }
    match view(&room, &signed, &asked).await {
        Ok(list) => html(&list).into_response(),
        Err(error) => failed(&error, room.words(&signed).language),
    }
}

impl Asked {
    fn query(&self, page: u32) -> String {
        let page = page.to_string();
        let pairs = [
            ("scope", self.scope.as_str()),
            ("modality", self.modality.as_str()),
            ("clinic", self.clinic.as_str()),
            ("urgency", self.urgency.as_str()),
            ("tier", self.tier.as_str()),
            ("page", page.as_str()),
        ];
        let kept: Vec<(&str, &str)> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        serde_urlencoded::to_string(kept).unwrap_or_default()
    }

    fn filter(&self, signed: &Signed) -> Filter {
        let scope = match self.scope.as_str() {
            "mine" => Scope::Mine,
            "done" => Scope::Done,
            "all" | "teaching" => Scope::All,
            _ => Scope::Open,
        };
        Filter {
            scope,
            person: signed.person.id.clone(),
            tier: signed.person.tier,
            kinds: signed.person.subspecialties.clone(),
            modality: Some(self.modality.trim().to_uppercase()).filter(|modality| !modality.is_empty()),
            clinic: ClinicId::new(self.clinic.trim()).ok(),
            urgency: match self.urgency.as_str() {
                "critical" => Some(Urgency::Critical),
                "review" => Some(Urgency::Review),
                _ => None,
            },
            only_tier: (!self.tier.is_empty()).then_some(signed.person.tier),
            teaching: self.scope == "teaching",
            offset: self.page.unwrap_or(1).saturating_sub(1).saturating_mul(SHOWN),
            limit: SHOWN,
        }
    }
}

async fn view(room: &Room, signed: &Signed, asked: &Asked) -> Result<ListView, Error> {
    let words = room.words(signed);
    let filter = asked.filter(signed);
    let (offset, now) = (filter.offset, now_ms());
    let page = room.archive.list_cases(&filter).await?;
    let late = Filter {
        scope: Scope::Open,
        modality: None,
        clinic: None,
        urgency: Some(Urgency::Critical),
        only_tier: None,
        teaching: false,
        offset: 0,
        limit: 5,
        ..filter
    };
    let alarms = room.archive.list_cases(&late).await?.cases;
    let person = signed.person.id.as_str();
    // Why a case is here mostly says what the model found.
    let hides_ai = room.archive.hides_ai(person).await?;
    let row = |case: &Case| {
        let mut row = row(words, room.look.offset, case, person, now);
        if hides_ai && case.life.state.is_open() {
            row.reasons.clear();
        }
        row
    };
    let shown = u32::try_from(page.cases.len()).unwrap_or(u32::MAX);
    let number = asked.page.unwrap_or(1).max(1);
    Ok(ListView {
        words,
        alarms: alarms
            .iter()
            .filter(|case| case.life.overdue && !case.life.state.is_held())
            .map(row)
            .collect(),
        rows: page.cases.iter().map(row).collect(),
        total: if page.total < MOST_COUNTED {
            page.total.to_string()
        } else {
            format!("{}+", page.total)
        },
        first: if shown == 0 { 0 } else { offset.saturating_add(1) },
        last: offset.saturating_add(shown),
        previous: (1 < number).then(|| format!("/worklist?{}", asked.query(number - 1))),
        next: page
            .goes_on
            .then(|| format!("/worklist?{}", asked.query(number.saturating_add(1)))),
    })
}

fn row(words: &'static Words, offset: UtcOffset, case: &Case, person: &str, now: i64) -> Row {
    let life = &case.life;
    let key = CaseKey {
        clinic: case.clinic.clone(),
        case: case.case.clone(),
    };
    let mut remark = Vec::new();
    let offered = |mine: bool| {
        life.offer
            .as_ref()
            .is_some_and(|offer| now < offer.until_ms && (offer.person == person) == mine)
    };
    if offered(true) {
        remark.push(words.offered_to_you);
    }
    if offered(false) {
        remark.push(words.offered);
    }
    if life.is_held_by(person) {
        remark.push(words.your_case);
    }
    if case.asked {
        remark.push(words.asked);
    }
    if case.unseen != 0 {
        remark.push(words.new_message);
    }
    if life.second_wanted {
        remark.push(words.second_is_wanted);
    }
    let open = life.state.is_open();
    let shown_at = if open {
        life.due_ms
    } else {
        case.signed_at_ms.unwrap_or(case.opened_at_ms)
    };
    Row {
        address: super::address(&key),
        number: case.number,
        urgency_class: urgency_class(life.urgency),
        urgency: words.urgency(life.urgency),
        modality: if case.modality.is_empty() {
            "?".to_owned()
        } else {
            case.modality.clone()
        },
        clinic: case.clinic.as_str().to_owned(),
        quality: case.quality.clone(),
        reasons: case.reasons.iter().map(|word| words.reason(word)).collect(),
        state: words.state(life.state, life.stage),
        tier: words.tier(life.tier),
        due: match (
            open,
            life.due_ms < now || life.overdue,
            life.state == CaseState::Withdrawn,
        ) {
            (true, true, _) => words.overdue.to_owned(),
            (true, false, _) => words.span(life.due_ms - now),
            (false, _, true) => String::new(),
            (false, _, false) => local_time(shown_at, offset),
        },
        due_iso: iso_time(shown_at),
        late: open && life.overdue,
        remark,
    }
}
