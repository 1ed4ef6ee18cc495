//! What clinic and hub say to each other of one case: where it stands, messages, reports, and what of the clinic's words
//! has arrived.
//!
//! Durable in the case log, visible in the case index. The same thing said twice is one.

use std::sync::Arc;

use barefoot_domain::{Author, CaseState, FindingCode, Message, Progress, Report};

/// Messages one case may have; more is a fault at one end and would grow a log without end.
const MAX_MESSAGES: usize = 500;
const MAX_REPORTS: usize = 64;

/// How far a word of the clinic's has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Sent {
    #[default]
    Waiting,
    /// The hub has it.
    Arrived,
    Refused {
        reason: String,
    },
}

/// A message of either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub message: Message,
    /// Who in the clinic wrote it, where somebody was signed in. Does not leave the clinic.
    pub by: String,
    /// `None` for the hub's.
    pub sent: Option<Sent>,
    pub seen: bool,
}

/// A report whose signatures were checked before it was written down.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SignedReport {
    pub report: Arc<Report>,
    /// Who signed, as the hub vouched for it.
    pub signer: Signer,
    pub received_at_ms: i64,
    /// Who read it and when, where somebody has.
    pub read: Option<(String, i64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signer {
    pub name: String,
    pub title: String,
    pub institution: String,
}

/// A word that goes up beside messages.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Going {
    envelope_id: String,
    about: About,
    sent: Sent,
}

/// What an envelope of the clinic's is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// A message's id.
    Message(String),
    Opinion(FindingCode),
    /// A report's id.
    Read(String),
}

/// Everything said of one case.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading {
    state: Option<CaseState>,
    messages: Vec<Said>,
    /// By the time of signing; an addendum follows what it adds to.
    reports: Vec<SignedReport>,
    going: Vec<Going>,
}

impl Reading {
    /// Where the case stands at the hub.
    #[must_use]
    pub(crate) fn state(&self) -> Option<&CaseState> {
        self.state.as_ref()
    }

    /// Takes the hub's word up; `false` when a newer one is known.
    pub(crate) fn set_state(&mut self, state: CaseState) -> bool {
        let is_news = self.is_news(&state);
        if is_news {
            self.state = Some(state);
        }
        is_news
    }

    /// Whether a state would change anything.
    #[must_use]
    pub(crate) fn is_news(&self, state: &CaseState) -> bool {
        self.state
            .as_ref()
            .is_none_or(|known| known.change < state.change)
    }

    #[must_use]
    pub(crate) fn messages(&self) -> &[Said] {
        &self.messages
    }

    #[must_use]
    pub(crate) fn reports(&self) -> &[SignedReport] {
        &self.reports
    }

    #[must_use]
    pub(crate) fn report(&self, id: &str) -> Option<&SignedReport> {
        self.reports.iter().find(|kept| kept.report.id == id)
    }

    #[must_use]
    pub(crate) fn knows_message(&self, id: &str) -> bool {
        self.messages.iter().any(|said| said.message.id == id)
    }

    #[must_use]
    pub(crate) fn has_room_for_message(&self) -> bool {
        self.messages.len() < MAX_MESSAGES
    }

    #[must_use]
    pub(crate) fn has_room_for_report(&self) -> bool {
        self.reports.len() < MAX_REPORTS
    }

    pub(crate) fn add_message(&mut self, said: Said) {
        if self.knows_message(&said.message.id) || !self.has_room_for_message() {
            return;
        }
        self.messages.push(said);
        // The two clocks may differ; each side's own order holds, because the sort is stable.
        self.messages.sort_by_key(|said| said.message.at_ms);
    }

    pub(crate) fn add_report(&mut self, signed: SignedReport) {
        if self.report(&signed.report.id).is_some() || !self.has_room_for_report() {
            return;
        }
        self.reports.push(signed);
        self.reports
            .sort_by_key(|kept| (kept.report.addendum_to.is_some(), kept.report.signed_at_ms));
    }

    /// A word of the clinic's is on its way.
    pub(crate) fn goes(&mut self, envelope_id: &str, about: About) {
        if !self.going.iter().any(|going| going.envelope_id == envelope_id) {
            self.going.push(Going {
                envelope_id: envelope_id.to_owned(),
                about,
                sent: Sent::Waiting,
            });
        }
    }

    /// The hub had it and has lost it: it is on its way once more.
    pub(crate) fn goes_again(&mut self, envelope_id: &str) {
        self.set_sent(envelope_id, Sent::Waiting);
    }

    /// The hub's word on an envelope of the clinic's.
    pub(crate) fn settle(&mut self, envelope_id: &str, refused: Option<&str>) {
        let sent = match refused {
            None => Sent::Arrived,
            Some(reason) => Sent::Refused {
                reason: reason.to_owned(),
            },
        };
        self.set_sent(envelope_id, sent);
    }

    fn set_sent(&mut self, envelope_id: &str, sent: Sent) {
        let Some(going) = self
            .going
            .iter_mut()
            .find(|going| going.envelope_id == envelope_id)
        else {
            return;
        };
        going.sent = sent.clone();
        if let About::Message(id) = &going.about
            && let Some(said) = self.messages.iter_mut().find(|said| said.message.id == *id)
        {
            said.sent = Some(sent);
        }
    }

    pub(crate) fn set_read(&mut self, report: &str, by: &str, at_ms: i64) {
        if let Some(kept) = self.reports.iter_mut().find(|kept| kept.report.id == report) {
            kept.read.get_or_insert_with(|| (by.to_owned(), at_ms));
        }
    }

    /// Somebody in the clinic has looked at the expert's messages up to now.
    pub(crate) fn set_seen(&mut self, until_ms: i64) {
        for said in &mut self.messages {
            said.seen |= said.message.at_ms <= until_ms;
        }
    }

    /// Reports nobody in the clinic has read.
    pub(crate) fn unread_reports(&self) -> impl Iterator<Item = &SignedReport> {
        self.reports.iter().filter(|kept| kept.read.is_none())
    }

    /// Messages of the expert nobody in the clinic has seen.
    pub(crate) fn unseen_messages(&self) -> impl Iterator<Item = &Said> {
        self.messages
            .iter()
            .filter(|said| said.message.author == Author::Expert && !said.seen)
    }

    /// An expert still needs the images.
    #[must_use]
    pub(crate) fn is_under_way(&self) -> bool {
        self.state.as_ref().is_some_and(|state| {
            matches!(
                state.progress,
                Progress::Waiting | Progress::BeingRead | Progress::SecondRead | Progress::ImagesWanted
            )
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use barefoot_domain::{CaseId, ClinicId, Part, Reader, Subject, Tier, Urgency};

    use super::*;

    pub(crate) fn state(change: u64, progress: Progress) -> CaseState {
        CaseState {
            case: CaseId::new("2.25.77").unwrap(),
            version: 1,
            progress,
            tier: Tier::County,
            deadline_ms: Some(1_764_000_600_000),
            change,
            at_ms: 1_764_000_000_000,
        }
    }

    pub(crate) fn message(id: &str, author: Author, text: &str, at_ms: i64) -> Message {
        Message {
            id: id.to_owned(),
            case: CaseId::new("2.25.77").unwrap(),
            version: 1,
            author,
            name: "Dr. Li".into(),
            subject: Subject::Note,
            text: text.to_owned(),
            at_ms,
        }
    }

    pub(crate) fn said(message: Message) -> Said {
        Said {
            message,
            by: String::new(),
            sent: None,
            seen: false,
        }
    }

    pub(crate) fn report(id: &str, addendum_to: Option<&str>) -> Report {
        Report {
            id: id.to_owned(),
            clinic: ClinicId::new("clinic-7").unwrap(),
            case: CaseId::new("2.25.77").unwrap(),
            version: 1,
            addendum_to: addendum_to.map(str::to_owned),
            modality: "DX".into(),
            tier: Tier::County,
            urgency: Urgency::Review,
            statements: Vec::new(),
            description: "Clear lungs.\nNo effusion.".into(),
            impression: "No pneumonia.".into(),
            advice: "No control needed.".into(),
            assessment: None,
            readers: vec![Reader {
                person: "01JD5Z0000000000000000000P".into(),
                name: "Li Ming".into(),
                title: "Radiologist".into(),
                institution: "County hospital".into(),
                part: Part::First,
                at_ms: 1_764_000_100_000,
            }],
            language: "en".into(),
            signed_at_ms: 1_764_000_100_000,
        }
    }

    pub(crate) fn signed(report: Report) -> SignedReport {
        SignedReport {
            report: Arc::new(report),
            signer: Signer {
                name: "Li Ming".into(),
                title: "Radiologist".into(),
                institution: "County hospital".into(),
            },
            received_at_ms: 1_764_000_200_000,
            read: None,
        }
    }

    #[test]
    fn an_older_state_changes_nothing() {
        let mut reading = Reading::default();
        assert!(reading.set_state(state(2, Progress::BeingRead)));
        assert!(!reading.set_state(state(1, Progress::Waiting)));
        assert!(!reading.set_state(state(2, Progress::Waiting)));
        assert_eq!(reading.state().unwrap().progress, Progress::BeingRead);
        assert!(reading.is_under_way());
        assert!(reading.set_state(state(3, Progress::Reported)));
        assert!(!reading.is_under_way());
    }

    #[test]
    fn reports_and_messages_count_once_and_stand_in_order() {
        let mut reading = Reading::default();
        reading.add_report(signed(report("B", Some("A"))));
        reading.add_report(signed(report("A", None)));
        reading.add_report(signed(report("A", None)));
        let ids: Vec<&str> = reading
            .reports()
            .iter()
            .map(|kept| kept.report.id.as_str())
            .collect();
        assert_eq!(ids, ["A", "B"]);
        assert_eq!(reading.unread_reports().count(), 2);
        reading.set_read("A", "Wang", 5);
        reading.set_read("A", "Zhao", 6);
        assert_eq!(reading.report("A").unwrap().read, Some(("Wang".into(), 5)));

        reading.add_message(said(message("2", Author::Expert, "b", 20)));
        reading.add_message(said(message("1", Author::Expert, "a", 10)));
        reading.add_message(said(message("1", Author::Expert, "a", 10)));
        assert_eq!(reading.messages()[0].message.text, "a");
        reading.set_seen(10);
        assert_eq!(reading.unseen_messages().count(), 1);
    }

    #[test]
    fn the_hubs_word_settles_a_message() {
        let mut reading = Reading::default();
        let mut own = said(message("1", Author::Clinic, "look", 10));
        own.sent = Some(Sent::Waiting);
        reading.add_message(own);
        reading.goes("E", About::Message("1".into()));
        reading.settle("other", None);
        assert_eq!(reading.messages()[0].sent, Some(Sent::Waiting));
        reading.settle("E", Some("no"));
        assert_eq!(
            reading.messages()[0].sent,
            Some(Sent::Refused { reason: "no".into() })
        );
    }
}
