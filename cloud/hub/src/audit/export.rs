use std::collections::VecDeque;

use barefoot_trust::audit::{Head, entry_line, head_line, until_line};
use futures_util::{Stream, stream};

use super::{Audit, Error};

/// Entries read from the database at once, and text of one piece.
const BATCH: u32 = 1000;

/// An export under way.
struct Export {
    audit: Audit,
    until: Head,
    /// Those not written yet, the oldest first.
    heads: VecDeque<Head>,
    /// The last entry written; `None` before the first line.
    number: Option<u64>,
}

/// The whole log with its heads as lines of JSON that `barefootctl audit verify` checks, in pieces of whole lines. A last
/// head is signed for it.
pub(crate) async fn export(audit: Audit) -> Result<impl Stream<Item = Result<String, Error>>, Error> {
    let until = audit.sign_head(true).await?;
    let mut heads: VecDeque<_> = audit.archive.audit_heads().await?.into();
    // Somebody may have signed another one meanwhile.
    while heads.back().is_some_and(|last| *last != until) {
        heads.pop_back();
    }
    let export = Export {
        audit,
        until,
        heads,
        number: None,
    };
    Ok(stream::try_unfold(export, |mut export| async move {
        Ok(export.next().await?.map(|piece| (piece, export)))
    }))
}

impl Export {
    async fn next(&mut self) -> Result<Option<String>, Error> {
        let mut text = String::new();
        let mut add = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        let Some(number) = self.number else {
            add(until_line(&self.until));
            self.number = Some(0);
            while let Some(head) = self.heads.pop_front_if(|head| head.number == 0) {
                add(head_line(&head));
            }
            return Ok(Some(text));
        };
        let batch = self
            .audit
            .archive
            .audit_from(number + 1, self.until.number, BATCH)
            .await?;
        for stored in batch {
            add(entry_line(&stored.entry, &stored.previous, &stored.hash));
            self.number = Some(stored.entry.number);
            while let Some(head) = self.heads.pop_front_if(|head| head.number <= stored.entry.number) {
                add(head_line(&head));
            }
        }
        if text.is_empty() {
            // Those of entries that are not there any more: whoever checks must see them.
            self.heads.drain(..).for_each(|head| {
                text.push_str(&head_line(&head));
                text.push('\n');
            });
        }
        Ok((!text.is_empty()).then_some(text))
    }
}
