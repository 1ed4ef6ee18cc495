//! C-GET, C-MOVE, and what both say of their sub-operations (PS3.4 sections C.4.2 and C.4.3).

use std::io::Read;

use barefoot_imaging::data_set::{self, DataSet};
use barefoot_imaging::query::{Model, Retrieve};
use barefoot_imaging::tags;

use super::QueryRetrieve;
use super::answering::{CANCELLED, identifier, refused};
use super::destination::Line;
use super::source;
use crate::archive::StoredFile;
use crate::audit::{Action, Acts, Counts};
use crate::dimse::{Call, Command, SendError, element, field, status};
use crate::upper_layer::{Contexts, Ended};

const PENDING: u16 = 0xFF00;
/// Sub-operations complete, one or more failures or warnings.
const SOME_FAILED: u16 = 0xB000;
const CANNOT_COUNT: u16 = 0xA701;
const CANNOT_SEND: u16 = 0xA702;
const UNKNOWN_DESTINATION: u16 = 0xA801;
/// DIMSE priority (0000,0700): medium.
const MEDIUM: u16 = 0;

/// What has become of the sub-operations.
#[derive(Debug, Default)]
struct Tally {
    remaining: u16,
    completed: u16,
    warned: u16,
    failed: Vec<String>,
}

impl Tally {
    fn of(files: &[StoredFile]) -> Self {
        Self {
            remaining: u16::try_from(files.len()).unwrap_or(u16::MAX),
            ..Self::default()
        }
    }

    /// `None`: nothing came back.
    fn count(&mut self, file: &StoredFile, status: Option<u16>) {
        self.remaining = self.remaining.saturating_sub(1);
        match status {
            Some(0) => self.completed = self.completed.saturating_add(1),
            Some(0xB000..=0xBFFF | 0x0001) => self.warned = self.warned.saturating_add(1),
            _ => self.failed.push(file.sop_instance_uid.clone()),
        }
    }

    fn outcome(&self) -> u16 {
        if self.failed.is_empty() && self.warned == 0 {
            status::SUCCESS
        } else if self.completed == 0 && self.warned == 0 {
            CANNOT_SEND
        } else {
            SOME_FAILED
        }
    }

    fn response(&self, request: &Command, status: u16) -> Command {
        let failed = u16::try_from(self.failed.len()).unwrap_or(u16::MAX);
        let response = request
            .response(status)
            .with_number(element::COMPLETED_SUBOPERATIONS, self.completed)
            .with_number(element::FAILED_SUBOPERATIONS, failed)
            .with_number(element::WARNING_SUBOPERATIONS, self.warned);
        // Said while there may be some (PS3.4 table C.4-2 and section C.4.2.1.6).
        match status {
            PENDING | CANCELLED => response.with_number(element::REMAINING_SUBOPERATIONS, self.remaining),
            _ => response,
        }
    }

    /// Failed SOP Instance UID List, with every last answer that knows of failures.
    fn failures(&self, transfer_syntax: &str) -> Option<Vec<u8>> {
        if self.failed.is_empty() {
            return None;
        }
        let mut set = DataSet::default();
        // A value of more than 64 KiB cannot be written: what is said then is a part.
        let named: Vec<&str> = self.failed.iter().take(1000).map(String::as_str).collect();
        set.put_code(tags::FAILED_INSTANCES, &named.join("\\"));
        data_set::write(&set, transfer_syntax).ok()
    }
}

/// A C-STORE request of ours for a stored file.
fn store_request(file: &StoredFile, message_id: u16) -> Command {
    Command::request(field::C_STORE, message_id)
        .with_uid(element::AFFECTED_SOP_CLASS_UID, &file.sop_class_uid)
        .with_uid(element::AFFECTED_SOP_INSTANCE_UID, &file.sop_instance_uid)
        .with_number(element::PRIORITY, MEDIUM)
}

/// The context in which a file can go out, the one that leaves it as it is before others, and its transfer syntax.
fn context_for(contexts: &Contexts, file: &StoredFile, as_provider: bool) -> Option<(u8, String)> {
    let usable = |wanted: &dyn Fn(&str) -> bool| {
        let mut found = contexts.iter().filter(|(_, context)| {
            let role = if as_provider {
                context.roles.scp
            } else {
                context.roles.scu
            };
            role && context.abstract_syntax == file.sop_class_uid && wanted(&context.transfer_syntax)
        });
        found
            .next()
            .map(|(id, context)| (*id, context.transfer_syntax.clone()))
    };
    usable(&|syntax| syntax == file.transfer_syntax)
        .or_else(|| usable(&|syntax| source::can_become(&file.transfer_syntax, file.length, syntax)))
}

/// Opens a file on a thread that may wait.
async fn opened(file: &StoredFile, syntax: String) -> Option<Box<dyn Read + Send>> {
    let wanted = file.clone();
    let outcome = tokio::task::spawn_blocking(move || source::open(&wanted, &syntax)).await;
    match outcome {
        Ok(Ok(data_set)) => Some(data_set),
        Ok(Err(error)) => {
            tracing::warn!(%error, "A kept image cannot be sent.");
            None
        }
        Err(_) => None,
    }
}

impl QueryRetrieve {
    /// C-GET: on the association it was asked on.
    pub(super) async fn send_back(&self, model: Model, mut call: Call<'_>) -> Result<(), Ended> {
        let Some(files) = self.asked_for(model, &mut call).await? else {
            return Ok(());
        };
        let to = call.caller.acts.caller();
        if !disclosed(&mut call, &to, &files).await? {
            return Ok(());
        }
        let mut tally = Tally::of(&files);
        let sent = self.send_each_back(&mut call, &files, &mut tally).await;
        tell(&call.caller.acts.clone(), &to, &files, &tally).await;
        match sent? {
            Some(status) => finish(&mut call, &tally, status).await,
            None => {
                let outcome = tally.outcome();
                finish(&mut call, &tally, outcome).await
            }
        }
    }

    /// A status where it ended before its end.
    async fn send_each_back(
        &self,
        call: &mut Call<'_>,
        files: &[StoredFile],
        tally: &mut Tally,
    ) -> Result<Option<u16>, Ended> {
        for (number, file) in files.iter().enumerate() {
            if call.cancelled().await? {
                return Ok(Some(CANCELLED));
            }
            let status = match context_for(call.contexts(), file, true) {
                None => None,
                Some((context, syntax)) => match opened(file, syntax).await {
                    None => None,
                    Some(data_set) => {
                        let request = store_request(file, message_id(number));
                        match call.send_stored(context, &request, data_set).await {
                            Ok(answer) => answer.status(),
                            Err(SendError::Ended(ended)) => return Err(ended),
                            Err(SendError::Read { .. }) => return Err(Ended::Aborted),
                        }
                    }
                },
            };
            tally.count(file, status);
            self.report(call, tally).await?;
        }
        Ok(None)
    }

    /// C-MOVE: on an association of ours with the node that is named.
    pub(super) async fn send_on(&self, model: Model, mut call: Call<'_>) -> Result<(), Ended> {
        let named = call.command.text(element::MOVE_DESTINATION).unwrap_or_default();
        let Some(route) = (self.find)(&named) else {
            // The data set that came with it is passed over by the session.
            let response = call.command.response(UNKNOWN_DESTINATION);
            return call
                .respond(
                    response.with_comment("The destination is not in the site file"),
                    None,
                )
                .await;
        };
        let Some(files) = self.asked_for(model, &mut call).await? else {
            return Ok(());
        };
        let mut tally = Tally::of(&files);
        if files.is_empty() {
            return finish(&mut call, &tally, status::SUCCESS).await;
        }
        let to = route.place();
        if !disclosed(&mut call, &to, &files).await? {
            return Ok(());
        }
        let mut line = Line::open(&route, self.max_pdu, &files).await;
        let sent = self.send_each_on(&mut call, &mut line, &files, &mut tally).await;
        tell(&call.caller.acts.clone(), &to, &files, &tally).await;
        let outcome = match sent? {
            Some(status) => status,
            None => {
                line.close().await;
                tally.outcome()
            }
        };
        finish(&mut call, &tally, outcome).await
    }

    /// A status where it ended before its end.
    async fn send_each_on(
        &self,
        call: &mut Call<'_>,
        line: &mut Line,
        files: &[StoredFile],
        tally: &mut Tally,
    ) -> Result<Option<u16>, Ended> {
        for (number, file) in files.iter().enumerate() {
            if call.cancelled().await? {
                return Ok(Some(CANCELLED));
            }
            let status = match line.context_for(|contexts| context_for(contexts, file, false)) {
                None => None,
                Some((context, syntax)) => match opened(file, syntax).await {
                    None => None,
                    Some(data_set) => {
                        let request = store_request(file, message_id(number))
                            .with_text(element::MOVE_ORIGINATOR_AE, &call.caller.ae_title, 16)
                            .with_number(element::MOVE_ORIGINATOR_MESSAGE_ID, call.command.message_id());
                        line.send(context, &request, data_set).await
                    }
                },
            };
            tally.count(file, status);
            self.report(call, tally).await?;
        }
        Ok(None)
    }

    /// The files a retrieve names; `None` when it cannot be answered, which was said.
    async fn asked_for(&self, model: Model, call: &mut Call<'_>) -> Result<Option<Vec<StoredFile>>, Ended> {
        let Some(request) = identifier(call).await? else {
            return Ok(None);
        };
        let retrieve = match Retrieve::read(model, &request) {
            Ok(retrieve) => retrieve,
            Err(error) => {
                let response = refused(&call.command, error);
                call.respond(response, None).await?;
                return Ok(None);
            }
        };
        let archive = self.archive.clone();
        let files = tokio::task::spawn_blocking(move || archive.files(&retrieve)).await;
        let comment = match files {
            Ok(Ok(files)) => return Ok(Some(files)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "The search failed".to_owned(),
        };
        let response = call.command.response(CANNOT_COUNT).with_comment(&comment);
        call.respond(response, None).await?;
        Ok(None)
    }

    async fn report(&self, call: &mut Call<'_>, tally: &Tally) -> Result<(), Ended> {
        if tally.remaining == 0 {
            return Ok(());
        }
        let response = tally.response(&call.command, PENDING);
        call.respond(response, None).await
    }
}

/// Writes down what is about to go where; without that nothing goes, which was said.
async fn disclosed(call: &mut Call<'_>, to: &str, files: &[StoredFile]) -> Result<bool, Ended> {
    let acts = call.caller.acts.clone();
    let Err(error) = acts.disclose(Action::RetrieveBegun, to, &counts(files)).await else {
        return Ok(true);
    };
    let response = call
        .command
        .response(CANNOT_SEND)
        .with_comment(&error.to_string());
    call.respond(response, None).await?;
    Ok(false)
}

/// How much of it went.
async fn tell(acts: &Acts, to: &str, files: &[StoredFile], tally: &Tally) {
    let gone = usize::from(tally.completed.saturating_add(tally.warned));
    let after = match gone == files.len() {
        true => String::new(),
        false => format!("; of all that was asked for {gone} of {} arrived", files.len()),
    };
    acts.disclosed(Action::Retrieved, to, &counts(files), &after)
        .await;
}

fn counts(files: &[StoredFile]) -> Counts {
    let mut counts = Counts::new();
    for file in files {
        *counts.entry(file.study.clone()).or_default() += 1;
    }
    counts
}

async fn finish(call: &mut Call<'_>, tally: &Tally, status: u16) -> Result<(), Ended> {
    let failures = tally.failures(&call.context.transfer_syntax);
    let response = tally.response(&call.command, status);
    call.respond(response, failures.as_deref()).await
}

/// From 1 on; a retrieve has fewer than 65536 files.
fn message_id(number: usize) -> u16 {
    u16::try_from(number + 1).unwrap_or(u16::MAX)
}
