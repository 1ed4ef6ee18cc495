use std::collections::HashSet;
use std::sync::Arc;

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::{Encoding, decode_into};
use barefoot_federation::layout::{CHUNK_VALUES, Layout};
use bytes::Bytes;

use super::model::{check_backbone, check_findings, is_name};
use super::record::{ModelRecord, TestSetRecord, chunk_ids, from_json, to_json};
use super::{BaseModel, Error, ModelEvent, ModelState, version};
use crate::archive::{Archive, ModelRow};
use crate::audit::Entry;
use crate::changes::Changes;
use crate::chunks::{self, ChunkStore};
use crate::clock::now_ms;

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    pub(super) archive: Archive,
    pub(super) chunks: ChunkStore,
    pub(super) changes: Changes,
    /// One test set is taken in at a time: it is held whole until it is checked.
    pub(super) intake: Arc<tokio::sync::Semaphore>,
}

impl Registry {
    pub(crate) fn new(archive: Archive, chunks: ChunkStore, changes: Changes) -> Self {
        Self {
            archive,
            chunks,
            changes,
            intake: Arc::new(tokio::sync::Semaphore::new(1)),
        }
    }

    /// Writes an entry into the audit log.
    ///
    /// # Errors
    /// When it cannot be written; what it tells of must not happen.
    pub(crate) async fn note(&self, entry: Entry) -> Result<(), Error> {
        Ok(self.archive.append_audit(&entry, now_ms()).await?)
    }

    /// What a run starts from.
    ///
    /// # Errors
    /// [`Error::Unknown`], or [`Error::State`] for a version that boxes do not run.
    pub(crate) async fn base(&self, model_id: &str, version: &str) -> Result<BaseModel, Error> {
        let row = self.row(model_id, version).await?;
        if !row.state.may_be_base() {
            return Err(Error::State {
                version: row.version,
                state: row.state.name(),
                why: "a run starts from a base or a released version",
            });
        }
        record(&row)?.model()
    }

    /// Registers what boxes run today. `content` are the F32 chunks of the parameters, in order. True when exactly
    /// this was registered before.
    ///
    /// # Errors
    /// [`Error::Invalid`] when something does not fit, [`Error::Locked`] when the version has another content.
    pub(crate) async fn register_base(
        &self,
        id: &str,
        version: &str,
        model: BaseModel,
        content: Vec<Vec<u8>>,
    ) -> Result<bool, Error> {
        if !is_name(id) {
            return Err(Error::invalid(
                "A model's id is 1 to 64 letters, digits, dots, dashes or underscores.",
            ));
        }
        if version::parse(version).is_none() {
            return Err(Error::invalid("A model's version is MAJOR.MINOR.PATCH."));
        }
        check_findings(&model.findings).map_err(Error::invalid)?;
        check_backbone(&model.backbone).map_err(Error::invalid)?;
        check_content(&model.layout, &model.chunks, &content)?;
        let _hold = self.chunks.hold().await;
        self.store(content.into_iter().map(Bytes::from).collect()).await?;
        let row = ModelRow {
            id: id.to_owned(),
            version: version.to_owned(),
            state: ModelState::Base,
            made_at_ms: now_ms(),
            run: None,
            record: to_json(&ModelRecord::new(&model, None), "model")?,
        };
        if self.archive.insert_model(&row).await? {
            tracing::info!(model = id, version, "A base version was registered.");
            self.changes.announce();
            return Ok(false);
        }
        let earlier = self.row(id, version).await?;
        if earlier.record == row.record && earlier.run.is_none() {
            Ok(true)
        } else {
            Err(Error::Locked {
                what: "model version",
            })
        }
    }

    /// The version stands in a published repository.
    ///
    /// # Errors
    /// [`Error::State`] for a version the gate did not let pass: it must not be published.
    pub(crate) async fn published(&self, id: &str, version: &str) -> Result<(), Error> {
        self.advance(id, version, ModelEvent::Published).await
    }

    /// The version was taken back from the fleet.
    ///
    /// # Errors
    /// [`Error::State`] for a version that was not released.
    pub(crate) async fn withdrawn(&self, id: &str, version: &str) -> Result<(), Error> {
        self.advance(id, version, ModelEvent::TakenBack).await
    }

    async fn advance(&self, id: &str, version: &str, event: ModelEvent) -> Result<(), Error> {
        let row = self.row(id, version).await?;
        let refused = Error::State {
            version: row.version,
            state: row.state.name(),
            why: match event {
                ModelEvent::Published => "only what passed the gate can be published",
                ModelEvent::TakenBack => "only what was released can be taken back",
                ModelEvent::GatePassed | ModelEvent::GateRefused => "it is judged already",
            },
        };
        let Some(to) = row.state.after(event) else {
            return Err(refused);
        };
        if to == row.state {
            return Ok(());
        }
        // Somebody else was faster: what they did decides.
        if !self.archive.set_model_state(id, version, row.state, to).await? {
            return Err(refused);
        }
        tracing::info!(
            model = id,
            version,
            state = to.name(),
            "A model version changed its state."
        );
        self.changes.announce();
        Ok(())
    }

    /// All versions of all models, the newest first.
    pub(crate) async fn versions(&self) -> Result<Vec<ModelRow>, Error> {
        Ok(self.archive.models().await?)
    }

    /// Every chunk a model or a test set needs; whoever removes chunks keeps these.
    pub(crate) async fn needed_chunks(&self) -> Result<HashSet<ChunkId>, Error> {
        let mut needed = HashSet::new();
        for row in self.archive.models().await? {
            needed.extend(chunk_ids(&record(&row)?.chunks)?);
        }
        for row in self.archive.test_sets().await? {
            let record: TestSetRecord = from_json(&row.record, "test set record")?;
            needed.extend(chunk_ids(&record.chunks)?);
        }
        Ok(needed)
    }

    /// Stores chunks with shared syncs, in order. The caller holds the store.
    pub(super) async fn store(&self, contents: Vec<Bytes>) -> Result<Vec<ChunkId>, Error> {
        let mut batch = self.chunks.batch();
        let stored = tokio::task::spawn_blocking(move || {
            let ids = contents.iter().map(|content| batch.add(content));
            let ids = ids.collect::<Result<Vec<_>, _>>()?;
            batch.commit()?;
            Ok(ids)
        });
        stored
            .await
            .unwrap_or(Err(chunks::Error::Cut))
            .map_err(|source| Error::Chunks { source })
    }

    /// All values of a version's parameters, in the layout's order.
    pub(super) async fn values(&self, model: &BaseModel) -> Result<Vec<f32>, Error> {
        let (store, layout, ids) = (self.chunks.clone(), model.layout.clone(), model.chunks.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut values = vec![0.0; layout.elements()];
            for (id, into) in ids.iter().zip(values.chunks_mut(CHUNK_VALUES)) {
                let bytes = store
                    .read_blocking(id)
                    .map_err(|source| Error::Chunks { source })?;
                decode_into(&bytes, Encoding::F32, into).map_err(|_| Error::Stored {
                    what: "parameter chunk",
                })?;
            }
            Ok(values)
        });
        read.await.unwrap_or(Err(Error::Chunks {
            source: chunks::Error::Cut,
        }))
    }

    pub(super) async fn row(&self, id: &str, version: &str) -> Result<ModelRow, Error> {
        self.archive.model(id, version).await?.ok_or(Error::Unknown {
            what: "model version",
        })
    }
}

pub(super) fn record(row: &ModelRow) -> Result<ModelRecord, Error> {
    from_json(&row.record, "model record")
}

/// The chunks are those the parameters name, with the layout's lengths and finite numbers.
fn check_content(layout: &Layout, chunks: &[ChunkId], content: &[Vec<u8>]) -> Result<(), Error> {
    if chunks.len() != layout.chunks() || content.len() != chunks.len() {
        return Err(Error::invalid(
            "The parameters' chunks are not as many as their layout has.",
        ));
    }
    for (place, (id, bytes)) in chunks.iter().zip(content).enumerate() {
        if ChunkId::of(bytes) != *id {
            return Err(Error::invalid(format!(
                "Chunk {place} is not what its name says."
            )));
        }
        let mut values = vec![0.0; layout.chunk_values(place)];
        decode_into(bytes, Encoding::F32, &mut values)
            .map_err(|error| Error::invalid(format!("Chunk {place} is no F32 chunk: {error}")))?;
    }
    Ok(())
}
