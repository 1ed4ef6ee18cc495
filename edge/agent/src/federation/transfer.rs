//! Chunks between hub and clinic, in pieces that survive a broken line.

use std::collections::HashSet;

use barefoot_federation::chunk::ChunkId;
use barefoot_wire::v1;
use barefoot_wire::v1::federation_client::FederationClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use crate::hub_services::{Progress, STALLED, answered};

/// Chunks named in one question.
const MOST_IDS: usize = 1024;

/// Pieces of an upload waiting for the line; when full, reading them from disk waits.
const AHEAD: usize = 1;

pub(super) type Hub = FederationClient<Channel>;

fn wire_ids(ids: &[ChunkId]) -> v1::ChunkIds {
    v1::ChunkIds {
        id: ids.iter().map(|id| id.0.to_vec()).collect(),
    }
}

/// Fetches chunks and hands each to `keep` once its hash is right.
///
/// # Errors
/// When the line breaks, nothing moves any more, or the hub sends something else. What was kept stays.
pub(super) async fn pull<E: std::fmt::Display>(
    hub: &mut Hub,
    ids: &[ChunkId],
    mut keep: impl FnMut(&ChunkId, &[u8]) -> Result<(), E>,
) -> Result<(), Status> {
    for ids in ids.chunks(MOST_IDS) {
        let mut wanted: HashSet<ChunkId> = ids.iter().copied().collect();
        let response = answered(STALLED, hub.pull_chunks(wire_ids(ids))).await?;
        let mut chunks = response.into_inner();
        while !wanted.is_empty() {
            let chunk = answered(STALLED, chunks.message()).await?;
            let content = chunk
                .ok_or_else(|| Status::data_loss("The hub sent fewer chunks than it was asked for."))?
                .content;
            let id = ChunkId::of(&content);
            if !wanted.remove(&id) {
                return Err(Status::data_loss("The hub sent a chunk it was not asked for."));
            }
            keep(&id, &content).map_err(|error| Status::internal(error.to_string()))?;
        }
    }
    Ok(())
}

/// Sends the chunks the hub does not hold yet. `read` gives a chunk's content.
///
/// # Errors
/// When the line breaks, nothing moves any more, or a chunk cannot be read. Chunks the hub confirmed stay there.
pub(super) async fn push<E: std::fmt::Display>(
    hub: &mut Hub,
    ids: &[ChunkId],
    read: impl Fn(&ChunkId) -> Result<Option<Vec<u8>>, E>,
) -> Result<(), Status> {
    for ids in ids.chunks(MOST_IDS) {
        let answer = answered(STALLED, hub.missing_chunks(wire_ids(ids))).await?;
        let asked: HashSet<Vec<u8>> = answer.into_inner().id.into_iter().collect();
        let missing: Vec<ChunkId> = ids
            .iter()
            .filter(|id| asked.contains(id.0.as_slice()))
            .copied()
            .collect();
        if missing.is_empty() {
            continue;
        }
        let progress = Progress::default();
        let (pieces, upload) = mpsc::channel(AHEAD);
        let feed = async {
            // Moved in, so that the stream ends with the last piece.
            let pieces = pieces;
            for id in &missing {
                let content = read(id)
                    .map_err(|error| Status::internal(error.to_string()))?
                    .ok_or_else(|| Status::data_loss("A chunk of the update is gone."))?;
                if pieces
                    .send(v1::Chunk {
                        content: content.into(),
                    })
                    .await
                    .is_err()
                {
                    break;
                }
                progress.made();
            }
            Ok::<(), Status>(())
        };
        let call = progress.answered(STALLED, hub.push_chunks(ReceiverStream::new(upload)));
        let (answer, fed) = tokio::join!(call, feed);
        fed?;
        answer?;
    }
    Ok(())
}
