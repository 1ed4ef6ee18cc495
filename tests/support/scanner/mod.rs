//! A scanner: a C-ECHO and C-STORE SCU. `dicom-ul` is used here and nowhere else outside the edge's front door.
//!
//! Data sets leave byte for byte as they lie in the file, cut at the receiver's maximum PDU length.

mod dimse;

pub mod raw;

mod error;
pub use error::{Error, chain};

mod part10;
pub use part10::{DicomFile, Error as FileError};

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dicom_ul::association::{AsyncClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu, PresentationContextResultReason};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::net::TcpStream;

/// One byte has 128 odd numbers, PS3.8 section 9.3.2.2.
const MAX_CONTEXTS: usize = 128;

/// PDV item header and its P-DATA-TF's, subtracted from the peer's maximum (PS3.8 section 9.3.5).
const PDV_OVERHEAD: usize = 6;

/// Some receivers announce no limit; a data set still goes in bites.
const LARGEST_BITE: usize = 128 * 1024;

/// How files are spread over associations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Associations {
    /// One for each study: what a modality does.
    #[default]
    PerStudy,
    /// One for each image: what old modalities do.
    PerImage,
    /// All files of a call share one.
    Shared,
}

/// Who calls whom, and how.
#[derive(Debug, Clone)]
pub struct Scanner {
    /// `host:port`.
    pub address: String,
    pub called: String,
    pub calling: String,
    pub associations: Associations,
    /// For each read and write on the connection.
    pub timeout: Duration,
}

/// What happened to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub file: DicomFile,
    /// `None` when no answer came.
    pub status: Option<u16>,
    /// Why the file was not stored; `None` when it was.
    pub error: Option<String>,
    /// When the last byte was handed to the network; `None` when it never was.
    pub last_byte_at: Option<Instant>,
}

type Association = AsyncClientAssociation<TcpStream>;

/// The different kinds (SOP class, transfer syntax) among the first files, and how many files one association can take.
fn kinds_of(files: &[DicomFile]) -> (Vec<(&str, &str)>, usize) {
    let mut kinds = Vec::new();
    for (count, file) in files.iter().enumerate() {
        let kind = (file.sop_class.as_str(), file.transfer_syntax.as_str());
        if !kinds.contains(&kind) {
            if kinds.len() == MAX_CONTEXTS {
                return (kinds, count);
            }
            kinds.push(kind);
        }
    }
    (kinds, files.len())
}

impl Scanner {
    #[must_use]
    pub fn new(address: impl Into<String>, called: impl Into<String>, calling: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            called: called.into(),
            calling: calling.into(),
            associations: Associations::default(),
            timeout: Duration::from_secs(60),
        }
    }

    /// # Errors
    /// When the receiver cannot be reached, refuses, or answers with a failure.
    pub async fn echo(&self) -> Result<(), Error> {
        let options = self.options().with_abstract_syntax("1.2.840.10008.1.1");
        let mut association = self.establish(options).await?;
        let context = association
            .presentation_contexts()
            .first()
            .map_or(1, |context| context.id);
        self.send_command(&mut association, context, dimse::echo_request(1))
            .await?;
        let status = self.answer(&mut association, 1, "the C-ECHO").await?;
        self.release(association).await?;
        if status != 0 {
            return Err(Error::EchoStatus {
                address: self.address.clone(),
                status,
            });
        }
        Ok(())
    }

    /// Sends the files and tells `report` the outcome of each as soon as it is known. A file that fails does not keep
    /// the others from being sent.
    pub async fn send(&self, files: &[DicomFile], mut report: impl FnMut(Outcome)) {
        for group in self.groups(files) {
            self.send_group(&group, &mut report).await;
        }
    }

    fn groups(&self, files: &[DicomFile]) -> Vec<Vec<DicomFile>> {
        let mut groups: Vec<Vec<DicomFile>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (number, file) in files.iter().enumerate() {
            let key = match (self.associations, &file.study_uid) {
                (Associations::Shared, _) => String::new(),
                (Associations::PerStudy, Some(study)) => study.clone(),
                (Associations::PerImage, _) | (Associations::PerStudy, None) => format!("image {number}"),
            };
            let place = *places.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(place) {
                group.push(file.clone());
            }
        }
        groups
    }

    /// One association, or more: where a group needs more contexts than one can propose, and where one broke.
    async fn send_group(&self, files: &[DicomFile], report: &mut impl FnMut(Outcome)) {
        let mut rest = files;
        while !rest.is_empty() {
            let (kinds, count) = kinds_of(rest);
            let (now, _) = rest.split_at(count);
            let mut done = 0;
            let sent = self
                .send_over_one(now, &kinds, &mut |outcome| {
                    done += 1;
                    report(outcome);
                })
                .await;
            if let Err(error) = sent {
                // A break on the way is one file's fault and the rest get another association; without any
                // association none of them could be sent.
                let broke = matches!(error, Error::Broken { .. } | Error::Unexpected { .. });
                let blamed = if broke { 1 } else { count };
                let text = chain(&error);
                for file in now.iter().skip(done).take(blamed) {
                    done += 1;
                    report(Outcome {
                        file: file.clone(),
                        status: None,
                        error: Some(text.clone()),
                        last_byte_at: None,
                    });
                }
            }
            (_, rest) = rest.split_at(done);
        }
    }

    async fn send_over_one(
        &self,
        files: &[DicomFile],
        kinds: &[(&str, &str)],
        report: &mut impl FnMut(Outcome),
    ) -> Result<(), Error> {
        let options = kinds.iter().fold(self.options(), |options, (class, syntax)| {
            options.with_presentation_context((*class).to_owned(), vec![(*syntax).to_owned()])
        });
        let mut association = self.establish(options).await?;
        for (number, file) in files.iter().enumerate() {
            let context = association.presentation_contexts().iter().find(|context| {
                context.reason == PresentationContextResultReason::Acceptance
                    && context.abstract_syntax == file.sop_class
                    && context.transfer_syntax == file.transfer_syntax
            });
            let Some(context) = context.map(|context| context.id) else {
                report(Outcome {
                    file: file.clone(),
                    status: None,
                    error: Some(format!(
                        "not accepted by the receiver: SOP class {} in transfer syntax {}",
                        file.sop_class, file.transfer_syntax
                    )),
                    last_byte_at: None,
                });
                continue;
            };
            // Message ids repeat after 65,536 images: no answer is outstanding by then.
            let message = u16::try_from(number % 65_536).unwrap_or_default();
            let (status, last_byte_at) = self.store(&mut association, context, message, file).await?;
            report(Outcome {
                file: file.clone(),
                status: Some(status),
                error: (!dimse::is_accepted(status))
                    .then(|| format!("{} (status 0x{status:04X})", dimse::status_name(status))),
                last_byte_at: Some(last_byte_at),
            });
        }
        self.release(association).await
    }

    async fn store(
        &self,
        association: &mut Association,
        context: u8,
        message: u16,
        file: &DicomFile,
    ) -> Result<(u16, Instant), Error> {
        let reading = |source: std::io::Error| self.broken("reading the file", source);
        let mut input = File::open(&file.path).await.map_err(reading)?;
        let length = input.metadata().await.map_err(reading)?.len();
        input
            .seek(std::io::SeekFrom::Start(file.data_set_at))
            .await
            .map_err(reading)?;
        let command = dimse::store_request(message, &file.sop_class, &file.sop_instance);
        self.send_command(association, context, command).await?;

        let peer = usize::try_from(association.acceptor_max_pdu_length()).unwrap_or(LARGEST_BITE);
        let bite = peer.min(LARGEST_BITE).saturating_sub(PDV_OVERHEAD).max(128);
        let mut left = length.saturating_sub(file.data_set_at);
        loop {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(bite);
            let mut data = vec![0; now];
            input.read_exact(&mut data).await.map_err(reading)?;
            left -= now as u64;
            let value = PDataValue {
                presentation_context_id: context,
                value_type: PDataValueType::Data,
                is_last: left == 0,
                data,
            };
            self.send_value(association, value).await?;
            if left == 0 {
                break;
            }
        }
        let last_byte_at = Instant::now();
        Ok((
            self.answer(association, message, "a C-STORE").await?,
            last_byte_at,
        ))
    }

    fn options(&self) -> ClientAssociationOptions<'_> {
        ClientAssociationOptions::new()
            .calling_ae_title(self.calling.as_str())
            .called_ae_title(self.called.as_str())
            .connection_timeout(self.timeout)
            .read_timeout(self.timeout)
            .write_timeout(self.timeout)
    }

    async fn establish(&self, options: ClientAssociationOptions<'_>) -> Result<Association, Error> {
        let mut association = options
            .establish_async(self.address.as_str())
            .await
            .map_err(|source| Error::establishing(&self.address, source))?;
        association
            .inner_stream()
            .set_nodelay(true)
            .map_err(|source| Error::Establish {
                address: self.address.clone(),
                source: Box::new(source),
            })?;
        Ok(association)
    }

    async fn send_command(
        &self,
        association: &mut Association,
        context: u8,
        command: Vec<u8>,
    ) -> Result<(), Error> {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data: command,
        };
        self.send_value(association, value).await
    }

    async fn send_value(&self, association: &mut Association, value: PDataValue) -> Result<(), Error> {
        association
            .send(&Pdu::PData { data: vec![value] })
            .await
            .map_err(|source| self.broken("sending", source))
    }

    async fn answer(
        &self,
        association: &mut Association,
        message: u16,
        doing: &'static str,
    ) -> Result<u16, Error> {
        let unexpected = || Error::Unexpected {
            address: self.address.clone(),
            doing,
        };
        let mut command = Vec::new();
        loop {
            let received = association.receive().await;
            match received.map_err(|source| self.broken("waiting for an answer", source))? {
                Pdu::PData { data } => {
                    for value in data {
                        command.extend(value.data);
                        if value.is_last {
                            return dimse::status_of(&command, message).ok_or_else(unexpected);
                        }
                    }
                }
                Pdu::AbortRQ { source } => {
                    let said = std::io::Error::other(format!("the receiver aborted ({source:?})"));
                    return Err(self.broken("waiting for an answer", said));
                }
                _ => return Err(unexpected()),
            }
        }
    }

    async fn release(&self, association: Association) -> Result<(), Error> {
        association
            .release()
            .await
            .map_err(|source| self.broken("releasing it", source))
    }

    fn broken(&self, doing: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Broken {
            address: self.address.clone(),
            doing,
            source: Box::new(source),
        }
    }
}
