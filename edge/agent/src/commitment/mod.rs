//! The promise that images are kept: storage commitment as its SCP (PS3.4 annex J, push model).
//!
//! A caller names instances; each is compared with what lies in the studies' folders, and the caller is told which are
//! kept and which are not. A request is written down before it is granted, so that its answer comes however often the box
//! or the line fails: on the same association while it is open, else on one of ours to the caller's address, which then
//! must stand in the site file. An answer whose arrival is in doubt is given again.

mod holdings;
mod ledger;
mod message;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::audit::Action;
use crate::dimse::{Answering, Call, Command, MESSAGE_SYNTAXES, Service, Session, element, field, status};
use crate::nodes::{DialError, FindRoute, Route, dial};
use crate::study_folder::StateDirectory;
use crate::upper_layer::{ConnectError, Ended, Offered, Proposal, Proposed, Roles, request};
use crate::{backoff, clock, error_chain};
use ledger::{Ledger, Open};
use message::{Report, SOP_CLASS, SOP_INSTANCE, Wanted};

/// "Request Storage Commitment" (PS3.4 table J.3-1).
const REQUEST_COMMITMENT: u16 = 1;

/// PS3.7 annex C.
const INVALID_ARGUMENT: u16 = 0x0115;
const NO_SUCH_INSTANCE: u16 = 0x0112;
const NO_SUCH_ACTION: u16 = 0x0123;
const RESOURCE_LIMITATION: u16 = 0x0213;

const MAX_PDU: u32 = 16 * 1024;
const MAX_ANSWER: usize = 64 * 1024;
/// The longest pause between two attempts to reach callers.
const MAX_BACKOFF_S: u64 = 300;

/// The service; clones share it.
#[derive(Clone)]
pub(crate) struct Commitment {
    inner: Arc<Inner>,
}

struct Inner {
    state: StateDirectory,
    ledger: Mutex<Ledger>,
    find: FindRoute,
    news: Notify,
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commitment")
    }
}

/// Why an answer could not be given.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the studies' folders cannot be read")]
    Folders { source: io::Error },
    #[error("the answer cannot be written")]
    Write {
        source: barefoot_imaging::data_set::WriteError,
    },
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Association(#[from] ConnectError),
    #[error("the association broke")]
    Broken(#[from] Ended),
    #[error("the caller takes no storage commitment report")]
    NoContext,
    #[error("the caller refused the report with status 0x{0:04X}")]
    Status(u16),
}

impl Commitment {
    /// # Errors
    /// When the log of open transactions is there but cannot be read.
    pub(crate) fn open(state: StateDirectory, find: FindRoute) -> io::Result<Self> {
        let ledger = Ledger::open(state.commitment_log())?;
        Ok(Self {
            inner: Arc::new(Inner {
                state,
                ledger: Mutex::new(ledger),
                find,
                news: Notify::new(),
            }),
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.inner.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, mut call: Call<'_>) -> Result<(), Ended> {
        let bytes = call.data_set().await?;
        let asked = match self.take(&call, &bytes) {
            Ok(asked) => asked,
            Err((code, why)) => {
                tracing::warn!(
                    scanner = call.caller.ae_title,
                    reason = why,
                    "A request for storage commitment was refused."
                );
                let response = call.command.response(code).with_comment(&why);
                return call.respond(response, None).await;
            }
        };
        call.caller.acts.asked(Action::CommitmentAsked, 1);
        let response = call.command.response(status::SUCCESS);
        call.respond(response, None).await?;
        let answered = self.answer_here(&mut call, &asked).await;
        if let Err(error) = answered {
            tracing::info!(
                scanner = call.caller.ae_title,
                reason = error_chain::chain(&error),
                "Storage commitment is answered on an association of our own."
            );
            self.ledger().let_go(&asked.ae_title, &asked.wanted.transaction);
            self.inner.news.notify_one();
            if let Unanswered::Broken(ended) = error {
                return Err(ended);
            }
        }
        Ok(())
    }

    /// Checks a request and writes it down.
    fn take(&self, call: &Call<'_>, bytes: &[u8]) -> Result<Open, (u16, String)> {
        if call.command.text(element::REQUESTED_SOP_INSTANCE_UID).as_deref() != Some(SOP_INSTANCE) {
            return Err((NO_SUCH_INSTANCE, "not the storage commitment instance".to_owned()));
        }
        if call.command.number(element::ACTION_TYPE_ID) != Some(REQUEST_COMMITMENT) {
            return Err((NO_SUCH_ACTION, "not an action of storage commitment".to_owned()));
        }
        let wanted = Wanted::read(bytes, &call.context.transfer_syntax)
            .map_err(|error| (INVALID_ARGUMENT, error_chain::chain(&error)))?;
        let at_ms = clock::now_ms();
        let ae_title = call.caller.ae_title.clone();
        let written = tokio::task::block_in_place(|| self.ledger().ask(&ae_title, &wanted, at_ms));
        match written {
            Ok(true) => Ok(Open {
                ae_title,
                wanted,
                at_ms,
            }),
            Ok(false) => Err((RESOURCE_LIMITATION, "too many transactions are open".to_owned())),
            Err(error) => Err((status::PROCESSING_FAILURE, error.to_string())),
        }
    }

    async fn answer_here(&self, call: &mut Call<'_>, asked: &Open) -> Result<(), Unanswered> {
        let report = self.check(asked)?;
        let data_set = report
            .write(&call.context.transfer_syntax)
            .map_err(|source| Unanswered::Write { source })?;
        let (answer, _) = call
            .ask(call.context_id, &event_command(&report), Some(&data_set))
            .await?;
        self.told(asked, &report, &answer)
    }

    fn check(&self, asked: &Open) -> Result<Report, Unanswered> {
        tokio::task::block_in_place(|| holdings::check(&self.inner.state, &asked.wanted))
            .map_err(|source| Unanswered::Folders { source })
    }

    /// The caller has spoken; any word but success leaves the transaction open.
    fn told(&self, asked: &Open, report: &Report, answer: &Command) -> Result<(), Unanswered> {
        match answer.status() {
            Some(status::SUCCESS) => {}
            other => return Err(Unanswered::Status(other.unwrap_or(status::PROCESSING_FAILURE))),
        }
        if !report.failed.is_empty() {
            tracing::warn!(
                scanner = asked.ae_title,
                kept = report.kept.len(),
                failed = report.failed.len(),
                "Storage of some images could not be promised; their sender was told."
            );
        }
        self.close(asked);
        Ok(())
    }

    fn close(&self, asked: &Open) {
        let closed =
            tokio::task::block_in_place(|| self.ledger().close(&asked.ae_title, &asked.wanted.transaction));
        if let Err(error) = closed {
            tracing::error!(%error, "An answered storage commitment cannot be written down; it is answered again.");
        }
    }

    /// Answers what could not be answered at once, until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut failures = 0;
        loop {
            let left = tokio::select! {
                () = shutdown.cancelled() => return,
                left = self.answer_all() => left,
            };
            failures = if left { failures + 1 } else { 0 };
            let pause = backoff::pause(failures, MAX_BACKOFF_S);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.inner.news.notified() => {}
                () = tokio::time::sleep(pause), if left => {}
            }
        }
    }

    /// Whether some are left that may yet be answered.
    async fn answer_all(&self) -> bool {
        let mut left = false;
        let waiting = self.ledger().waiting();
        for asked in waiting {
            let Some(route) = (self.inner.find)(&asked.ae_title) else {
                tracing::warn!(
                    scanner = asked.ae_title,
                    "A storage commitment cannot be answered: name its caller's host and port in a [[deliver]] block."
                );
                self.close(&asked);
                continue;
            };
            if asked.is_stale(clock::now_ms()) {
                tracing::warn!(
                    scanner = asked.ae_title,
                    "A storage commitment was not taken for a week and is given up."
                );
                self.close(&asked);
                continue;
            }
            if let Err(error) = self.answer_there(&asked, &route).await {
                tracing::warn!(
                    scanner = asked.ae_title,
                    reason = error_chain::chain(&error),
                    "A storage commitment could not be answered yet."
                );
                left = true;
            }
        }
        left
    }

    async fn answer_there(&self, asked: &Open, route: &Route) -> Result<(), Unanswered> {
        let proposal = Proposal {
            calling_ae_title: route.calling_ae_title.clone(),
            called_ae_title: route.node.ae_title.clone(),
            contexts: vec![Proposed {
                abstract_syntax: SOP_CLASS.to_owned(),
                transfer_syntaxes: MESSAGE_SYNTAXES.iter().map(|&uid| uid.to_owned()).collect(),
            }],
            // We ask for the association and are the provider all the same (PS3.4 section J.3.3).
            roles: vec![(
                SOP_CLASS.to_owned(),
                Roles {
                    scu: false,
                    scp: true,
                },
            )],
            max_pdu: MAX_PDU,
            timeout: route.node.timeout(),
        };
        let (connection, agreed) = request(dial(&route.node).await?, &proposal).await?;
        // A peer that says nothing of roles is taken at its acceptance.
        let (id, context) = agreed
            .iter()
            .next()
            .map(|(id, context)| (*id, context.clone()))
            .ok_or(Unanswered::NoContext)?;
        let mut session = Session::new(connection, agreed);
        let report = self.check(asked)?;
        let data_set = report
            .write(&context.transfer_syntax)
            .map_err(|source| Unanswered::Write { source })?;
        let (answer, _) = session
            .ask(id, &event_command(&report), Some(&data_set), MAX_ANSWER)
            .await?;
        self.told(asked, &report, &answer)?;
        if let Err(error) = session.release().await {
            tracing::debug!(%error, "The association was not released in order.");
        }
        Ok(())
    }
}

fn event_command(report: &Report) -> Command {
    Command::request(field::N_EVENT_REPORT, 1)
        .with_uid(element::AFFECTED_SOP_CLASS_UID, SOP_CLASS)
        .with_uid(element::AFFECTED_SOP_INSTANCE_UID, SOP_INSTANCE)
        .with_number(element::EVENT_TYPE_ID, report.event_type())
}

impl Service for Commitment {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        (abstract_syntax == SOP_CLASS).then_some(Offered {
            transfer_syntaxes: MESSAGE_SYNTAXES,
            roles: Roles::DEFAULT,
        })
    }

    fn answers(&self, field: u16) -> bool {
        field == field::N_ACTION
    }

    fn call<'a>(&'a self, call: Call<'a>) -> Answering<'a> {
        Box::pin(self.answer(call))
    }
}
