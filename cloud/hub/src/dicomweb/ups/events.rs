use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

use super::attributes::Attributes;
use super::requirements::{INSTANCE, PERFORMED, PROGRESS, REASON, STATE};
use super::workitems::Workitem;

/// Unified Procedure Step - Event (PS3.4 section CC.3.1).
const EVENT_CLASS: &str = "1.2.840.10008.5.1.4.34.6.4";

/// Events a slow listener may be behind; then it is told to look afresh.
const BEHIND: usize = 1024;

/// PS3.4 table CC.2.4-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    State,
    CancelRequested,
    Progress,
    Assigned,
}

impl EventKind {
    fn number(self) -> u16 {
        match self {
            Self::State => 1,
            Self::CancelRequested => 2,
            Self::Progress => 3,
            Self::Assigned => 5,
        }
    }

    /// Who is to do it, how far it is: the rest of an update nobody is told of.
    pub(super) fn of_update(changes: &Attributes) -> Option<Self> {
        let assigned = ["00404025", "00404034", "00404026", "00404027"];
        if assigned.iter().any(|tag| changes.contains(tag)) {
            return Some(Self::Assigned);
        }
        changes.contains(PROGRESS).then_some(Self::Progress)
    }
}

/// Something that happened to a workitem.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) workitem: Workitem,
    /// Why and by whom a cancellation is wanted.
    about: Attributes,
    /// For one subscriber alone: how things stand when it begins to follow.
    pub(super) only_for: Option<String>,
}

impl Event {
    pub(crate) fn new(kind: EventKind, workitem: Workitem) -> Self {
        Self {
            kind,
            workitem,
            about: Attributes::default(),
            only_for: None,
        }
    }

    pub(crate) fn cancel_requested(workitem: Workitem, about: Attributes, who: &str) -> Self {
        let mut told = Attributes::default();
        for (tag, vr) in [(REASON, "LT"), ("0074100A", "UR"), ("0074100C", "LO")] {
            if let Some(text) = about.string(tag) {
                told.put(tag, vr, text);
            }
        }
        // Who asks, as the hub knows them: what a request says of itself may be forged.
        told.put("0074100C", "LO", who);
        Self {
            about: told,
            ..Self::new(EventKind::CancelRequested, workitem)
        }
    }

    /// As it goes over a WebSocket (PS3.18 section 8.10.5).
    pub(super) fn report(&self, number: u16) -> Value {
        let text = |vr: &str, value: &str| json!({ "vr": vr, "Value": [value] });
        let count = |value: u16| json!({ "vr": "US", "Value": [value] });
        let shown = self.workitem.shown();
        let mut report: Map<String, Value> = Map::new();
        report.insert("00000002".to_owned(), text("UI", EVENT_CLASS));
        report.insert("00000110".to_owned(), count(number));
        report.insert("00001000".to_owned(), text("UI", &self.workitem.uid));
        report.insert("00001002".to_owned(), count(self.kind.number()));
        report.insert(INSTANCE.to_owned(), text("UI", &self.workitem.uid));
        let told: &[&str] = match self.kind {
            EventKind::State => &[STATE, "00404041", REASON, "0074100E"],
            EventKind::Progress => &[PROGRESS],
            EventKind::Assigned => &["00404025", "00404034", "00404026", "00404027"],
            EventKind::CancelRequested => &[],
        };
        for tag in told {
            if let Some(element) = shown.object().get(*tag) {
                report.insert((*tag).to_owned(), element.clone());
            }
        }
        if self.kind == EventKind::State && self.workitem.state.is_final() {
            for tag in [PROGRESS, PERFORMED] {
                if let Some(element) = shown.object().get(tag) {
                    report.insert(tag.to_owned(), element.clone());
                }
            }
        }
        report.extend(self.about.object().clone());
        Value::Object(report)
    }
}

/// Where events are told, and where they are heard. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    sender: broadcast::Sender<Arc<Event>>,
    /// Message ID (0000,0110).
    numbers: Arc<AtomicU16>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            numbers: Arc::default(),
        }
    }
}

impl Events {
    /// Nobody need listen.
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.sender.send(Arc::new(event));
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.sender.subscribe()
    }

    pub(super) fn next_number(&self) -> u16 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}
