//! Critical cases that were not read in time are told to people outside the pages, each way until it was taken: to an address
//! (`webhook`), and by MQTT to the region's own listeners (`feed`, published by `mqtt`).

mod feed;
mod webhook;

use barefoot_domain::Tier;

use crate::archive::Alarm;

pub(crate) use feed::{AlarmFeed, Published};
pub(crate) use webhook::Webhook;

/// JSON, the same on each way; nothing in it is a patient's.
fn body(alarm: &Alarm) -> String {
    serde_json::json!({
        "event": "critical_case_late",
        "alarm": alarm.number,
        "case": alarm.case,
        "clinic": alarm.clinic,
        "tier": match alarm.tier {
            Tier::County => "county",
            Tier::City => "city",
            Tier::Province => "province",
        },
        "being_read": alarm.held,
        "at_ms": alarm.at_ms,
    })
    .to_string()
}
