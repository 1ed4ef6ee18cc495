//! Where a repository is read from: the hub, or a directory such as a stick. Nothing either gives is believed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use barefoot_trust::release::{DirectorySource, ReadMetadata, ReleaseError, ReleaseFile};
use barefoot_wire::v1::releases_client::ReleasesClient;
use barefoot_wire::v1::{FilePart, ReadFileRequest};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::hub_services::{MAX_MESSAGE_BYTES, STALLED, answered};

/// The repository's own place.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Hub(ReleasesClient<Channel>),
    Directory(PathBuf),
}

impl Source {
    pub(crate) fn hub(channel: Channel) -> Self {
        Self::Hub(ReleasesClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Metadata for the checks, which wait for each file: for a thread that may block, inside the runtime.
    pub(super) fn metadata(&self) -> Box<dyn ReadMetadata + Send> {
        match self {
            Self::Directory(directory) => Box::new(DirectorySource::new(directory)),
            Self::Hub(client) => {
                let (client, runtime) = (client.clone(), Handle::current());
                Box::new(move |path: &str, limit: usize| {
                    runtime.block_on(read_whole(client.clone(), path, limit))
                })
            }
        }
    }

    /// Adds to `part` what is missing of `file`; goes on where an earlier attempt ended. What is there afterwards is as
    /// long as signed, and otherwise not checked.
    ///
    /// # Errors
    /// When the source does not give it, or gives more.
    pub(super) async fn fetch(&self, file: &ReleaseFile, part: &Path) -> Result<(), ReleaseError> {
        match self {
            Self::Directory(directory) => {
                let (source, file, part) = (DirectorySource::new(directory), file.clone(), part.to_owned());
                let copied = tokio::task::spawn_blocking(move || {
                    let from = source.open_target(&file)?;
                    let mut to = File::create(&part).map_err(|source| written(&file, source))?;
                    file.copy_verified(from, &mut to)?;
                    to.sync_all().map_err(|source| written(&file, source))
                });
                copied.await.unwrap_or_else(|error| {
                    let source = io::Error::other(error);
                    Err(ReleaseError::Read {
                        file: "targets".to_owned(),
                        source,
                    })
                })
            }
            Self::Hub(client) => download(client.clone(), file, part).await,
        }
    }
}

async fn download(
    mut client: ReleasesClient<Channel>,
    file: &ReleaseFile,
    part: &Path,
) -> Result<(), ReleaseError> {
    let mut to = tokio::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(part)
        .await
        .map_err(|source| written(file, source))?;
    let mut have = to.metadata().await.map_err(|source| written(file, source))?.len();
    if file.length < have {
        to.set_len(0).await.map_err(|source| written(file, source))?;
        have = 0;
    }
    if have < file.length {
        let request = ReadFileRequest {
            path: file.stored_at(),
            offset: have,
        };
        let reply = answered(STALLED, client.read_file(request)).await;
        let mut parts = reply.map_err(|status| unread(file, status))?.into_inner();
        let taken = take(&mut parts, file, have, &mut to).await;
        // What came stays, whatever ended it: the next attempt asks for the rest.
        to.flush().await.map_err(|source| written(file, source))?;
        taken?;
    }
    to.sync_all().await.map_err(|source| written(file, source))
}

/// All that is missing of `file` after its first `have` bytes.
async fn take(
    parts: &mut Streaming<FilePart>,
    file: &ReleaseFile,
    mut have: u64,
    to: &mut tokio::fs::File,
) -> Result<(), ReleaseError> {
    while let Some(piece) = next(parts).await.map_err(|status| unread(file, status))? {
        have += piece.content.len() as u64;
        if file.length < have {
            return Err(ReleaseError::WrongLength {
                file: file.path.clone(),
                signed: file.length,
                longer: true,
            });
        }
        let put = to.write_all(&piece.content).await;
        put.map_err(|source| written(file, source))?;
    }
    if have < file.length {
        return Err(unread(file, Status::unavailable("the hub ended the file early")));
    }
    Ok(())
}

async fn next(parts: &mut Streaming<FilePart>) -> Result<Option<FilePart>, Status> {
    answered(STALLED, parts.message()).await
}

async fn read_whole(
    mut client: ReleasesClient<Channel>,
    path: &str,
    limit: usize,
) -> io::Result<Option<Vec<u8>>> {
    let request = ReadFileRequest {
        path: path.to_owned(),
        offset: 0,
    };
    let reply = match answered(STALLED, client.read_file(request)).await {
        Ok(reply) => reply,
        Err(status) if status.code() == Code::NotFound => return Ok(None),
        Err(status) => return Err(io::Error::other(status)),
    };
    let mut parts = reply.into_inner();
    let mut bytes = Vec::new();
    loop {
        match next(&mut parts).await {
            Ok(Some(part)) => bytes.extend_from_slice(&part.content),
            Ok(None) => return Ok(Some(bytes)),
            Err(status) if status.code() == Code::NotFound && bytes.is_empty() => return Ok(None),
            Err(status) => return Err(io::Error::other(status)),
        }
        if limit < bytes.len() {
            bytes.truncate(limit.saturating_add(1));
            return Ok(Some(bytes));
        }
    }
}

fn unread(file: &ReleaseFile, status: Status) -> ReleaseError {
    ReleaseError::Read {
        file: file.path.clone(),
        source: io::Error::other(status),
    }
}

fn written(file: &ReleaseFile, source: io::Error) -> ReleaseError {
    ReleaseError::Write {
        file: file.path.clone(),
        source,
    }
}
