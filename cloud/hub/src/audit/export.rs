use std::collections::VecDeque;

use barefoot_audit::Source;
use barefoot_trust::audit::{Head, entry_line, head_line, until_line};
use futures_util::{Stream, stream};

use super::{Audit, Error};

/// In which form the log is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// With hashes and signatures, as `barefootctl audit verify` checks it.
    Signed,
    /// As DICOM audit messages (PS3.15 annex A.5).
    Dicom,
}

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
    form: Form,
    is_ended: bool,
}

/// The whole log in pieces of whole lines. A last head is signed for it.
pub(crate) async fn export(
    audit: Audit,
    form: Form,
) -> Result<impl Stream<Item = Result<String, Error>>, Error> {
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
        form,
        is_ended: false,
    };
    Ok(stream::try_unfold(export, |mut export| async move {
        let piece = match export.form {
            Form::Signed => export.next().await?,
            Form::Dicom => export.next_messages().await?,
        };
        Ok(piece.map(|piece| (piece, export)))
    }))
}

impl Export {
    async fn next_messages(&mut self) -> Result<Option<String>, Error> {
        if self.is_ended {
            return Ok(None);
        }
        let (last, source) = (self.number.unwrap_or(0), Source::of_hub());
        let archive = &self.audit.archive;
        let batch = archive.audit_from(last + 1, self.until.number, BATCH).await?;
        let mut text = match self.number {
            None => barefoot_audit::FILE_BEGIN.to_owned(),
            Some(_) => String::new(),
        };
        self.number = Some(last);
        for stored in &batch {
            text.push_str(&barefoot_audit::file_line(&stored.entry, &stored.hash, &source));
            self.number = Some(stored.entry.number);
        }
        if batch.is_empty() {
            text.push_str(barefoot_audit::FILE_END);
            self.is_ended = true;
        }
        Ok(Some(text))
    }

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
