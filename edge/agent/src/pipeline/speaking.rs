//! What people say on the clinic's page: into the case's log, then into the queue.

use std::io;
use std::sync::Arc;

use ulid::Ulid;

use super::outgoing::OutgoingResults;
use crate::case_book::{CaseBook, Moment, Spoken};
use crate::clinic_page::{Say, Taken, Word};
use crate::clock::now_ms;
use crate::hub_clock::HubClock;
use crate::labels::{Label, LabelSource};
use crate::site_policy::PolicyHandle;
use crate::speech::{NotKept, Speech};

/// What somebody says on a case's page goes into the case's log before it goes anywhere else.
pub(super) fn say(
    book: &Arc<CaseBook>,
    outgoing: &OutgoingResults,
    hub_clock: &HubClock,
    policy: &PolicyHandle,
) -> Say {
    let (book, outgoing, hub_clock) = (Arc::clone(book), outgoing.clone(), hub_clock.clone());
    let policy = policy.clone();
    Say::new(move |study, word, by| {
        let at_ms = now_ms();
        let at = Moment {
            at_ms,
            clock_offset_ms: hub_clock.offset_ms(at_ms),
        };
        let envelope_id = Ulid::generate().to_string();
        let speak = |speech: &Speech| book.record_spoken(study, speech, by, &envelope_id, at);
        let spoken = match word {
            Word::Finding {
                version,
                finding,
                present,
            } => {
                let label = Label {
                    correction_id: Ulid::generate().to_string(),
                    source: LabelSource::Clinic,
                    version: *version,
                    finding: finding.clone(),
                    present: *present,
                };
                book.record_opinion(study, &label, by, &envelope_id, at)
            }
            Word::Speech(Speech::Message { .. }) if !policy.get().hub.free_text => {
                return Ok(Taken::Not(NotKept::NotByPolicy));
            }
            Word::Speech(speech) => speak(speech),
            Word::Consent {
                for_what,
                allowed,
                giver,
            } => {
                return book
                    .record_consent(study, *for_what, (*allowed, *giver), by, at_ms)
                    .map(|is_here| {
                        if is_here {
                            Taken::Yes
                        } else {
                            Taken::Not(NotKept::NoSuchCase)
                        }
                    })
                    .map_err(io::Error::other);
            }
            Word::Seen => {
                return book
                    .record_seen(study, by, at_ms)
                    .map(|()| Taken::Yes)
                    .map_err(io::Error::other);
            }
        };
        match spoken.map_err(io::Error::other)? {
            Spoken::Goes(word) => {
                outgoing.enqueue_or_wait(&word);
                Ok(Taken::Yes)
            }
            Spoken::Known => Ok(Taken::Yes),
            Spoken::Not(reason) => Ok(Taken::Not(reason)),
        }
    })
}
