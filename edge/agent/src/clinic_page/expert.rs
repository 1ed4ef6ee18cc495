//! What hub and clinic said of a case, in words: where it stands, messages, reports.

use barefoot_domain::{Author, Part, Presence, Progress, Report, Side, Subject, Tier};

use super::moment::Moment;
use super::texts::fill;
use super::wording::Wording;
use crate::case_index::CaseView;
use crate::reading::{Said, Sent, SignedReport};

/// Where a case stands, one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpertLine {
    pub(super) class: &'static str,
    pub(super) symbol: &'static str,
    pub(super) text: String,
    /// What the expert wrote of it. For the clinic's staff only.
    pub(super) wish: Option<String>,
    pub(super) due: Option<Moment>,
    pub(super) tier: String,
    pub(super) is_overdue: bool,
}

/// One message of either side.
#[derive(Debug)]
pub(super) struct MessageLine {
    pub(super) class: &'static str,
    pub(super) who: String,
    pub(super) what: Option<String>,
    pub(super) lines: Vec<String>,
    pub(super) at: Option<Moment>,
    /// How far a word of ours has come.
    pub(super) sent: Option<String>,
    pub(super) is_new: bool,
}

/// One report, or what may be said of it to who may not read it.
#[derive(Debug)]
pub(super) struct ReportCard {
    pub(super) id: String,
    pub(super) heading: String,
    pub(super) statements: Vec<StatementLine>,
    pub(super) parts: Vec<(String, Vec<String>)>,
    /// What the model had said, where one helped.
    pub(super) helped: Option<String>,
    pub(super) readers: Vec<String>,
    pub(super) signer: String,
    pub(super) signed: Option<Moment>,
    pub(super) read: Option<String>,
    /// Numbers of the pictures with marks.
    pub(super) pictures: Vec<MarkedCard>,
}

#[derive(Debug)]
pub(super) struct StatementLine {
    pub(super) class: &'static str,
    pub(super) text: String,
    pub(super) note: String,
}

/// A picture an expert marked.
#[derive(Debug)]
pub(super) struct MarkedCard {
    pub(super) number: usize,
    pub(super) alt: String,
}

/// Everything of it, for the case's page.
#[derive(Debug)]
pub(super) struct ReadingCard {
    pub(super) messages: Vec<MessageLine>,
    pub(super) reports: Vec<ReportCard>,
    /// There are reports, and who looks may not read them.
    pub(super) is_withheld: bool,
    pub(super) has_unseen: bool,
}

impl ReadingCard {
    pub(super) fn of(case: &CaseView, wording: Wording<'_>) -> Self {
        let reading = &case.reading;
        let reports = reading.reports();
        let may_read = wording.may.doctor;
        Self {
            messages: reading
                .messages()
                .iter()
                .map(|said| wording.message(said))
                .collect(),
            reports: if may_read {
                reports.iter().map(|kept| wording.report(kept)).collect()
            } else {
                Vec::new()
            },
            is_withheld: !may_read && !reports.is_empty(),
            has_unseen: reading.unseen_messages().next().is_some(),
        }
    }
}

/// The lines of a text somebody wrote; empty ones part paragraphs and are not shown.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Wording<'_> {
    pub(super) fn tier(&self, tier: Tier) -> String {
        let t = &self.texts.expert;
        match tier {
            Tier::County => &t.county,
            Tier::City => &t.city,
            Tier::Province => &t.province,
        }
        .clone()
    }

    /// A moment by the hub's clock, as it is read here.
    pub(super) fn moment(&self, hub_ms: i64) -> Option<Moment> {
        Moment::here(hub_ms, self.now_hub_ms, self.utc_offset_minutes)
    }

    /// `None` while nobody has to read the case and nobody has asked.
    pub(super) fn expert_line(&self, case: &CaseView) -> Option<ExpertLine> {
        let t = &self.texts.expert;
        let reading = &case.reading;
        let line = |class, symbol, text: &str| ExpertLine {
            class,
            symbol,
            text: text.to_owned(),
            wish: None,
            due: None,
            tier: String::new(),
            is_overdue: false,
        };
        if let Some(unread) = reading.unread_reports().next() {
            let text = if unread.report.addendum_to.is_some() {
                &t.addendum_arrived
            } else {
                &t.arrived
            };
            return Some(line("arrived", "★", text));
        }
        let asked = reading.messages().iter().rev().find(|said| {
            said.message.author == Author::Clinic
                && said.message.subject == Subject::AskExpert
                && said.sent != Some(Sent::Arrived)
        });
        let Some(state) = reading.state() else {
            return asked.map(|said| match &said.sent {
                Some(Sent::Refused { .. }) => line("overdue", "✕", &t.ask_refused),
                _ => line("waiting", "↑", &t.ask_waits),
            });
        };
        let is_open = reading.is_under_way();
        let mut line = match state.progress {
            Progress::NotRead => return asked.map(|_| line("waiting", "↑", &t.ask_waits)),
            Progress::Waiting => line("waiting", "○", &t.waiting),
            Progress::BeingRead => line("reading", "●", &t.being_read),
            Progress::SecondRead => line("reading", "●", &t.second_read),
            Progress::ImagesWanted => line("wanted", "+", &t.images_wanted),
            Progress::Reported if reading.reports().is_empty() => line("reading", "★", &t.report_follows),
            Progress::Reported => line("read", "✓", &t.read),
            Progress::Withdrawn => line("read", "–", &t.withdrawn),
        };
        if state.progress == Progress::ImagesWanted {
            let wish = reading
                .messages()
                .iter()
                .rev()
                .find(|said| said.message.subject == Subject::WantImages);
            line.wish = wish.map(|said| said.message.text.clone());
        }
        if is_open {
            line.due = state.deadline_ms.and_then(|due| self.moment(due));
            line.tier = self.tier(state.tier);
            line.is_overdue = state.deadline_ms.is_some_and(|due| due < self.now_hub_ms);
            if line.is_overdue {
                line.class = "overdue";
            }
        }
        Some(line)
    }

    fn message(&self, said: &Said) -> MessageLine {
        let t = &self.texts.talk;
        let message = &said.message;
        let is_ours = message.author == Author::Clinic;
        let what = match message.subject {
            Subject::Note => None,
            Subject::AskExpert => Some(t.asked.clone()),
            Subject::WantImages => Some(t.wants_images.clone()),
        };
        let who = match (is_ours, said.by.is_empty()) {
            (true, true) => t.clinic.clone(),
            (true, false) => said.by.clone(),
            (false, _) if message.name.is_empty() => t.expert.clone(),
            (false, _) => fill(&t.expert_named, &[("name", &message.name)]),
        };
        MessageLine {
            class: if is_ours { "ours" } else { "theirs" },
            who,
            what,
            lines: lines(&message.text),
            at: self.moment(message.at_ms),
            sent: said.sent.as_ref().map(|sent| match sent {
                Sent::Waiting if self.hub_talks == Some(false) => t.waits_for_hub.clone(),
                Sent::Waiting => t.waits.clone(),
                Sent::Arrived => t.arrived.clone(),
                Sent::Refused { reason } => fill(&t.refused, &[("reason", reason)]),
            }),
            is_new: !is_ours && !said.seen,
        }
    }

    pub(super) fn report(&self, kept: &SignedReport) -> ReportCard {
        let (t, report) = (&self.texts.report, &*kept.report);
        let heading = if report.addendum_to.is_some() {
            &t.addendum
        } else {
            &t.heading
        };
        let signer = &kept.signer;
        let named = |name: &str, title: &str, institution: &str| {
            let rest: Vec<&str> = [title, institution]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect();
            if rest.is_empty() {
                name.to_owned()
            } else {
                format!("{name} ({})", rest.join(", "))
            }
        };
        let before_last = report.readers.len().saturating_sub(1);
        let readers = report.readers.iter().take(before_last).map(|reader| {
            let part = match reader.part {
                Part::First => &t.first_reader,
                Part::Second => &t.second_reader,
                Part::Adjudicator => &t.adjudicator,
            };
            fill(
                part,
                &[("name", &named(&reader.name, &reader.title, &reader.institution))],
            )
        });
        ReportCard {
            id: report.id.clone(),
            heading: heading.clone(),
            statements: report
                .statements
                .iter()
                .map(|statement| {
                    let (class, word) = match statement.presence {
                        Presence::Present => ("likely", &t.present),
                        Presence::Absent => ("not-seen", &t.absent),
                        Presence::Possible => ("possible", &t.possible),
                    };
                    let mut text = fill(word, &[("finding", &self.name(&statement.finding))]);
                    if let Some(side) = statement.side {
                        let side = match side {
                            Side::Left => &t.left,
                            Side::Right => &t.right,
                            Side::Both => &t.both,
                        };
                        text.push_str(&format!(" · {side}"));
                    }
                    StatementLine {
                        class,
                        text,
                        note: statement.note.clone(),
                    }
                })
                .collect(),
            parts: [
                (&t.description, &report.description),
                (&t.impression, &report.impression),
                (&t.advice, &report.advice),
            ]
            .into_iter()
            .filter(|(_, text)| !text.trim().is_empty())
            .map(|(heading, text)| (heading.clone(), lines(text)))
            .collect(),
            helped: helped(report, *self),
            readers: readers.collect(),
            signer: named(&signer.name, &signer.title, &signer.institution),
            signed: self.moment(report.signed_at_ms),
            read: kept.read.as_ref().map(|(by, at_ms)| {
                let at = Moment::here(*at_ms, self.now_hub_ms, self.utc_offset_minutes);
                let at = at.map(|at| at.text).unwrap_or_default();
                if by.is_empty() {
                    fill(&t.was_read, &[("time", &at)])
                } else {
                    fill(&t.was_read_by, &[("time", &at), ("name", by)])
                }
            }),
            pictures: marked(report)
                .iter()
                .enumerate()
                .map(|(number, _)| MarkedCard {
                    number,
                    alt: fill(&t.marked_alt, &[("n", &(number + 1).to_string())]),
                })
                .collect(),
        }
    }
}

/// Every report that had help says so.
fn helped(report: &Report, wording: Wording<'_>) -> Option<String> {
    let t = &wording.texts.report;
    let assessment = report.assessment.as_ref()?;
    let model = assessment.model.as_ref()?;
    let findings: Vec<String> = assessment
        .findings
        .iter()
        .map(|finding| wording.finding(finding).text)
        .collect();
    let findings = findings.join("; ");
    Some(fill(
        &t.assisted,
        &[("model", &model.to_string()), ("findings", &findings)],
    ))
}

/// The pictures with marks, in the order they are named: instance and frame.
pub(super) fn marked(report: &Report) -> Vec<(&str, u32)> {
    let mut found: Vec<(&str, u32)> = Vec::new();
    for region in report.statements.iter().flat_map(|statement| &statement.regions) {
        let place = (region.instance.as_str(), region.frame);
        if !found.contains(&place) {
            found.push(place);
        }
    }
    found
}
