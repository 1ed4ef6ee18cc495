//! One association from request to end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use dicom_ul::association::Association as _;
use dicom_ul::association::server::{AsyncServerAssociation, ServerAssociationOptions};
use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AbortRQSource, PDataValue, PDataValueType, Pdu,
    PresentationContextResultReason,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::access::AePolicy;
use super::command::{self, MAX_COMMAND_BYTES, Request};
use super::{Config, Opener, dimse_status, sop_classes};
use crate::handoff::{AssociationId, Chunk, Incoming, Intake};
use crate::scanners::Scanners;

/// PS3.8 section 9.3.2.2: a presentation context id is odd; 128 of them exist.
const MAX_CONTEXTS: usize = 128;

/// Why an association ended other than by release. The peer was sent an A-ABORT where it could still hear.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the association was not established")]
    Establish {
        source: Box<dicom_ul::association::Error>,
    },
    #[error("the peer asked for no association in time")]
    Slow,
    #[error("presentation context ids are doubled, even or too many")]
    Contexts,
    #[error("the peer sent nothing for {seconds} s")]
    Idle { seconds: u64 },
    #[error("reading from the peer failed")]
    Receive {
        source: Box<dicom_ul::association::Error>,
    },
    #[error("answering the peer failed")]
    Send {
        source: Box<dicom_ul::association::Error>,
    },
    #[error("the command set is larger than {MAX_COMMAND_BYTES} bytes")]
    CommandTooLong,
    #[error("the command cannot be answered")]
    Command { source: command::Error },
    #[error("a {0} came where the protocol has none")]
    Unexpected(&'static str),
    #[error("the presentation context was not accepted")]
    ForeignContext,
    #[error("the peer aborted")]
    Aborted,
}

struct Association {
    id: AssociationId,
    inner: AsyncServerAssociation<TcpStream>,
    calling_ae: String,
    /// Accepted contexts: id → (abstract syntax, transfer syntax).
    contexts: HashMap<u8, (String, String)>,
    idle: Duration,
}

/// Serves one connection until release, abort or error.
pub(super) async fn serve(
    socket: TcpStream,
    address: IpAddr,
    id: AssociationId,
    config: &Config,
    scanners: Scanners,
    open: &Opener,
) -> Result<(), Error> {
    // Each answer is one small write that a scanner waits for.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set.");
    }
    let mut options = ServerAssociationOptions::new()
        .ae_access_control(AePolicy { scanners, address })
        .ae_title(config.ae_title.as_str())
        .max_pdu_length(config.max_pdu_bytes)
        .strict(true)
        .read_timeout(config.idle_timeout())
        .write_timeout(config.idle_timeout());
    for (uid, _) in sop_classes::STORAGE {
        options = options.with_abstract_syntax(*uid);
    }
    options = options.with_abstract_syntax(sop_classes::VERIFICATION);
    for (uid, _) in sop_classes::TRANSFER_SYNTAXES {
        options = options.with_transfer_syntax(*uid);
    }
    let mut inner = timeout(config.establish_timeout(), options.establish_async(socket))
        .await
        .map_err(|_| Error::Slow)?
        .map_err(|source| Error::Establish {
            source: Box::new(source),
        })?;
    let Some(contexts) = accepted_contexts(&inner) else {
        abort(&mut inner, AbortRQServiceProviderReason::InvalidPduParameter).await;
        return Err(Error::Contexts);
    };
    let calling_ae = inner.peer_ae_title().trim().to_owned();
    let mut association = Association {
        id,
        inner,
        calling_ae,
        contexts,
        idle: config.idle_timeout(),
    };
    let outcome = association.messages(open).await;
    if let Err(error) = &outcome {
        let reason = match error {
            Error::Aborted | Error::Send { .. } => return outcome,
            Error::Unexpected(_) => AbortRQServiceProviderReason::UnexpectedPdu,
            _ => AbortRQServiceProviderReason::ReasonNotSpecified,
        };
        abort(&mut association.inner, reason).await;
    }
    outcome
}

fn accepted_contexts(inner: &AsyncServerAssociation<TcpStream>) -> Option<HashMap<u8, (String, String)>> {
    let proposed = inner.presentation_contexts();
    let mut seen = [false; 256];
    let mut accepted = HashMap::new();
    for context in proposed {
        let seen = seen.get_mut(usize::from(context.id))?;
        if *seen || context.id % 2 == 0 {
            return None;
        }
        *seen = true;
        if context.reason == PresentationContextResultReason::Acceptance {
            let syntaxes = (context.abstract_syntax.clone(), trimmed(&context.transfer_syntax));
            accepted.insert(context.id, syntaxes);
        }
    }
    (proposed.len() <= MAX_CONTEXTS).then_some(accepted)
}

fn trimmed(uid: &str) -> String {
    uid.trim_end_matches(['\0', ' ']).to_owned()
}

async fn abort(inner: &mut AsyncServerAssociation<TcpStream>, reason: AbortRQServiceProviderReason) {
    let pdu = Pdu::AbortRQ {
        source: AbortRQSource::ServiceProvider(reason),
    };
    // The peer may be gone; the connection is closed right after anyway.
    let _ = timeout(Duration::from_secs(1), inner.send(&pdu)).await;
}

/// A message in the making. A message is one command and, for C-STORE, one data set (PS3.7 section 6.3.1).
enum Stage {
    Command(BytesMut),
    DataSet {
        context: u8,
        request: Store,
        intake: Intake,
    },
}

struct Store {
    message_id: u16,
    sop_class_uid: String,
    sop_instance_uid: String,
}

impl Association {
    async fn messages(&mut self, open: &Opener) -> Result<(), Error> {
        let mut stage = Stage::Command(BytesMut::new());
        loop {
            let pdu = timeout(self.idle, self.inner.receive())
                .await
                .map_err(|_| Error::Idle {
                    seconds: self.idle.as_secs(),
                })?
                .map_err(|source| Error::Receive {
                    source: Box::new(source),
                })?;
            match pdu {
                Pdu::PData { data } => {
                    for value in data {
                        stage = self.take(stage, value, open).await?;
                    }
                }
                Pdu::ReleaseRQ => {
                    if matches!(stage, Stage::DataSet { .. }) {
                        return Err(Error::Unexpected("release in the middle of a data set"));
                    }
                    return self.send(&Pdu::ReleaseRP).await;
                }
                Pdu::AbortRQ { .. } => return Err(Error::Aborted),
                _ => return Err(Error::Unexpected("PDU of another state")),
            }
        }
    }

    async fn take(&mut self, stage: Stage, value: PDataValue, open: &Opener) -> Result<Stage, Error> {
        let context = value.presentation_context_id;
        match (stage, value.value_type) {
            (Stage::Command(mut bytes), PDataValueType::Command) => {
                if MAX_COMMAND_BYTES < bytes.len() + value.data.len() {
                    return Err(Error::CommandTooLong);
                }
                bytes.extend_from_slice(&value.data);
                if value.is_last {
                    self.on_command(context, &bytes, open).await
                } else {
                    Ok(Stage::Command(bytes))
                }
            }
            (
                Stage::DataSet {
                    context: expected,
                    request,
                    intake,
                },
                PDataValueType::Data,
            ) => {
                if context != expected {
                    return Err(Error::Unexpected("data set of another presentation context"));
                }
                if !value.data.is_empty() {
                    // The writer stops early only when it has its verdict (disk full, say); the rest is then read
                    // and dropped, because a scanner hears a status only after its last fragment.
                    let _ = intake.chunks.send(Chunk::Data(value.data)).await;
                }
                if !value.is_last {
                    return Ok(Stage::DataSet {
                        context,
                        request,
                        intake,
                    });
                }
                let _ = intake.chunks.send(Chunk::End).await;
                self.finish(context, request, intake).await?;
                Ok(Stage::Command(BytesMut::new()))
            }
            (Stage::Command(_), PDataValueType::Data) => Err(Error::Unexpected("data set without a command")),
            (Stage::DataSet { .. }, PDataValueType::Command) => {
                Err(Error::Unexpected("command in the middle of a data set"))
            }
        }
    }

    async fn on_command(&mut self, context: u8, bytes: &[u8], open: &Opener) -> Result<Stage, Error> {
        let (abstract_syntax, transfer_syntax) = self
            .contexts
            .get(&context)
            .cloned()
            .ok_or(Error::ForeignContext)?;
        match command::parse(bytes).map_err(|source| Error::Command { source })? {
            Request::Echo { message_id } => {
                self.answer(context, command::echo_response(message_id)).await?;
            }
            Request::Cancel => {}
            Request::Store {
                message_id,
                sop_class_uid,
                sop_instance_uid,
            } => {
                if abstract_syntax == sop_classes::VERIFICATION {
                    return Err(Error::Unexpected("C-STORE in a verification context"));
                }
                let incoming = Incoming {
                    association: self.id,
                    calling_ae: self.calling_ae.clone(),
                    sop_class_uid: sop_class_uid.clone(),
                    sop_instance_uid: sop_instance_uid.clone(),
                    transfer_syntax,
                };
                let request = Store {
                    message_id,
                    sop_class_uid,
                    sop_instance_uid,
                };
                return Ok(Stage::DataSet {
                    context,
                    request,
                    intake: open(incoming),
                });
            }
        }
        Ok(Stage::Command(BytesMut::new()))
    }

    async fn finish(&mut self, context: u8, request: Store, intake: Intake) -> Result<(), Error> {
        drop(intake.chunks);
        let outcome = intake.outcome.await.unwrap_or_else(|_| {
            let source = std::io::Error::other("the writing thread ended without a verdict");
            Err(crate::handoff::NotKept::Disk { source })
        });
        if let Err(refusal) = &outcome {
            let cause = std::error::Error::source(refusal)
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::warn!(scanner = self.calling_ae, reason = %refusal, cause, "An image was refused.");
        }
        let (status, comment) = dimse_status::of(&outcome);
        let response = command::store_response(
            request.message_id,
            &request.sop_class_uid,
            &request.sop_instance_uid,
            status,
            comment,
        );
        self.answer(context, response).await
    }

    async fn answer(&mut self, context: u8, data: Vec<u8>) -> Result<(), Error> {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data,
        };
        self.send(&Pdu::PData { data: vec![value] }).await
    }

    async fn send(&mut self, pdu: &Pdu) -> Result<(), Error> {
        self.inner.send(pdu).await.map_err(|source| Error::Send {
            source: Box::new(source),
        })
    }
}
