//! What a message asks for. Fields as IHE's Scheduled Workflow places them (RAD-4).

use barefoot_domain::StudyUid;
use barefoot_imaging::query::is_date;

use super::Error;
use super::message::{Message, Segment};
use crate::orders::{Code, Patient, Wish};
use crate::upper_layer::is_ae_title;

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// New, or changed where its number is known.
    Wish,
    TakeBack,
}

/// One order of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub action: Action,
    pub wish: Wish,
}

/// The message's orders, all of them or none.
pub(crate) fn orders(bytes: &[u8]) -> Result<Vec<Asked>, Error> {
    let message = Message::parse(bytes)?;
    let header = message.first("MSH").ok_or(Error::NoHeader)?;
    let kind = (header.component(9, 1), header.component(9, 2));
    // Older systems leave the event out.
    let known = matches!(
        (kind.0.as_str(), kind.1.as_str()),
        ("ORM", "O01" | "") | ("OMG", "O19" | "") | ("OMI", "O23" | "")
    );
    if !known {
        return Err(Error::NotAnOrder);
    }
    let groups = groups(message.segments());
    if groups.is_empty() {
        return Err(Error::NoOrder);
    }
    groups
        .iter()
        .map(|group| asked(&message, header, group))
        .collect()
}

/// Each ORC and what follows it.
fn groups(segments: &[Segment]) -> Vec<Vec<&Segment>> {
    let mut groups: Vec<Vec<&Segment>> = Vec::new();
    for segment in segments {
        if segment.name() == "ORC" {
            groups.push(vec![segment]);
        } else if let Some(group) = groups.last_mut() {
            group.push(segment);
        }
    }
    groups
}

fn asked(message: &Message, header: &Segment, group: &[&Segment]) -> Result<Asked, Error> {
    let of = |name: &str, field: usize, component: usize| {
        let segment = group.iter().find(|segment| segment.name() == name);
        segment
            .map(|segment| segment.component(field, component))
            .unwrap_or_default()
    };
    let action = match of("ORC", 1, 1).as_str() {
        "NW" | "XO" => Action::Wish,
        "CA" | "DC" => Action::TakeBack,
        _ => return Err(Error::Control),
    };
    let mut wish = Wish {
        placer: first_of([of("ORC", 2, 1), of("OBR", 2, 1)]),
        filler: first_of([of("ORC", 3, 1), of("OBR", 3, 1)]),
        ..Wish::default()
    };
    within("ORC-2", &wish.placer, 64)?;
    within("ORC-3", &wish.filler, 64)?;
    if wish.placer.is_empty() && wish.filler.is_empty() {
        return Err(Error::Missing("ORC-2, the placer order number,"));
    }
    if action == Action::TakeBack {
        return Ok(Asked { action, wish });
    }
    wish.patient = patient(message.first("PID").ok_or(Error::Missing("PID"))?, group)?;
    if let Some(visit) = message.first("PV1") {
        wish.referring_physician = person(visit, 8);
        wish.admission_id = visit.component(19, 1);
        wish.location = visit.component(3, 1);
    }
    wish.requesting_physician = first_of([of_person(group, "ORC", 12), of_person(group, "OBR", 16)]);
    wish.requesting_service = of("ORC", 17, 2);
    wish.accession = first_of([of("IPC", 1, 1), of("OBR", 18, 1)]);
    wish.study_uid = first_of([of("IPC", 3, 1), of("ZDS", 1, 1)]);
    wish.procedure_id = first_of([of("IPC", 2, 1), of("OBR", 19, 1)]);
    wish.step_id = first_of([of("IPC", 4, 1), of("OBR", 20, 1)]);
    wish.modality = first_of([of("IPC", 5, 1), of("OBR", 24, 1)]);
    wish.station_ae = of("IPC", 9, 1);
    wish.code = Code {
        value: of("OBR", 4, 1),
        meaning: of("OBR", 4, 2),
        scheme: of("OBR", 4, 3),
    };
    wish.description = first_of([of("OBR", 4, 2), of("OBR", 4, 5), of("OBR", 4, 1)]);
    wish.reason = of("OBR", 31, 2);
    wish.priority = priority(&first_of([
        of("TQ1", 9, 1),
        of("ORC", 7, 6),
        of("OBR", 27, 6),
        of("OBR", 5, 1),
    ]));
    wish.performer = of_person(group, "OBR", 34);
    let moment = first_of([
        of("TQ1", 7, 1),
        of("OBR", 36, 1),
        of("ORC", 7, 4),
        of("OBR", 27, 4),
        of("ORC", 15, 1),
        of("ORC", 9, 1),
        header.component(7, 1),
    ]);
    (wish.date, wish.time) =
        day_and_time(&moment).ok_or(Error::Unusable("the time the examination is for"))?;
    checked(wish).map(|wish| Asked { action, wish })
}

fn patient(pid: &Segment, group: &[&Segment]) -> Result<Patient, Error> {
    let id = pid.repetitions(3);
    let first = id.first().ok_or(Error::Missing("PID-3, the patient's number,"))?;
    let part = |at: usize| first.get(at).cloned().unwrap_or_default();
    let name = name(&pid.repetitions(5));
    if name.is_empty() {
        return Err(Error::Missing("PID-5, the patient's name,"));
    }
    let birth: String = pid.component(7, 1).chars().take(8).collect();
    let sex = pid.component(8, 1);
    let allergies: Vec<String> = group
        .iter()
        .filter(|segment| segment.name() == "AL1")
        .map(|segment| first_of([segment.component(3, 2), segment.component(3, 1)]))
        .collect();
    Ok(Patient {
        name,
        id: part(0),
        id_issuer: part(3),
        birth_date: if is_date(&birth) { birth } else { String::new() },
        sex: if matches!(sex.as_str(), "M" | "F" | "O") {
            sex
        } else {
            String::new()
        },
        weight: String::new(),
        allergies: allergies.join(" ").chars().take(64).collect(),
    })
}

/// XPN to PN: the representation says the group where it is given (HL7 table 0465), else the letters do.
fn name(repetitions: &[Vec<String>]) -> String {
    let mut groups = [const { String::new() }; 3];
    let mut others = Vec::new();
    for repetition in repetitions {
        let part = |at: usize| plain(repetition.get(at).map(String::as_str).unwrap_or_default());
        // DICOM has the prefix before the suffix.
        let group = [part(0), part(1), part(2), part(4), part(3)].join("^");
        let group = group.trim_end_matches('^').to_owned();
        let place = match repetition.get(7).map(String::as_str) {
            Some("A") => Some(0),
            Some("I") => Some(1),
            Some("P") => Some(2),
            _ => None,
        };
        match place.and_then(|place| groups.get_mut(place)) {
            Some(found) if found.is_empty() => *found = group,
            _ => others.push(group),
        }
    }
    let [alphabetic, ideographic, _] = &mut groups;
    for group in others {
        if !group.is_ascii() && !alphabetic.is_empty() && ideographic.is_empty() {
            *ideographic = group;
        } else if alphabetic.is_empty() {
            *alphabetic = group;
        } else if group.is_ascii() && !alphabetic.is_ascii() && ideographic.is_empty() {
            *ideographic = std::mem::replace(alphabetic, group);
        }
    }
    groups.join("=").trim_end_matches('=').to_owned()
}

fn of_person(group: &[&Segment], name: &str, field: usize) -> String {
    let segment = group.iter().find(|segment| segment.name() == name);
    segment.map(|segment| person(segment, field)).unwrap_or_default()
}

/// XCN: the name stands behind the number.
fn person(segment: &Segment, field: usize) -> String {
    let [family, given, middle] = [2, 3, 4].map(|component| plain(&segment.component(field, component)));
    let name = [family, given, middle].join("^");
    name.trim_end_matches('^').chars().take(64).collect()
}

/// Without what has a meaning in DICOM's names and lists.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '^' | '=' | '\\')).collect()
}

fn priority(code: &str) -> String {
    let word = match code {
        "S" | "STAT" => "STAT",
        "A" | "ASAP" => "HIGH",
        "R" | "ROUTINE" | "" => "ROUTINE",
        _ => "MEDIUM",
    };
    word.to_owned()
}

/// HL7's time stamp, `YYYYMMDD[HHMM[SS]]` with more behind it.
fn day_and_time(moment: &str) -> Option<(String, String)> {
    let digits: String = moment.chars().take_while(char::is_ascii_digit).collect();
    let date = digits.get(..8).filter(|date| is_date(date))?;
    let time = match digits.len() {
        12..=13 => digits.get(8..12),
        14.. => digits.get(8..14),
        _ => None,
    };
    Some((date.to_owned(), time.unwrap_or_default().to_owned()))
}

fn first_of<const N: usize>(values: [String; N]) -> String {
    values
        .into_iter()
        .find(|value| !value.is_empty())
        .unwrap_or_default()
}

/// Lengths as DICOM has them (PS3.5 table 6.2-1): too long a number is refused, too long a description cut.
fn checked(mut wish: Wish) -> Result<Wish, Error> {
    for (what, value, longest) in [
        ("PID-3", &wish.patient.id, 64),
        ("OBR-18 or IPC-1, the accession number,", &wish.accession, 16),
        ("OBR-19 or IPC-2", &wish.procedure_id, 16),
        ("OBR-20 or IPC-4", &wish.step_id, 16),
        ("PID-5", &wish.patient.name, 194),
    ] {
        within(what, value, longest)?;
    }
    if wish.patient.id.is_empty() {
        return Err(Error::Missing("PID-3, the patient's number,"));
    }
    let is_code =
        |text: &str| text.len() <= 16 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if wish.modality.is_empty() || !is_code(&wish.modality) {
        return Err(Error::Unusable("OBR-24 or IPC-5, the modality,"));
    }
    if !wish.station_ae.is_empty() && !is_ae_title(&wish.station_ae) {
        return Err(Error::Unusable("IPC-9, the scanner's AE title,"));
    }
    if !wish.study_uid.is_empty() && StudyUid::new(wish.study_uid.as_str()).is_err() {
        return Err(Error::Unusable("IPC-3 or ZDS-1, the Study Instance UID,"));
    }
    let code = &mut wish.code;
    if 16 < code.value.chars().count() || 16 < code.scheme.chars().count() {
        *code = Code::default();
    }
    for (value, longest) in [
        (&mut wish.description, 64),
        (&mut wish.reason, 64),
        (&mut wish.requesting_service, 64),
        (&mut wish.location, 64),
        (&mut wish.admission_id, 64),
        (&mut wish.patient.id_issuer, 64),
        (&mut wish.code.meaning, 64),
    ] {
        let cut: String = plain_list(value).chars().take(longest).collect();
        *value = cut;
    }
    Ok(wish)
}

/// A backslash would part values.
fn plain_list(text: &str) -> String {
    text.replace('\\', "/")
}

fn within(what: &'static str, value: &str, longest: usize) -> Result<(), Error> {
    let fits = value.chars().count() <= longest && !value.contains('\\');
    fits.then_some(()).ok_or(Error::Unusable(what))
}
