//! What hub and clinic say to each other of a case, written down before the hub hears that we have it, and before it is
//! queued.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};

use barefoot_domain::{
    Author, CaseState, FindingCode, Message, Opinion, Report, ReportRead, Subject, Urgency,
};
use barefoot_queue::Lane;
use barefoot_wire::{
    SCHEMA, decode_case_state, decode_message, decode_opinion, decode_report_read, message_envelope,
    opinion_envelope, report_read_envelope, v1,
};
use prost::Message as _;

use super::{CaseBook, Error, Labelled, Moment, Outgoing};
use crate::case_log::{self, Entry};
use crate::labels::{Label, LabelSource};
use crate::reading::{About, Said, Sent, SignedReport, Signer};
use crate::report_check;
use crate::speech::{NotKept, Speech, unfit};
use crate::study_folder::{StudyKey, hex};

/// Something of the hub's, read and, where it is a report, checked.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    State(CaseState),
    Message(Message),
    Report(Arc<Report>, Signer),
}

impl Heard {
    fn kind(&self) -> v1::Kind {
        match self {
            Self::State(_) => v1::Kind::CaseState,
            Self::Message(_) => v1::Kind::Message,
            Self::Report(..) => v1::Kind::Report,
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::State(state) => state.version,
            Self::Message(message) => message.version,
            Self::Report(report, _) => report.version,
        }
    }

    /// From a log: a report's signatures were checked before it was written.
    fn logged(kind: i32, body: &[u8]) -> Option<Self> {
        match v1::Kind::try_from(kind).ok()? {
            v1::Kind::CaseState => decode_case_state(body).ok().map(Self::State),
            v1::Kind::Message => decode_message(body).ok().map(Self::Message),
            v1::Kind::Report => {
                let (report, signer) = report_check::read_kept(body).ok()?;
                Some(Self::Report(Arc::new(report), signer))
            }
            _ => None,
        }
    }
}

/// What became of it.
#[derive(Debug, Clone)]
pub(crate) enum Spoken {
    /// Written down; it survives a power cut and must be queued.
    Goes(Outgoing),
    /// It was written down before.
    Known,
    Not(NotKept),
}

impl CaseBook {
    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.labelling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what the hub said of a case; after `New` or `Known` it may be receipted.
    ///
    /// # Errors
    /// When the log cannot be written; without a receipt the hub says it again.
    pub(crate) fn record_heard(
        &self,
        study: &StudyKey,
        heard: &Heard,
        envelope_id: &str,
        body: &[u8],
        now_ms: i64,
    ) -> Result<Labelled, Error> {
        let _held = self.one_at_a_time();
        let Some(view) = self.index.get(study) else {
            return Ok(Labelled::Impossible("this clinic has no such case"));
        };
        if heard.version() == 0 || view.version < heard.version() {
            return Ok(Labelled::Impossible("there is no such version of the study"));
        }
        let impossible = match heard {
            Heard::State(state) if !view.reading.is_news(state) => return Ok(Labelled::Known),
            Heard::State(_) => None,
            Heard::Message(message) if view.reading.knows_message(&message.id) => return Ok(Labelled::Known),
            Heard::Message(message) if message.author != Author::Expert => {
                Some("a message that comes from the hub must be an expert's")
            }
            Heard::Message(_) => (!view.reading.has_room_for_message())
                .then_some("the case has more messages than can be meant"),
            Heard::Report(report, _) => match view.reading.report(&report.id) {
                Some(known) if known.report == *report => return Ok(Labelled::Known),
                Some(_) => Some("the case has another report of this id"),
                None => (!view.reading.has_room_for_report())
                    .then_some("the case has more reports than can be meant"),
            },
        };
        if let Some(reason) = impossible {
            return Ok(Labelled::Impossible(reason));
        }
        let entry = Entry::FromHub {
            at_ms: now_ms,
            envelope_id: envelope_id.to_owned(),
            kind: heard.kind().into(),
            body: hex(body.iter()),
        };
        self.log(study, &[entry])?;
        self.put_heard(study, heard.clone(), now_ms);
        tracing::info!(%study, kind = ?heard.kind(), "The hub's word on a case was written down.");
        Ok(Labelled::New)
    }

    /// Writes down what the clinic says to the hub.
    ///
    /// # Errors
    /// When the log cannot be written; nothing was said then.
    pub(crate) fn record_spoken(
        &self,
        study: &StudyKey,
        speech: &Speech,
        by: &str,
        envelope_id: &str,
        at: Moment,
    ) -> Result<Spoken, Error> {
        let _held = self.one_at_a_time();
        let Some(view) = self.index.get(study) else {
            return Ok(Spoken::Not(NotKept::NoSuchCase));
        };
        if view.version == 0 {
            return Ok(Spoken::Not(NotKept::NoSuchVersion));
        }
        let hub_ms = at.at_ms.saturating_add(at.clock_offset_ms.unwrap_or_default());
        let id = envelope_id.to_owned();
        let envelope = match speech {
            Speech::Message {
                id: message_id,
                subject,
                text,
                post,
            } => {
                if view.reading.knows_message(message_id) {
                    return Ok(Spoken::Known);
                }
                if let Some(reason) = unfit(text, &view).or_else(|| unfit(post, &view)) {
                    return Ok(Spoken::Not(reason));
                }
                if !view.reading.has_room_for_message() {
                    return Ok(Spoken::Not(NotKept::TooMany));
                }
                let message = Message {
                    id: message_id.clone(),
                    case: view.case.clone(),
                    version: view.version,
                    author: Author::Clinic,
                    name: post.clone(),
                    subject: *subject,
                    text: text.clone(),
                    at_ms: hub_ms,
                };
                message_envelope(id, &self.clinic, &message)
            }
            Speech::Read { report } => {
                let Some(kept) = view.reading.report(report) else {
                    return Ok(Spoken::Not(NotKept::NoSuchReport));
                };
                if kept.read.is_some() {
                    return Ok(Spoken::Known);
                }
                let read = ReportRead {
                    report: report.clone(),
                    case: view.case.clone(),
                    at_ms: hub_ms,
                };
                report_read_envelope(id, &self.clinic, &read)
            }
        };
        let entry = spoken_entry(&envelope, by, at.at_ms);
        self.log(study, std::slice::from_ref(&entry))?;
        self.put_talk(study, &entry);
        tracing::info!(%study, kind = ?envelope.kind(), "What the clinic says to the hub was written down.");
        Ok(Spoken::Goes(self.outgoing_word(study, envelope)))
    }

    /// Writes down the clinic doctor's word on a finding, for learning and for the hub, in one piece.
    ///
    /// # Errors
    /// When the log cannot be written; nothing was said then.
    pub(crate) fn record_opinion(
        &self,
        study: &StudyKey,
        label: &Label,
        by: &str,
        envelope_id: &str,
        at: Moment,
    ) -> Result<Spoken, Error> {
        let _held = self.one_at_a_time();
        let Some(view) = self.index.get(study) else {
            return Ok(Spoken::Not(NotKept::NoSuchCase));
        };
        if label.version == 0 || view.version < label.version {
            return Ok(Spoken::Not(NotKept::NoSuchVersion));
        }
        if view.labels.knows(&label.correction_id) {
            return Ok(Spoken::Known);
        }
        if view.labels.is_full() {
            return Ok(Spoken::Not(NotKept::TooMany));
        }
        let opinion = Opinion {
            id: label.correction_id.clone(),
            case: view.case.clone(),
            version: label.version,
            finding: label.finding.clone(),
            present: label.present,
            at_ms: at.at_ms.saturating_add(at.clock_offset_ms.unwrap_or_default()),
        };
        let envelope = opinion_envelope(envelope_id.to_owned(), &self.clinic, &opinion);
        let labelled = Entry::Label {
            at_ms: at.at_ms,
            correction_id: label.correction_id.clone(),
            source: LabelSource::Clinic,
            labelled_version: label.version,
            finding: label.finding.as_str().to_owned(),
            present: label.present,
            by: by.to_owned(),
        };
        let said = spoken_entry(&envelope, by, at.at_ms);
        let entries = [labelled, said];
        self.log(study, &entries)?;
        for entry in &entries {
            self.put_word(study, entry);
        }
        tracing::info!(%study, "The clinic's word on a finding was written down.");
        Ok(Spoken::Goes(self.outgoing_word(study, envelope)))
    }

    /// A report as it travelled, with its signatures, for who writes it on paper.
    ///
    /// # Errors
    /// When the case log cannot be read.
    pub(crate) fn signed_report(&self, study: &StudyKey, report: &str) -> io::Result<Option<Vec<u8>>> {
        let entries = case_log::replay(&self.state.case_log(study))?.entries;
        let is_it = |body: &Vec<u8>| report_check::read_kept(body).is_ok_and(|(read, _)| read.id == report);
        Ok(entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::FromHub { kind, body, .. } if kind == i32::from(v1::Kind::Report) => from_hex(&body),
                _ => None,
            })
            .find(is_it))
    }

    /// Writes down that somebody saw the expert's messages.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn record_seen(&self, study: &StudyKey, by: &str, now_ms: i64) -> Result<(), Error> {
        let _held = self.one_at_a_time();
        let newest = self.index.get(study).and_then(|view| {
            let unseen = view.reading.unseen_messages();
            unseen.map(|said| said.message.at_ms).max()
        });
        let Some(until_ms) = newest else {
            return Ok(());
        };
        let entry = Entry::MessagesSeen {
            at_ms: now_ms,
            until_ms,
            by: by.to_owned(),
        };
        self.log(study, std::slice::from_ref(&entry))?;
        self.put_talk(study, &entry);
        Ok(())
    }

    fn put_heard(&self, study: &StudyKey, heard: Heard, at_ms: i64) {
        self.index.update(study, |view| match heard {
            Heard::State(state) => {
                view.reading.set_state(state);
            }
            Heard::Message(message) => view.reading.add_message(Said {
                message,
                by: String::new(),
                sent: None,
                seen: false,
            }),
            Heard::Report(report, signer) => view.reading.add_report(SignedReport {
                report,
                signer,
                received_at_ms: at_ms,
                read: None,
            }),
        });
    }

    /// Shows what the log says. What cannot be read is from a damaged or newer log and is left alone.
    pub(super) fn put_talk(&self, study: &StudyKey, entry: &Entry) {
        match entry {
            Entry::FromHub {
                at_ms, kind, body, ..
            } => {
                if let Some(heard) = from_hex(body).and_then(|body| Heard::logged(*kind, &body)) {
                    self.put_heard(study, heard, *at_ms);
                }
            }
            Entry::ToHub {
                at_ms,
                envelope_id,
                kind,
                body,
                by,
            } => {
                if let Some((about, message)) = from_hex(body).and_then(|body| about(*kind, &body)) {
                    self.index.update(study, |view| {
                        if let Some(message) = message {
                            view.reading.add_message(Said {
                                message,
                                by: by.clone(),
                                sent: Some(Sent::Waiting),
                                seen: true,
                            });
                        }
                        if let About::Read(report) = &about {
                            view.reading.set_read(report, by, *at_ms);
                        }
                        view.reading.goes(envelope_id, about);
                    });
                }
            }
            Entry::Receipted { envelope_id, .. } => {
                self.index
                    .update(study, |view| view.reading.settle(envelope_id, None));
            }
            Entry::OwedAgain { envelope_ids, .. } => {
                self.index.update(study, |view| {
                    for envelope_id in envelope_ids {
                        view.reading.goes_again(envelope_id);
                    }
                });
            }
            Entry::Refused {
                envelope_id, reason, ..
            } => {
                self.index
                    .update(study, |view| view.reading.settle(envelope_id, Some(reason)));
            }
            Entry::MessagesSeen { until_ms, .. } => {
                self.index.update(study, |view| view.reading.set_seen(*until_ms));
            }
            Entry::Settled { .. }
            | Entry::Assessed { .. }
            | Entry::Label { .. }
            | Entry::Learning { .. }
            | Entry::Consent { .. }
            | Entry::ImagesRemoved { .. } => {}
        }
    }

    /// A word of the clinic's as its log has it, on its way again.
    pub(super) fn outgoing_logged(
        &self,
        study: &StudyKey,
        envelope_id: String,
        kind: i32,
        body: &str,
    ) -> Option<Outgoing> {
        let envelope = v1::Envelope {
            schema: SCHEMA,
            id: envelope_id,
            clinic: self.clinic.as_str().to_owned(),
            kind,
            body: from_hex(body)?,
            ..v1::Envelope::default()
        };
        Some(self.outgoing_word(study, envelope))
    }

    fn outgoing_word(&self, study: &StudyKey, envelope: v1::Envelope) -> Outgoing {
        let is_critical = self.index.get(study).is_some_and(|view| {
            view.assessment
                .as_ref()
                .is_some_and(|it| it.urgency == Urgency::Critical)
        });
        Outgoing {
            study: study.clone(),
            envelope_id: envelope.id.clone(),
            lane: lane(&envelope, is_critical),
            envelope: envelope.encode_to_vec(),
        }
    }
}

/// A question is waited for; a confirmation is not.
fn lane(envelope: &v1::Envelope, is_critical: bool) -> Lane {
    match envelope.kind() {
        v1::Kind::Message => {
            let asks =
                decode_message(&envelope.body).is_ok_and(|message| message.subject == Subject::AskExpert);
            if asks && is_critical {
                Lane::Critical
            } else {
                Lane::Reports
            }
        }
        _ => Lane::Results,
    }
}

fn spoken_entry(envelope: &v1::Envelope, by: &str, at_ms: i64) -> Entry {
    Entry::ToHub {
        at_ms,
        envelope_id: envelope.id.clone(),
        kind: envelope.kind,
        body: hex(envelope.body.iter()),
        by: by.to_owned(),
    }
}

fn about(kind: i32, body: &[u8]) -> Option<(About, Option<Message>)> {
    match v1::Kind::try_from(kind).ok()? {
        v1::Kind::Message => {
            let message = decode_message(body).ok()?;
            Some((About::Message(message.id.clone()), Some(message)))
        }
        v1::Kind::Opinion => {
            let finding: FindingCode = decode_opinion(body).ok()?.finding;
            Some((About::Opinion(finding), None))
        }
        v1::Kind::ReportRead => Some((About::Read(decode_report_read(body).ok()?.report), None)),
        _ => None,
    }
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() % 2 == 1 {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests;
