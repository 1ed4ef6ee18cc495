//! An order as scanners ask for it (PS3.4 table K.6-1).

use barefoot_imaging::query::Record;
use barefoot_imaging::tags;

use crate::orders::{Code, Order};

/// `asked_by` is the scanner's AE title, which stands in where the order names no scanner.
pub(super) fn record(order: &Order, asked_by: &str) -> Record {
    let wish = &order.wish;
    let mut step = Record::default();
    let station = if wish.station_ae.is_empty() {
        asked_by
    } else {
        &wish.station_ae
    };
    for (tag, value) in [
        (tags::STATION_AE, station),
        (tags::STEP_START_DATE, &wish.date),
        // Required, and not said by every order: the day has begun.
        (
            tags::STEP_START_TIME,
            if wish.time.is_empty() {
                "000000"
            } else {
                &wish.time
            },
        ),
        (tags::MODALITY, &wish.modality),
        (tags::STEP_PERFORMER, &wish.performer),
        (tags::STEP_DESCRIPTION, &wish.description),
        (tags::STEP_ID, &wish.step_id),
        (tags::STEP_STATUS, "SCHEDULED"),
    ] {
        step.put(tag, value);
    }
    let codes = codes(&wish.code);
    let mut record = Record::default();
    if !codes.is_empty() {
        step.put_items(tags::STEP_PROTOCOL_CODES, codes.clone());
        record.put_items(tags::REQUESTED_PROCEDURE_CODES, codes);
    }
    record.put_items(tags::SCHEDULED_STEPS, vec![step]);
    let patient = &wish.patient;
    for (tag, value) in [
        (tags::PATIENT_NAME, &patient.name),
        (tags::PATIENT_ID, &patient.id),
        (tags::PATIENT_ID_ISSUER, &patient.id_issuer),
        (tags::PATIENT_BIRTH_DATE, &patient.birth_date),
        (tags::PATIENT_SEX, &patient.sex),
        (tags::PATIENT_WEIGHT, &patient.weight),
        (tags::ALLERGIES, &patient.allergies),
        (tags::ACCESSION, &wish.accession),
        (tags::STUDY_UID, &order.study_uid),
        (tags::REFERRING_PHYSICIAN, &wish.referring_physician),
        (tags::REQUESTING_PHYSICIAN, &wish.requesting_physician),
        (tags::REQUESTING_SERVICE, &wish.requesting_service),
        (tags::REQUESTED_PROCEDURE_ID, &wish.procedure_id),
        (tags::REQUESTED_PROCEDURE_DESCRIPTION, &wish.description),
        (tags::REQUESTED_PROCEDURE_PRIORITY, &wish.priority),
        (tags::REQUESTED_PROCEDURE_REASON, &wish.reason),
        (tags::ADMISSION_ID, &wish.admission_id),
        (tags::CURRENT_LOCATION, &wish.location),
        (tags::PLACER_ORDER, &wish.placer),
        (tags::FILLER_ORDER, &wish.filler),
    ] {
        record.put(tag, value);
    }
    record
}

fn codes(code: &Code) -> Vec<Record> {
    if code.value.is_empty() || code.scheme.is_empty() {
        return Vec::new();
    }
    let mut record = Record::default();
    record.put(tags::CODE_VALUE, &code.value);
    record.put(tags::CODING_SCHEME, &code.scheme);
    record.put(tags::CODE_MEANING, &code.meaning);
    vec![record]
}
