//! Instances over associations to one node: the storage SCU (PS3.4 annex B).

use std::io::{self, Cursor, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use barefoot_imaging::header::{self, Header};
use barefoot_imaging::transcode::{self, transcode};
use tokio::sync::Semaphore;

use super::contexts::{self, Kind, Way};
use super::verdict::{Verdict, of_status};
use crate::at_rest::{self, Opened};
use crate::audit::NotWritten;
use crate::dimse::{Command, SendError, Session, element, field};
use crate::error_chain;
use crate::nodes::{DialError, Route, dial};
use crate::upper_layer::{ConnectError, Ended, Proposal, request};

/// What we announce; answers to C-STORE are a few hundred bytes.
const MAX_PDU: u32 = 16 * 1024;

const MEDIUM_PRIORITY: u16 = 0x0000;

/// A picture that is turned into another transfer syntax is held in memory: one at a time in all.
static TURNING: Semaphore = Semaphore::const_new(1);

/// Who wants to know what becomes of each instance.
pub(crate) trait Recipient: Send {
    /// Whether the instance of this index is still to be sent.
    fn wants(&self, index: usize) -> bool;
    /// Told before these go, the node being there. Blocking.
    ///
    /// # Errors
    /// When they must not go.
    fn begins(&mut self, indices: &[usize]) -> Result<(), NotWritten>;
    /// Told once for each instance that was tried.
    fn verdict(&mut self, index: usize, verdict: Verdict);
}

/// Why sending ended before its end. Instances without a verdict may or may not have arrived.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Association(#[from] ConnectError),
    #[error("the association broke")]
    Broken(#[from] Ended),
    #[error("copies without identity cannot be written")]
    Disk { source: io::Error },
    #[error("the node answered without a status")]
    NoStatus,
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
}

/// A stored file, ready to go.
struct Object {
    index: usize,
    path: PathBuf,
    header: Header,
    kind: Kind,
}

/// Sends stored files in order, over as many associations as their kinds need.
///
/// # Errors
/// When the node cannot be reached, refuses the association, or it breaks.
pub(crate) async fn send(
    route: &Route,
    files: &[PathBuf],
    recipient: &mut dyn Recipient,
) -> Result<(), Trouble> {
    let objects = tokio::task::block_in_place(|| read_headers(files, recipient));
    let mut rest = objects.as_slice();
    while !rest.is_empty() {
        let kinds: Vec<Kind> = rest.iter().map(|object| object.kind.clone()).collect();
        let (batch, later) = rest.split_at(contexts::fitting(&kinds).max(1).min(rest.len()));
        over_one_association(route, batch, recipient).await?;
        rest = later;
    }
    Ok(())
}

fn read_headers(files: &[PathBuf], recipient: &mut dyn Recipient) -> Vec<Object> {
    let mut objects = Vec::new();
    for (index, path) in files.iter().enumerate() {
        match header::read_header(&at_rest::stored(path)) {
            Ok(header) => objects.push(Object {
                index,
                path: path.clone(),
                kind: (
                    header.sop_class_uid().to_owned(),
                    header.transfer_syntax().to_owned(),
                ),
                header,
            }),
            Err(error) => {
                let reason = format!("the stored file cannot be read: {}", error_chain::chain(&error));
                recipient.verdict(index, Verdict::SetAside { reason });
            }
        }
    }
    objects
}

async fn over_one_association(
    route: &Route,
    objects: &[Object],
    recipient: &mut dyn Recipient,
) -> Result<(), Trouble> {
    if !objects.iter().any(|object| recipient.wants(object.index)) {
        return Ok(());
    }
    let proposal = Proposal {
        calling_ae_title: route.calling_ae_title.clone(),
        called_ae_title: route.node.ae_title.clone(),
        contexts: contexts::propose(objects.iter().map(|object| &object.kind)),
        roles: Vec::new(),
        max_pdu: MAX_PDU,
        timeout: route.node.timeout(),
    };
    let stream = dial(&route.node).await?;
    let (connection, agreed) = request(stream, &proposal).await?;
    let mut session = Session::new(connection, agreed);
    let going: Vec<usize> = objects.iter().map(|object| object.index).collect();
    recipient.begins(&going)?;
    let mut message_id = 0_u16;
    for object in objects {
        if !recipient.wants(object.index) {
            continue;
        }
        message_id = message_id.wrapping_add(1).max(1);
        let command = store_command(object, message_id);
        let answered = match contexts::choose(session.contexts(), &object.kind) {
            Way::None => {
                let reason = "the node takes this kind of object in no form that the box can make".to_owned();
                recipient.verdict(object.index, Verdict::SetAside { reason });
                continue;
            }
            Way::AsStored { context } => match stored_data_set(&object.path, object.header.data_set_offset())
            {
                Ok(file) => session.send_stored(context, &command, file).await,
                Err(source) => Err(SendError::Read { source }),
            },
            Way::Transcoded { context, syntax } => match turned(object, &syntax).await {
                Ok(bytes) => session.send_stored(context, &command, Cursor::new(bytes)).await,
                Err(reason) => {
                    recipient.verdict(object.index, Verdict::SetAside { reason });
                    continue;
                }
            },
        };
        match answered {
            Ok(answer) => {
                let status = answer.status().ok_or(Trouble::NoStatus)?;
                recipient.verdict(object.index, of_status(status));
            }
            Err(SendError::Ended(ended)) => return Err(ended.into()),
            Err(SendError::Read { source }) => {
                let reason = format!("the stored file cannot be read: {source}");
                recipient.verdict(object.index, Verdict::RetrySometimes { reason });
                return Err(Ended::Failed { source }.into());
            }
        }
    }
    // Every answer is in: an association that cannot be released in order costs nothing.
    if let Err(error) = session.release().await {
        tracing::debug!(node = route.node.name, %error, "The association was not released in order.");
    }
    Ok(())
}

fn store_command(object: &Object, message_id: u16) -> Command {
    Command::request(field::C_STORE, message_id)
        .with_uid(element::AFFECTED_SOP_CLASS_UID, object.header.sop_class_uid())
        .with_uid(
            element::AFFECTED_SOP_INSTANCE_UID,
            object.header.sop_instance_uid(),
        )
        .with_number(element::PRIORITY, MEDIUM_PRIORITY)
}

fn stored_data_set(path: &Path, offset: u64) -> io::Result<Opened> {
    let mut file = at_rest::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

/// The reason is for people: it says what cannot be done.
async fn turned(object: &Object, syntax: &str) -> Result<Vec<u8>, String> {
    let _turn = TURNING.acquire().await;
    tokio::task::block_in_place(|| transcode(&at_rest::stored(&object.path), &object.header, syntax)).map_err(|error: transcode::Error| {
        format!(
            "the node does not take the object's transfer syntax {}, and it cannot be turned into another: {}",
            object.kind.1,
            error_chain::chain(&error)
        )
    })
}
