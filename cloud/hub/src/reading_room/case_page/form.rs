use barefoot_domain::{Call, Presence, Side};
use barefoot_wire::{StudyResult, decode_report};

use super::super::{Room, findings, statements};
use crate::archive::{Case, CaseKey, Error};
use crate::people::Signed;
use crate::web::local_time;
use crate::worklist::life::Stage;

/// The report's form.
pub(super) struct Form {
    pub(super) stage: Stage,
    pub(super) second_wanted: bool,
    pub(super) revision: u32,
    /// Of the study whose images this page shows.
    pub(super) version: u32,
    pub(super) saved: Option<String>,
    pub(super) description: String,
    pub(super) impression: String,
    pub(super) advice: String,
    pub(super) marks: String,
    pub(super) rows: Vec<FormRow>,
    pub(super) templates: &'static [findings::Template],
}

pub(super) struct FormRow {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) sided: bool,
    pub(super) presence: &'static str,
    pub(super) side: &'static str,
    /// The model called it.
    pub(super) called: bool,
}

/// The form as its reader left it; what the model called stands first, unless they look before they hear it.
pub(super) async fn form(
    room: &Room,
    signed: &Signed,
    key: &CaseKey,
    case: &Case,
    result: Option<&StudyResult>,
    hidden: bool,
) -> Result<Form, Error> {
    let words = room.words(signed);
    let draft = room.archive.draft(key, &signed.person.id).await?;
    let report = draft
        .as_ref()
        .and_then(|draft| decode_report(&draft.content).ok());
    let written = report
        .as_ref()
        .map_or(&[][..], |report| report.statements.as_slice());
    let called = |code: &str| {
        !hidden
            && result.is_some_and(|result| {
                result
                    .assessment
                    .findings
                    .iter()
                    .any(|finding| finding.code.as_str() == code && finding.call == Call::Positive)
            })
    };
    let mut rows: Vec<FormRow> = findings::of_modality(&case.modality)
        .iter()
        .map(|pick| FormRow {
            code: pick.code.to_owned(),
            name: pick.name(words.language).to_owned(),
            sided: pick.sided,
            presence: "",
            side: "",
            called: called(pick.code),
        })
        .collect();
    let asked_of_model = result.map_or(&[][..], |result| result.assessment.findings.as_slice());
    let others = asked_of_model
        .iter()
        .map(|finding| finding.code.as_str())
        .chain(written.iter().map(|statement| statement.finding.as_str()));
    for code in others {
        if !rows.iter().any(|row| row.code == code) {
            rows.push(FormRow {
                code: code.to_owned(),
                name: findings::name(code, words.language),
                sided: true,
                presence: "",
                side: "",
                called: called(code),
            });
        }
    }
    for row in &mut rows {
        if let Some(statement) = written.iter().find(|one| one.finding.as_str() == row.code) {
            row.presence = presence_word(statement.presence);
            row.side = side_word(statement.side);
        }
    }
    // What the model called stands first: it must be answered.
    rows.sort_by_key(|row| !row.called);
    Ok(Form {
        stage: case.life.stage,
        second_wanted: case.life.second_wanted,
        revision: draft.as_ref().map_or(0, |draft| draft.revision),
        version: case.life.version,
        saved: draft.map(|draft| local_time(draft.saved_at_ms, room.look.offset)),
        description: report
            .as_ref()
            .map(|report| report.description.clone())
            .unwrap_or_default(),
        impression: report
            .as_ref()
            .map(|report| report.impression.clone())
            .unwrap_or_default(),
        advice: report
            .as_ref()
            .map(|report| report.advice.clone())
            .unwrap_or_default(),
        marks: statements::marks_text(written),
        rows,
        templates: findings::templates(&case.modality, words.language),
    })
}

fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        Presence::Absent => "absent",
        Presence::Possible => "possible",
    }
}

fn side_word(side: Option<Side>) -> &'static str {
    match side {
        None => "",
        Some(Side::Left) => "left",
        Some(Side::Right) => "right",
        Some(Side::Both) => "both",
    }
}
