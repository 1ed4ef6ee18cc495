mod form;

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use barefoot_domain::{Author, Call, Subject};
use barefoot_wire::{StudyResult, decode_report};

use self::form::{Form, form};
use super::list_page::{Nav, urgency_class};
use super::words::Words;
use super::{
    CasePath, Room, address, allow, failed, findings, key_of, not_found, object, reader, report_page,
    statements,
};
use crate::archive::{Case, CaseKey, Error, HistoryLine, StoredMessage};
use crate::audit::Action;
use crate::clock::now_ms;
use crate::people::{PersonView, Right, Signed};
use crate::viewer_assets;
use crate::web::{html, iso_time, local_time};
use crate::worklist::life::{Stage, State as CaseState};

#[derive(Template)]
#[template(path = "case.html")]
struct PageView {
    words: &'static Words,
    nav: Nav,
    address: String,
    number: i64,
    case_full: String,
    clinic: String,
    modality: String,
    urgency_class: &'static str,
    urgency: &'static str,
    state: &'static str,
    tier: &'static str,
    due: Option<(String, String)>,
    late: bool,
    quality: String,
    reasons: Vec<String>,
    asked: bool,
    holder: Option<String>,
    /// This reader holds it.
    mine: bool,
    may_claim: bool,
    takes_over: bool,
    /// Why it cannot be claimed.
    closed_to_me: Option<&'static str>,
    is_chief: bool,
    teaching: bool,
    ai: Ai,
    opinions_of_clinic: Vec<(String, &'static str)>,
    form: Option<Form>,
    earlier: Vec<Earlier>,
    reports: Vec<report_page::Shown>,
    may_add: bool,
    needs_code: bool,
    messages: Vec<MessageView>,
    history: Vec<(String, String, String)>,
    pictures: Pictures,
    readers: Vec<(String, String)>,
}

/// What the model said, or that it is hidden.
enum Ai {
    Hidden,
    Shown {
        findings: Vec<AiFinding>,
        model: String,
        demonstration: bool,
    },
}

struct AiFinding {
    name: String,
    positive: bool,
    call: &'static str,
    score: String,
    confidence: String,
}

/// What a reader before said, for who decides.
struct Earlier {
    name: String,
    at: String,
    impression: String,
    description: String,
    statements: Vec<String>,
}

struct MessageView {
    from_clinic: bool,
    name: String,
    at: String,
    text: String,
    subject: Option<&'static str>,
}

/// How the images are shown.
enum Pictures {
    /// None is here.
    Awaited,
    Viewer {
        script: String,
        style: String,
        description: String,
    },
    Drawn(Vec<Drawn>),
}

struct Drawn {
    address: String,
    number: usize,
}

pub(super) async fn page(State(room): State<Room>, signed: Signed, Path(path): Path<CasePath>) -> Response {
    let words = room.words(&signed);
    if let Err(refusal) = allow(&signed, Right::SeeCases) {
        return *refusal;
    }
    let Some(key) = key_of(path) else {
        return not_found(words);
    };
    let case = match room.archive.case(&key).await {
        Ok(Some(case)) => case,
        Ok(None) => return not_found(words),
        Err(error) => return failed(&error, words.language),
    };
    match view(&room, &signed, &key, case).await {
        Ok(page) => viewer_assets::on_a_case_page(html(&page)),
        Err(error) => failed(&error, words.language),
    }
}

async fn view(room: &Room, signed: &Signed, key: &CaseKey, case: Case) -> Result<PageView, Error> {
    let words = room.words(signed);
    let archive = &room.archive;
    room.note(signed, Action::ViewCase, object(key), "").await?;
    let people: HashMap<String, PersonView> = room
        .people
        .list()
        .await
        .map_err(|_| Error::Stored { what: "account" })?
        .into_iter()
        .map(|person| (person.id.clone(), person))
        .collect();
    let name = |id: &str| {
        people
            .get(id)
            .map_or_else(|| id.to_owned(), |person| person.display_name.clone())
    };
    let person = signed.person.id.as_str();
    let life = &case.life;
    let mine = life.is_held_by(person);
    let result = archive.newest_result(key).await?;
    let hidden =
        archive.hides_ai(person).await? && life.state.is_open() && !archive.has_seen_ai(key, person).await?;
    let claimable = room.worklist.may_claim(&case, &reader(signed)).await;
    let reads = signed.person.may(Right::SignReports);
    if mine && case.unseen != 0 {
        archive.messages_seen(key).await?;
    }
    let form = if mine {
        Some(form(room, signed, key, &case, result.as_ref(), hidden).await?)
    } else {
        None
    };
    let earlier = match (life.stage, mine || life.state == CaseState::Signed) {
        (Stage::Adjudication, true) => earlier(room, key, &case, words, &name).await?,
        _ => Vec::new(),
    };
    let reports = report_page::of_case(room, words, key).await?;
    let now = now_ms();
    let at = |ms: i64| local_time(ms, room.look.offset);
    Ok(PageView {
        words,
        nav: Nav::new(signed, "case"),
        address: address(key),
        number: case.number,
        case_full: key.case.as_str().to_owned(),
        clinic: key.clinic.as_str().to_owned(),
        modality: case.modality.clone(),
        urgency_class: urgency_class(life.urgency),
        urgency: words.urgency(life.urgency),
        state: words.state(life.state, life.stage),
        tier: words.tier(life.tier),
        due: life.state.is_open().then(|| {
            let left = words.span(life.due_ms - now);
            let text = if life.due_ms < now {
                words.overdue.to_owned()
            } else {
                left
            };
            (text, iso_time(life.due_ms))
        }),
        late: life.state.is_open() && life.overdue,
        quality: case.quality.clone(),
        reasons: if hidden {
            Vec::new()
        } else {
            case.reasons.iter().map(|word| words.reason(word)).collect()
        },
        asked: case.asked,
        holder: life
            .lease
            .as_ref()
            .filter(|_| life.state.is_held() && !mine)
            .map(|lease| name(&lease.person)),
        mine,
        may_claim: reads && !mine && claimable.is_ok(),
        takes_over: life.state.is_held(),
        closed_to_me: match &claimable {
            Err(error) if reads && !mine && life.state.is_open() => Some(words.refusal(error)),
            _ => None,
        },
        is_chief: signed.person.may(Right::WithdrawCases),
        teaching: case.teaching,
        ai: if hidden {
            Ai::Hidden
        } else {
            ai(words, result.as_ref())
        },
        opinions_of_clinic: archive
            .clinic_opinions(key)
            .await?
            .into_iter()
            .map(|(finding, present, _)| {
                let said = if present { words.present } else { words.absent };
                (findings::name(&finding, words.language), said)
            })
            .collect(),
        form,
        earlier,
        may_add: reads && reports.iter().any(|report| report.is_first),
        reports,
        needs_code: room.people.needs_code(signed),
        messages: archive
            .messages(key)
            .await?
            .into_iter()
            .map(|stored| message(words, stored, &at))
            .collect(),
        history: archive
            .history(key)
            .await?
            .iter()
            .map(|line| history(words, line, &at, &name))
            .collect(),
        pictures: pictures(room, signed, key, &case).await?,
        readers: people
            .values()
            .filter(|one| one.active && one.may(Right::SignReports) && one.id != person)
            .map(|one| {
                (
                    one.id.clone(),
                    format!("{} · {}", one.display_name, words.tier(one.tier)),
                )
            })
            .collect(),
    })
}

fn ai(words: &'static Words, result: Option<&StudyResult>) -> Ai {
    let assessment = result.map(|result| &result.assessment);
    let model = assessment.and_then(|assessment| assessment.model.as_ref());
    Ai::Shown {
        findings: assessment
            .map_or(&[][..], |assessment| assessment.findings.as_slice())
            .iter()
            .map(|finding| {
                let positive = finding.call == Call::Positive;
                AiFinding {
                    name: findings::name(finding.code.as_str(), words.language),
                    positive,
                    call: if positive { words.positive } else { words.negative },
                    score: format!("{:.2}", finding.score.value()),
                    // Never rounded up, as in the clinic: nothing is more certain than it is.
                    confidence: format!("{:.0} %", (finding.confidence.value() * 100.0).floor()),
                }
            })
            .collect(),
        model: model.map_or_else(|| words.no_model.to_owned(), ToString::to_string),
        demonstration: model.is_some_and(|model| model.demonstration),
    }
}

async fn earlier(
    room: &Room,
    key: &CaseKey,
    case: &Case,
    words: &'static Words,
    name: &impl Fn(&str) -> String,
) -> Result<Vec<Earlier>, Error> {
    let opinions = room.archive.reader_opinions(key, case.life.version).await?;
    Ok(opinions
        .iter()
        .filter_map(|opinion| {
            let report = decode_report(&opinion.content).ok()?;
            Some(Earlier {
                name: name(&opinion.person),
                at: local_time(opinion.at_ms, room.look.offset),
                impression: report.impression,
                description: report.description,
                statements: report
                    .statements
                    .iter()
                    .map(|statement| statements::line(words, statement))
                    .collect(),
            })
        })
        .collect())
}

fn message(words: &'static Words, stored: StoredMessage, at: &impl Fn(i64) -> String) -> MessageView {
    let message = stored.message;
    MessageView {
        from_clinic: message.author == Author::Clinic,
        at: at(message.at_ms),
        name: message.name,
        text: message.text,
        subject: match message.subject {
            Subject::Note => None,
            Subject::AskExpert => Some(words.asked),
            Subject::WantImages => Some(words.want_images),
        },
    }
}

fn history(
    words: &'static Words,
    line: &HistoryLine,
    at: &impl Fn(i64) -> String,
    name: &impl Fn(&str) -> String,
) -> (String, String, String) {
    let who = match (&line.person, line.event.as_str()) {
        (Some(person), _) => name(person),
        // To whom.
        (None, "offered") => name(&line.note),
        (None, _) => String::new(),
    };
    let note = match line.event.as_str() {
        "referred" | "withdrawn" => line.note.as_str(),
        _ => "",
    };
    let mut text = format!("{} · {}", words.event(&line.event), words.tier(line.tier));
    if !note.is_empty() {
        text.push_str(" · ");
        text.push_str(note);
    }
    (at(line.at_ms), text, who)
}

async fn pictures(room: &Room, signed: &Signed, key: &CaseKey, case: &Case) -> Result<Pictures, Error> {
    if !signed.person.may(Right::SeeImages) {
        return Ok(Pictures::Awaited);
    }
    let set = super::pictures::set(room, key, case.life.version).await?;
    if set.is_empty() {
        return Ok(Pictures::Awaited);
    }
    if let Some(entry) = viewer_assets::entry() {
        return Ok(Pictures::Viewer {
            script: entry.script.to_owned(),
            style: entry.style.to_owned(),
            description: format!("{}/viewer.json", address(key)),
        });
    }
    Ok(Pictures::Drawn(
        (1..)
            .zip(set.instances())
            .map(|(number, uid)| Drawn {
                address: format!("{}/drawn/{uid}", address(key)),
                number,
            })
            .collect(),
    ))
}
