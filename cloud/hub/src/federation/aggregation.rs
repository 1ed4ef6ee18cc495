//! The arithmetic of a round over chunk files, in memory that does not grow with the clinics. On the calling thread.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use barefoot_federation::aggregate::{
    AggregateError, ModelStore, SourceError, Summary, UpdateSum, Updates, aggregate, aggregate_sum,
};
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::{Encoding, decode_into, decode_masked_into, f32_bytes, read_into};
use barefoot_federation::layout::Layout;
use barefoot_federation::secagg::{self, Unmasker, add_masked};
use barefoot_federation::strategy::{Moment, Strategy};

use crate::archive::GlobalRow;
use crate::chunks::{self, Batch, ChunkStore};

/// Files of updates kept open at a time; with more clinics each piece is opened for itself.
const OPEN_FILES: usize = 256;

/// What is to be aggregated, and into what.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) store: ChunkStore,
    pub(super) layout: Arc<Layout>,
    pub(super) strategy: Strategy,
    pub(super) round: u32,
    pub(super) global: GlobalRow,
    pub(super) updates: WorkUpdates,
    /// Set when nobody waits for the result any more.
    pub(super) cancelled: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(super) enum WorkUpdates {
    /// Weights and chunks, in the order of the clinics' ids.
    Plain {
        encoding: Encoding,
        updates: Vec<(f64, Vec<ChunkId>)>,
    },
    /// The masked vectors of those who stayed to the end.
    Masked {
        params: Box<secagg::Params>,
        unmasker: Unmasker,
        vectors: Vec<Vec<ChunkId>>,
    },
}

/// Why there is no aggregate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{source}")]
    Aggregate {
        #[from]
        source: AggregateError,
    },
    #[error("{source}")]
    Masked { source: secagg::Error },
    #[error("{source}")]
    Store {
        #[from]
        source: chunks::Error,
    },
    #[error("The masked sum cannot be read: {source}")]
    Sum { source: SourceError },
    #[error("The aggregation was cancelled.")]
    Cancelled,
}

impl Work {
    /// The next round's parameters; they are in the store, durable, when this returns.
    pub(super) fn run(self) -> Result<(GlobalRow, Summary), Error> {
        let cancelled = Arc::clone(&self.cancelled);
        self.run_to_end().map_err(|error| {
            if cancelled.load(Ordering::Relaxed) {
                Error::Cancelled
            } else {
                error
            }
        })
    }

    fn run_to_end(self) -> Result<(GlobalRow, Summary), Error> {
        let mut model = Model {
            store: self.store.clone(),
            batch: self.store.batch(),
            from: &self.global,
            chunks: Vec::new(),
            first: Vec::new(),
            second: Vec::new(),
            bytes: Vec::new(),
        };
        let summary = match self.updates {
            WorkUpdates::Plain { encoding, updates } => {
                let mut updates = UpdateFiles {
                    store: self.store,
                    encoding,
                    keep_open: updates.len() <= OPEN_FILES,
                    clients: updates
                        .into_iter()
                        .map(|(weight, chunks)| Client {
                            weight,
                            chunks,
                            open: None,
                        })
                        .collect(),
                    bytes: Vec::new(),
                    cancelled: self.cancelled,
                };
                aggregate(&self.strategy, self.round, &self.layout, &mut updates, &mut model)?
            }
            WorkUpdates::Masked {
                params,
                unmasker,
                vectors,
            } => {
                let mut sum = MaskedSum {
                    store: self.store,
                    params: *params,
                    unmasker,
                    vectors,
                    at: None,
                    values: Vec::new(),
                    cancelled: self.cancelled,
                };
                let weight = sum.weight()?;
                aggregate_sum(
                    &self.strategy,
                    self.round,
                    &self.layout,
                    &mut sum,
                    weight,
                    &mut model,
                )?
            }
        };
        model.batch.commit()?;
        let moment = |ids: Vec<ChunkId>| (!ids.is_empty()).then_some(ids);
        let made = GlobalRow {
            round: self.round + 1,
            chunks: model.chunks,
            first: moment(model.first),
            second: moment(model.second),
        };
        Ok((made, summary))
    }
}

/// Updates as the clinics sent them.
struct UpdateFiles {
    store: ChunkStore,
    encoding: Encoding,
    clients: Vec<Client>,
    keep_open: bool,
    bytes: Vec<u8>,
    cancelled: Arc<AtomicBool>,
}

struct Client {
    weight: f64,
    chunks: Vec<ChunkId>,
    /// The chunk read last.
    open: Option<(usize, File)>,
}

impl Updates for UpdateFiles {
    fn clients(&self) -> usize {
        self.clients.len()
    }

    fn weight(&self, client: usize) -> f64 {
        self.clients.get(client).map_or(0.0, |client| client.weight)
    }

    fn read(
        &mut self,
        client: usize,
        chunk: usize,
        offset: usize,
        into: &mut [f32],
    ) -> Result<(), SourceError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Box::new(Error::Cancelled));
        }
        let client = self.clients.get_mut(client).ok_or(NotThere)?;
        let range = self.encoding.byte_range(offset, into.len()).ok_or(NotThere)?;
        let file = match client.open.take() {
            Some((at, file)) if at == chunk => file,
            _ => self
                .store
                .open_blocking(client.chunks.get(chunk).ok_or(NotThere)?)?,
        };
        read_into::<SourceError>(self.encoding, into, &mut self.bytes, |bytes| {
            Ok(file.read_exact_at(bytes, range.start as u64)?)
        })?;
        if self.keep_open {
            client.open = Some((chunk, file));
        }
        Ok(())
    }
}

/// The sum of the masked vectors, unmasked one chunk at a time.
struct MaskedSum {
    store: ChunkStore,
    params: secagg::Params,
    unmasker: Unmasker,
    vectors: Vec<Vec<ChunkId>>,
    at: Option<usize>,
    values: Vec<f64>,
    cancelled: Arc<AtomicBool>,
}

impl MaskedSum {
    /// The sum of the weights stands after the values.
    fn weight(&mut self) -> Result<f64, Error> {
        let last = self.params.chunks().saturating_sub(1);
        let sums = self.unmasked(last).map_err(|source| Error::Sum { source })?;
        let weight = sums.last().copied().unwrap_or_default();
        self.params
            .quantiser()
            .dequantise_weight(weight, self.unmasker.contributors())
            .map_err(|source| Error::Masked { source })
    }

    fn unmasked(&self, chunk: usize) -> Result<Vec<u32>, SourceError> {
        let mut sum = vec![0_u32; self.params.chunk_length(chunk)?];
        let mut masked = vec![0_u32; sum.len()];
        let mut bytes = Vec::new();
        for vector in &self.vectors {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Box::new(Error::Cancelled));
            }
            self.store
                .read_over(vector.get(chunk).ok_or(NotThere)?, &mut bytes)?;
            decode_masked_into(&bytes, &mut masked)?;
            add_masked(&mut sum, &masked);
        }
        self.unmasker.unmask_chunk(chunk, &mut sum)?;
        Ok(sum)
    }
}

impl UpdateSum for MaskedSum {
    fn read(&mut self, chunk: usize, offset: usize, into: &mut [f64]) -> Result<(), SourceError> {
        if self.at != Some(chunk) {
            let mut sums = self.unmasked(chunk)?;
            if chunk + 1 == self.params.chunks() {
                // The weight.
                sums.pop();
            }
            let quantiser = self.params.quantiser();
            self.values = quantiser.dequantise_sum(&sums, self.unmasker.contributors())?;
            self.at = Some(chunk);
        }
        let values = self.values.get(offset..).and_then(|rest| rest.get(..into.len()));
        into.copy_from_slice(values.ok_or(NotThere)?);
        Ok(())
    }
}

/// The present global model and, chunk by chunk, the next one.
struct Model<'a> {
    store: ChunkStore,
    batch: Batch,
    from: &'a GlobalRow,
    chunks: Vec<ChunkId>,
    first: Vec<ChunkId>,
    second: Vec<ChunkId>,
    /// Of the chunk that is being read.
    bytes: Vec<u8>,
}

impl Model<'_> {
    fn read(&mut self, id: &ChunkId, into: &mut [f32]) -> Result<(), SourceError> {
        self.store.read_over(id, &mut self.bytes)?;
        Ok(decode_into(&self.bytes, Encoding::F32, into)?)
    }

    fn write(&mut self, values: &[f32]) -> Result<ChunkId, SourceError> {
        Ok(self.batch.add(&f32_bytes(values))?)
    }
}

impl ModelStore for Model<'_> {
    fn read_global(&mut self, chunk: usize, into: &mut [f32]) -> Result<(), SourceError> {
        let id = *self.from.chunks.get(chunk).ok_or(NotThere)?;
        self.read(&id, into)
    }

    fn write_global(&mut self, _chunk: usize, values: &[f32]) -> Result<(), SourceError> {
        let id = self.write(values)?;
        self.chunks.push(id);
        Ok(())
    }

    fn read_moment(&mut self, moment: Moment, chunk: usize, into: &mut [f32]) -> Result<bool, SourceError> {
        let ids = match moment {
            Moment::First => &self.from.first,
            Moment::Second => &self.from.second,
        };
        let Some(ids) = ids else {
            return Ok(false);
        };
        let id = *ids.get(chunk).ok_or(NotThere)?;
        self.read(&id, into)?;
        Ok(true)
    }

    fn write_moment(&mut self, moment: Moment, _chunk: usize, values: &[f32]) -> Result<(), SourceError> {
        let id = self.write(values)?;
        match moment {
            Moment::First => self.first.push(id),
            Moment::Second => self.second.push(id),
        }
        Ok(())
    }
}

/// Something was asked for that the journal does not have.
#[derive(Debug, thiserror::Error)]
#[error("A part of the parameters is not there.")]
struct NotThere;
