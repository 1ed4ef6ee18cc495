//! Test sets on their way into the store, and out of it again when something is measured.

use std::time::Duration;

use barefoot_federation::chunk::ChunkId;
use barefoot_wire::v1;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use super::record::{TestSetRecord, chunk_ids, from_json, to_json};
use super::registry::{Registry, record};
use super::test_set::TestSet;
use super::{Error, head};
use crate::archive::TestSetRow;
use crate::chunks::MAX_CHUNK_BYTES;
use crate::clock::now_ms;

/// Bytes of a set as it arrives: 50 000 cases of 640 channels.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// Bytes of a stored piece.
const PIECE: usize = MAX_CHUNK_BYTES;

/// A sender that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(60);

impl Registry {
    /// Takes in a test set that arrives in pieces, checks it whole and locks it under its name.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first rule that is broken, [`Error::Locked`] a name that is taken, [`Error::Busy`]
    /// when another set is on its way.
    pub(crate) async fn register_test_set<E>(
        &self,
        pieces: impl Stream<Item = Result<v1::Chunk, E>> + Send,
    ) -> Result<v1::RegisterTestSetReply, Error> {
        let _turn = self.intake.try_acquire().map_err(|_| Error::Busy)?;
        let bytes = collect(pieces).await?;
        let (bytes, set) = tokio::task::spawn_blocking(move || {
            let set = TestSet::decode(&bytes);
            (bytes, set)
        })
        .await
        .map_err(|_| Error::Stored { what: "test set" })?;
        let set = set.map_err(Error::invalid)?;
        self.check_against_model(&set).await?;
        if let Some(earlier) = self.archive.test_set(&set.name).await? {
            return reply_if_same(&set, &earlier);
        }
        let bytes = Bytes::from(bytes);
        let pieces = (0..bytes.len()).step_by(PIECE);
        let pieces = pieces.map(|start| bytes.slice(start..bytes.len().min(start + PIECE)));
        let _hold = self.chunks.hold().await;
        let chunks = self.store(pieces.collect()).await?;
        let row = row(&set, bytes.len(), chunks)?;
        if !self.archive.insert_test_set(&row).await? {
            let earlier = self.archive.test_set(&set.name).await?;
            return reply_if_same(&set, &earlier.ok_or(Error::Stored { what: "test set" })?);
        }
        tracing::info!(
            set = set.name,
            sha256 = set.sha256,
            cases = set.cases(),
            "A test set was locked."
        );
        self.changes.announce();
        Ok(reply(&set))
    }

    /// Reads a locked set back, whole, and makes sure that it is the one that was locked.
    pub(super) async fn read_test_set(&self, row: &TestSetRow) -> Result<TestSet, Error> {
        let record: TestSetRecord = from_json(&row.record, "test set record")?;
        let (store, chunks, sha256) = (
            self.chunks.clone(),
            chunk_ids(&record.chunks)?,
            row.sha256.clone(),
        );
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::with_capacity(chunks.len() * PIECE);
            for id in &chunks {
                let piece = store
                    .read_blocking(id)
                    .map_err(|source| Error::Chunks { source })?;
                bytes.extend_from_slice(&piece);
            }
            match TestSet::decode(&bytes) {
                Ok(set) if set.sha256 == sha256 => Ok(set),
                _ => Err(Error::Stored { what: "test set" }),
            }
        });
        read.await.unwrap_or(Err(Error::Stored { what: "test set" }))
    }

    /// A set fits at least one registered version of its model.
    async fn check_against_model(&self, set: &TestSet) -> Result<(), Error> {
        let mut known = false;
        for row in self.archive.models().await? {
            if row.id != set.model_id {
                continue;
            }
            known = true;
            let model = record(&row)?.model()?;
            let channels = head::channels(&model.layout, model.findings.len());
            let labelled = |code: &String| model.findings.iter().any(|finding| finding.code == *code);
            if model.backbone.contains(&set.backbone)
                && channels == usize::try_from(set.channels).ok()
                && set.findings.iter().all(labelled)
            {
                return Ok(());
            }
        }
        if known {
            Err(Error::invalid(
                "No registered version of the set's model has its backbone, channels and findings.",
            ))
        } else {
            Err(Error::Unknown { what: "model" })
        }
    }
}

async fn collect<E>(pieces: impl Stream<Item = Result<v1::Chunk, E>> + Send) -> Result<Vec<u8>, Error> {
    let mut pieces = std::pin::pin!(pieces);
    let mut bytes = Vec::new();
    while let Some(piece) = timeout(SILENCE, pieces.next()).await.map_err(|_| Error::Upload)? {
        let piece = piece.map_err(|_| Error::Upload)?;
        if MAX_BYTES < bytes.len() + piece.content.len() {
            return Err(Error::invalid("A test set has at most 128 MiB."));
        }
        bytes.extend_from_slice(&piece.content);
    }
    Ok(bytes)
}

fn row(set: &TestSet, bytes: usize, chunks: Vec<ChunkId>) -> Result<TestSetRow, Error> {
    let record = TestSetRecord {
        backbone: set.backbone.clone(),
        findings: set.findings.clone(),
        channels: set.channels,
        cases: count(set),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        source: set.source.clone(),
        chunks: chunks.iter().map(ToString::to_string).collect(),
    };
    Ok(TestSetRow {
        name: set.name.clone(),
        model_id: set.model_id.clone(),
        purpose: set.purpose.name().to_owned(),
        sha256: set.sha256.clone(),
        registered_at_ms: now_ms(),
        record: to_json(&record, "test set")?,
    })
}

fn reply_if_same(set: &TestSet, earlier: &TestSetRow) -> Result<v1::RegisterTestSetReply, Error> {
    if earlier.sha256 == set.sha256 {
        Ok(reply(set))
    } else {
        Err(Error::Locked { what: "test set" })
    }
}

fn reply(set: &TestSet) -> v1::RegisterTestSetReply {
    v1::RegisterTestSetReply {
        name: set.name.clone(),
        sha256: set.sha256.clone(),
        cases: count(set),
    }
}

/// A set has at most a million cases.
fn count(set: &TestSet) -> u32 {
    u32::try_from(set.cases()).unwrap_or(u32::MAX)
}
