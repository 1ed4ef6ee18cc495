//! The association with a C-MOVE's destination.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::source::NATIVE;
use crate::archive::StoredFile;
use crate::dimse::{Command, Session};
use crate::error_chain::chain;
use crate::nodes::{Route, dial};
use crate::upper_layer::{Contexts, Proposal, Proposed, request};

/// PS3.8 section 9.3.2.2.
const MOST_CONTEXTS: usize = 128;

/// Broken from the start, or from the first failure on, where nothing can be sent.
pub(super) struct Line {
    session: Option<Session>,
}

impl Line {
    /// Connects and proposes what the files need.
    pub(super) async fn open(route: &Route, max_pdu: u32, files: &[StoredFile]) -> Self {
        let proposal = Proposal {
            calling_ae_title: route.calling_ae_title.clone(),
            called_ae_title: route.node.ae_title.clone(),
            contexts: proposed(files),
            roles: Vec::new(),
            max_pdu,
            timeout: route.node.timeout(),
        };
        let session = async {
            let stream = dial(&route.node).await.map_err(|error| chain(&error))?;
            let agreed = request(stream, &proposal).await;
            agreed
                .map(|(connection, contexts)| Session::new(connection, contexts))
                .map_err(|error| chain(&error))
        };
        let session = session.await;
        if let Err(reason) = &session {
            tracing::warn!(
                destination = route.node.ae_title,
                reason,
                "Images that were asked for cannot be sent."
            );
        }
        Self {
            session: session.ok(),
        }
    }

    pub(super) fn context_for<T>(&self, choose: impl FnOnce(&Contexts) -> Option<T>) -> Option<T> {
        choose(self.session.as_ref()?.contexts())
    }

    /// The node's status; `None` where none came.
    pub(super) async fn send(
        &mut self,
        context: u8,
        request: &Command,
        data_set: impl Read + Send,
    ) -> Option<u16> {
        let session = self.session.as_mut()?;
        match session.send_stored(context, request, data_set).await {
            Ok(answer) => answer.status(),
            Err(error) => {
                tracing::warn!(reason = %chain(&error), "The association with a destination broke.");
                self.session = None;
                None
            }
        }
    }

    pub(super) async fn close(self) {
        if let Some(mut session) = self.session {
            // Everything was answered: how it ends changes nothing.
            let _ = session.release().await;
        }
    }
}

/// One context for each class and transfer syntax; native ones may become another, so they are proposed apart and
/// together.
fn proposed(files: &[StoredFile]) -> Vec<Proposed> {
    let mut classes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in files {
        classes
            .entry(&file.sop_class_uid)
            .or_default()
            .insert(&file.transfer_syntax);
    }
    let mut contexts = Vec::new();
    for (class, syntaxes) in classes {
        let (native, compressed): (Vec<&str>, Vec<&str>) =
            syntaxes.into_iter().partition(|syntax| NATIVE.contains(syntax));
        let mut lists: Vec<Vec<&str>> = compressed.into_iter().map(|syntax| vec![syntax]).collect();
        lists.extend(native.iter().map(|syntax| vec![*syntax]));
        // Implicit little endian is what every node takes.
        lists.push(NATIVE.iter().take(2).copied().collect());
        contexts.extend(lists.into_iter().map(|syntaxes| Proposed {
            abstract_syntax: class.to_owned(),
            transfer_syntaxes: syntaxes.into_iter().map(str::to_owned).collect(),
        }));
    }
    contexts.truncate(MOST_CONTEXTS);
    contexts
}
