//! Chunks on their way. A clinic stores what an update of its own can hold, sees what is its own or its round's, and
//! resumes after either end has restarted: what a broken upload brought stays.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::hygiene::Refusal as Hygiene;
use barefoot_federation::round::Duty;
use barefoot_wire::v1;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use prost::Message;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};
use tonic::Status;

use super::refusal::Refusal;
use super::runs::Runs;
use super::{Error, wire};
use crate::archive::{AttemptKey, Uploaded};
use crate::chunks::{self, Batch};

/// A clinic may send this many times the size of an update: after a restart its noise, and so its chunks, are others.
const UPDATES_PER_CLINIC: u64 = 2;
const SLACK_BYTES: u64 = 1024 * 1024;

/// Uploads of one clinic at once: one that goes on, and what an old line may have left open.
const UPLOADS_PER_CLINIC: usize = 4;

/// What has come is made durable after so many chunks, or so much time.
const CHUNKS_PER_SYNC: usize = 32;
const TIME_PER_SYNC: Duration = Duration::from_secs(10);

/// A sender that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(120);

/// Chunks named in one message.
const MOST_NAMED: usize = 16 * 1024;

/// What a clinic may send now.
#[derive(Debug)]
struct Admission {
    /// The attempt it is for, or the first of several.
    key: AttemptKey,
    sizes: HashSet<usize>,
    most_bytes: u64,
}

/// Counts an upload for as long as it goes on.
struct Turn<'a>(&'a Runs, ClinicId);

/// Chunks written and not yet durable.
struct Intake {
    /// `None` while the last chunk is being written.
    batch: Option<Batch>,
    writing: Option<JoinHandle<(Batch, Result<ChunkId, chunks::Error>)>>,
    waiting: Vec<(ChunkId, u64)>,
    last_size: u64,
    since: Instant,
}

impl Runs {
    /// Which of these the clinic itself has not sent yet; what others sent is none of its business.
    pub(super) async fn missing(
        &self,
        clinic: &ClinicId,
        asked: &v1::ChunkIds,
    ) -> Result<v1::ChunkIds, Status> {
        let ids = named(asked)?;
        let own = self.own_chunks(clinic).await?;
        let missing = ids
            .iter()
            .filter(|id| !(own.contains(id) && self.0.chunks.has(id)));
        Ok(v1::ChunkIds {
            id: missing.map(|id| id.0.to_vec()).collect(),
        })
    }

    /// Takes in chunks. What has come is durable when this returns, also when the sender went away half-way.
    pub(super) async fn push<S>(&self, clinic: &ClinicId, mut chunks: S) -> Result<v1::PushSummary, Status>
    where
        S: Stream<Item = Result<v1::Chunk, Status>> + Unpin + Send,
    {
        let _turn = Turn::take(self, clinic)?;
        let mut admission = self.admission(clinic).await?;
        let mut intake = Intake::new(self.0.chunks.batch());
        let mut stored = 0_usize;
        let ended = loop {
            let next = match timeout(SILENCE, chunks.next()).await {
                Err(_) => break Err(Status::deadline_exceeded("Nothing came for two minutes.")),
                Ok(None) => break Ok(()),
                Ok(Some(Err(status))) => break Err(status),
                Ok(Some(Ok(chunk))) => chunk.content,
            };
            if !admission.sizes.contains(&next.len()) {
                break Err(Status::invalid_argument(
                    "No chunk of an update of this round has this length.",
                ));
            }
            if let Err(error) = intake.add(next).await {
                break Err(Error::from(error).into());
            }
            if intake.is_due() {
                stored += self.store(clinic, &admission, &mut intake).await?;
                // The stage may have ended meanwhile.
                admission = self.admission(clinic).await?;
            }
        };
        stored += self.store(clinic, &admission, &mut intake).await?;
        ended?;
        Ok(v1::PushSummary {
            stored: u32::try_from(stored).unwrap_or(u32::MAX),
        })
    }

    /// Chunks of the parameters of rounds that are open.
    pub(super) async fn pull(
        &self,
        clinic: &ClinicId,
        asked: &v1::ChunkIds,
    ) -> Result<impl Stream<Item = Result<v1::Chunk, Status>> + Send + use<>, Status> {
        let ids = named(asked)?;
        {
            let active = self.lock().await;
            let open = active.values().filter(|run| !run.banned.contains(clinic));
            let offered: HashSet<&ChunkId> = open.flat_map(|run| run.attempt.offered()).collect();
            if !ids.iter().all(|id| offered.contains(id)) {
                return Err(Status::not_found(
                    "A chunk is not one of an open round's parameters.",
                ));
            }
        }
        let store = self.0.chunks.clone();
        let chunks = stream::iter(ids).map(move |id| {
            let store = store.clone();
            async move {
                let content = store.read(id).await;
                // The round may have ended, and its parameters with it: the clinic asks for its next task.
                let content = content.map_err(|_| Status::aborted("The round has ended."))?;
                Ok(v1::Chunk { content })
            }
        });
        // One is read while the one before travels.
        Ok(chunks.buffered(2))
    }

    /// What the clinic has sent: before its update was accepted, and with it.
    async fn own_chunks(&self, clinic: &ClinicId) -> Result<HashSet<ChunkId>, Error> {
        let uploads = self.0.archive.uploads_of(clinic).await?;
        let mut own: HashSet<ChunkId> = uploads.into_keys().collect();
        let open: Vec<AttemptKey> = {
            let active = self.lock().await;
            active.values().map(|run| run.attempt.key.clone()).collect()
        };
        for key in open {
            if let Some(reply) = self.0.archive.reply(&key, clinic, Duty::Fit).await? {
                own.extend(update_chunks(&reply.body)?);
            }
        }
        Ok(own)
    }

    async fn admission(&self, clinic: &ClinicId) -> Result<Admission, Status> {
        let active = self.lock().await;
        let mut admission: Option<Admission> = None;
        for run in active
            .values()
            .filter(|run| run.duty_of(clinic) == Some(Duty::Fit))
        {
            let sizes = run.chunk_bytes()?;
            let bytes: u64 = sizes.iter().map(|size| *size as u64).sum();
            let entry = admission.get_or_insert_with(|| Admission {
                key: run.attempt.key.clone(),
                sizes: HashSet::new(),
                most_bytes: SLACK_BYTES,
            });
            entry.sizes.extend(sizes);
            entry.most_bytes = entry
                .most_bytes
                .saturating_add(bytes.saturating_mul(UPDATES_PER_CLINIC));
        }
        admission.ok_or_else(|| Status::failed_precondition("No round waits for an update of this clinic."))
    }

    /// Makes durable and writes down what has come.
    async fn store(
        &self,
        clinic: &ClinicId,
        admission: &Admission,
        intake: &mut Intake,
    ) -> Result<usize, Status> {
        let _hold = self.0.chunks.hold().await;
        let mut came = intake.sync().await.map_err(Error::from)?;
        // One that was there already may have been removed before this held the store.
        came.retain(|(id, _)| self.0.chunks.has(id));
        if came.is_empty() {
            return Ok(0);
        }
        let noted = self
            .0
            .archive
            .note_uploads(clinic, &came, admission.most_bytes)
            .await;
        match noted.map_err(Error::from)? {
            Uploaded::Noted => Ok(came.len()),
            Uploaded::TooMuch => {
                let refusal = Refusal::from(Hygiene::TooLarge);
                self.refuse(&admission.key, clinic, &refusal).await?;
                Err(Status::resource_exhausted(refusal.reason))
            }
        }
    }
}

impl<'a> Turn<'a> {
    fn take(runs: &'a Runs, clinic: &ClinicId) -> Result<Self, Status> {
        let mut uploading = runs.0.uploading.lock().unwrap_or_else(PoisonError::into_inner);
        let count = uploading.entry(clinic.clone()).or_default();
        if UPLOADS_PER_CLINIC <= *count {
            return Err(Status::resource_exhausted(
                "Other uploads of this clinic are going on.",
            ));
        }
        *count += 1;
        Ok(Self(runs, clinic.clone()))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut uploading = self.0.0.uploading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = uploading.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                uploading.remove(&self.1);
            }
        }
    }
}

impl Intake {
    fn new(batch: Batch) -> Self {
        Self {
            batch: Some(batch),
            writing: None,
            waiting: Vec::new(),
            last_size: 0,
            since: Instant::now(),
        }
    }

    /// Hashes and writes a chunk while the next one is on its way.
    async fn add(&mut self, content: Bytes) -> Result<(), chunks::Error> {
        self.settle().await?;
        let Some(mut batch) = self.batch.take() else {
            return Err(chunks::Error::Cut);
        };
        self.last_size = content.len() as u64;
        self.writing = Some(spawn_blocking(move || {
            let written = batch.add(&content);
            (batch, written)
        }));
        Ok(())
    }

    /// Waits for the chunk that is being written.
    async fn settle(&mut self) -> Result<(), chunks::Error> {
        if let Some(writing) = self.writing.take() {
            let (batch, written) = writing.await.map_err(|_| chunks::Error::Cut)?;
            self.batch = Some(batch);
            self.waiting.push((written?, self.last_size));
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        CHUNKS_PER_SYNC <= self.waiting.len() || TIME_PER_SYNC < self.since.elapsed()
    }

    /// Makes all durable; gives their names and lengths.
    async fn sync(&mut self) -> Result<Vec<(ChunkId, u64)>, chunks::Error> {
        self.settle().await?;
        self.since = Instant::now();
        if let Some(mut batch) = self.batch.take() {
            let synced = spawn_blocking(move || {
                let synced = batch.commit();
                (batch, synced)
            });
            let (batch, synced) = synced.await.map_err(|_| chunks::Error::Cut)?;
            self.batch = Some(batch);
            synced?;
        }
        Ok(std::mem::take(&mut self.waiting))
    }
}

/// The chunks an accepted update names.
pub(super) fn update_chunks(body: &[u8]) -> Result<Vec<ChunkId>, Error> {
    let reply = v1::FitReply::decode(body).map_err(|_| Error::Stored { what: "update" })?;
    let update = reply.update.unwrap_or_default();
    wire::chunk_ids(&update.chunk).ok_or(Error::Stored { what: "update" })
}

fn named(asked: &v1::ChunkIds) -> Result<Vec<ChunkId>, Status> {
    if MOST_NAMED < asked.id.len() {
        return Err(Status::invalid_argument("One call names at most 16384 chunks."));
    }
    wire::chunk_ids(&asked.id).ok_or_else(|| Status::invalid_argument("A chunk's name has 32 bytes."))
}
