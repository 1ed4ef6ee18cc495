//! Reports of the hub that cannot stand beside a patient, for a person to look at. What they say is not shown: nobody can say
//! whom it is about.

use super::Language;
use super::moment::Moment;
use super::pages::{AsidePage, Frame};
use super::server::App;
use crate::clock;

#[derive(Debug)]
pub(super) struct AsideLine {
    pub(super) at: Option<Moment>,
    pub(super) case: String,
    pub(super) reason: String,
    pub(super) envelope: String,
}

pub(super) fn page_of(app: &App, language: Language) -> AsidePage<'_> {
    let now_ms = clock::now_ms();
    let lines = app.sources.aside.open_ones().into_iter().rev();
    AsidePage {
        frame: Frame::of(app, language),
        t: app.library.of(language),
        lines: lines
            .map(|aside| AsideLine {
                at: Moment::here(aside.at_ms, now_ms, app.utc_offset_minutes),
                case: aside.case,
                reason: aside.reason,
                envelope: aside.envelope_id,
            })
            .collect(),
    }
}
