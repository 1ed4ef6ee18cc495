//! Whose report it is.

use barefoot_domain::Urgency;

use super::super::words::Words;
use super::super::{Identity, Sheet, Study, Who, moment};
use super::paper::{Align, Cell, LEFT, Paper, Role, WIDTH};
use super::{ACCENT, BODY, FINE, GREY, INK, LINES, RED, RED_TINT, SMALL, TINT};
use crate::text::{Text, person_name_display};

pub(super) fn draw(paper: &mut Paper<'_>, sheet: &Sheet<'_>, words: &Words) {
    let institution = institution(sheet);
    let title = super::title(sheet, words);
    paper.part(Role::Title, |paper| {
        if !institution.is_empty() {
            let style = BODY.sized(17.0).bold();
            paper.text(LEFT, WIDTH, institution, style, Align::Centre);
        }
        let style = BODY.sized(14.0).bold().coloured(ACCENT);
        paper.text(LEFT, WIDTH, title, style, Align::Centre);
    });
    paper.y += 4.0;
    paper.rule(ACCENT, 1.4);
    paper.y += 6.0;
    identity(paper, sheet, words);
    paper.y += 3.0;
    paper.rule(LINES, 0.7);
    if matches!(sheet.subject.who, Who::Case { .. }) {
        paper.y += 3.0;
        paper.part(Role::Paragraph, |paper| {
            paper.text(LEFT, WIDTH, words.no_identity, FINE, Align::Left);
        });
    }
    if sheet.report.urgency == Urgency::Critical {
        super::notice(paper, words.critical, words.critical_help, (RED, RED_TINT));
    }
    if let Some(first) = &sheet.report.addendum_to {
        let text = format!("{}{}{first}", words.addendum_help, words.colon);
        super::notice(paper, words.addendum, &text, (ACCENT, TINT));
    }
}

fn institution<'a>(sheet: &Sheet<'a>) -> &'a str {
    let own = sheet.institution.trim();
    if !own.is_empty() {
        return own;
    }
    let signer = sheet.report.readers.last();
    signer.map(|reader| reader.institution.trim()).unwrap_or_default()
}

/// One line that tells a page of one patient from a page of another.
pub(super) fn whose(sheet: &Sheet<'_>, words: &Words) -> String {
    match &sheet.subject.who {
        Who::Patient(identity) => {
            let name = name(&identity.name);
            let known = [name.as_str(), words.of_sex(&identity.sex), identity.id.as_str()];
            let known: Vec<&str> = known.into_iter().filter(|part| !part.is_empty()).collect();
            known.join("　")
        }
        Who::Case { .. } => format!("{} {}", words.case, short_case(sheet.report.case.as_str())),
    }
}

fn identity(paper: &mut Paper<'_>, sheet: &Sheet<'_>, words: &Words) {
    let study = &sheet.subject.study;
    let reported = moment::printed(moment::local(sheet.report.signed_at_ms, sheet.utc_offset));
    let examination = examination(sheet, words);
    let fields = match &sheet.subject.who {
        Who::Patient(identity) => of_patient(identity, study, words),
        Who::Case { .. } => vec![
            (words.case, short_case(sheet.report.case.as_str())),
            (words.clinic, sheet.report.clinic.as_str().to_owned()),
            (words.version, sheet.report.version.to_string()),
        ],
    };
    let mut fields: Vec<(&str, String)> = fields;
    fields.extend([
        (words.study_date, study_time(study)),
        (words.examination, examination),
        (words.reported, reported),
        (words.referring, name(&study.referring)),
        (words.tier, words.of_tier(sheet.report.tier).to_owned()),
    ]);
    // At the hub nobody referred anyone.
    fields.retain(|(label, value)| *label != words.referring || !value.is_empty());
    paper.part(Role::Table, |paper| grid(paper, &fields, words));
}

fn of_patient(identity: &Identity, study: &Study, words: &Words) -> Vec<(&'static str, String)> {
    let birth = moment::date_of(&identity.birth_date)
        .map(moment::day)
        .unwrap_or_else(|| identity.birth_date.clone());
    vec![
        (words.name, name(&identity.name)),
        (words.sex, words.of_sex(&identity.sex).to_owned()),
        (words.age, words.of_age(&identity.age)),
        (words.birth_date, birth),
        (words.patient_id, identity.id.clone()),
        (words.accession, study.accession.clone()),
    ]
}

fn grid(paper: &mut Paper<'_>, fields: &[(&str, String)], words: &Words) {
    const COLUMNS: usize = 3;
    const LABEL: f32 = 62.0;
    let column = WIDTH / 3.0;
    for row in fields.chunks(COLUMNS) {
        let mut cells = Vec::new();
        let mut x = LEFT;
        for (label, value) in row {
            let is_unknown = value.trim().is_empty();
            let value = if is_unknown { words.unknown } else { value };
            let colour = if is_unknown { GREY } else { INK };
            cells.push(Cell {
                x,
                width: LABEL,
                text: (*label).to_owned(),
                style: SMALL.coloured(GREY),
                is_header: true,
            });
            cells.push(Cell {
                x: x + LABEL,
                width: column - LABEL - 8.0,
                text: value.to_owned(),
                style: SMALL.sized(9.6).coloured(colour),
                is_header: false,
            });
            x += column;
        }
        paper.row(&cells, 1.2);
    }
}

fn study_time(study: &Study) -> String {
    let Some(date) = moment::date_of(&study.date) else {
        return study.date.clone();
    };
    let day = moment::day(date);
    match moment::clock_of(&study.time) {
        Some((hour, minute)) => format!("{day} {hour:02}:{minute:02}"),
        None => day,
    }
}

fn examination(sheet: &Sheet<'_>, words: &Words) -> String {
    let modality = words.of_modality(&sheet.report.modality);
    let description = sheet.subject.study.description.trim();
    if description.is_empty() {
        return modality.to_owned();
    }
    format!("{modality} {description}")
}

/// Chinese family and given names stand without a blank between them.
fn name(dicom: &str) -> String {
    let name = person_name_display(&Text {
        value: dicom.to_owned(),
        guessed: false,
    });
    let is_han = |character: char| matches!(character, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{323af}');
    if name
        .chars()
        .all(|character| is_han(character) || character == ' ')
    {
        return name.replace(' ', "");
    }
    name
}

/// The end of the number: it differs where the beginnings are alike. As the hub's pages show it.
fn short_case(case: &str) -> String {
    let skipped = case.chars().count().saturating_sub(8);
    case.chars().skip(skipped).collect()
}
