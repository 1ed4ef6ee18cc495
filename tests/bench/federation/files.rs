//! Updates and model in chunk files, read and written as the hub does: block by block, the model's chunks named by
//! their content. Not synced: what waits for the disk is no processor time.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use barefoot_federation::aggregate::{ModelStore, SourceError, Updates};
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::{Encoding, encode, f32_bytes, held_values, read_into};
use barefoot_federation::layout::Layout;
use barefoot_federation::strategy::Moment;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The F32 chunks of an update, random by its number.
pub(super) fn chunks(layout: &Layout, seed: u64) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..layout.chunks())
        .map(|chunk| {
            let values = layout.chunk_values(chunk);
            let values: Vec<f32> = (0..values).map(|_| random.random::<f32>() - 0.5).collect();
            Ok(encode(&values, Encoding::F32)?)
        })
        .collect()
}

/// A global model and the updates of so many clients, a folder each.
pub(super) fn write_updates(folder: &Path, layout: &Layout, clients: usize) -> anyhow::Result<()> {
    for client in 0..=clients {
        let own = match client.checked_sub(1) {
            Some(client) => update(folder, client),
            None => global(folder),
        };
        fs::create_dir(&own)?;
        for (chunk, bytes) in chunks(layout, client as u64)?.iter().enumerate() {
            fs::write(own.join(chunk.to_string()), bytes).context("4.1 GB of free space are needed")?;
        }
    }
    Ok(())
}

fn global(folder: &Path) -> PathBuf {
    folder.join("global")
}

fn update(folder: &Path, client: usize) -> PathBuf {
    folder.join(format!("client-{client}"))
}

pub(super) struct UpdateFiles {
    clients: Vec<Client>,
    bytes: Vec<u8>,
}

struct Client {
    folder: PathBuf,
    weight: f64,
    /// The chunk read last.
    open: Option<(usize, File)>,
}

impl UpdateFiles {
    pub(super) fn of(folder: &Path, clients: usize) -> Self {
        let client = |client| Client {
            folder: update(folder, client),
            weight: (client % 90 + 10) as f64,
            open: None,
        };
        Self {
            clients: (0..clients).map(client).collect(),
            bytes: Vec::new(),
        }
    }

    /// The same updates, still encoded.
    pub(super) fn into_memory(self, layout: &Layout) -> anyhow::Result<EncodedUpdates> {
        let update = |client: Client| {
            let read = |chunk: usize| fs::read(client.folder.join(chunk.to_string()));
            let chunks = (0..layout.chunks()).map(read).collect::<Result<_, _>>()?;
            anyhow::Ok((client.weight, chunks))
        };
        Ok(EncodedUpdates {
            clients: self.clients.into_iter().map(update).collect::<Result<_, _>>()?,
        })
    }
}

/// Updates in memory, chunk by chunk as they arrived.
pub(super) struct EncodedUpdates {
    clients: Vec<(f64, Vec<Vec<u8>>)>,
}

impl EncodedUpdates {
    fn piece(&self, client: usize, chunk: usize, offset: usize, values: usize) -> Option<&[u8]> {
        let (_, chunks) = self.clients.get(client)?;
        chunks.get(chunk)?.get(Encoding::F32.byte_range(offset, values)?)
    }
}

impl Updates for EncodedUpdates {
    fn clients(&self) -> usize {
        self.clients.len()
    }

    fn weight(&self, client: usize) -> f64 {
        self.clients.get(client).map_or(0.0, |(weight, _)| *weight)
    }

    fn read(
        &mut self,
        client: usize,
        chunk: usize,
        offset: usize,
        into: &mut [f32],
    ) -> Result<(), SourceError> {
        let from = self
            .piece(client, chunk, offset, into.len())
            .ok_or("no such piece")?;
        read_into::<SourceError>(Encoding::F32, into, &mut Vec::new(), |bytes| {
            bytes.copy_from_slice(from);
            Ok(())
        })
    }

    fn held(&self, client: usize, chunk: usize, offset: usize, values: usize) -> Option<&[f32]> {
        held_values(self.piece(client, chunk, offset, values)?, Encoding::F32)
    }
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
        let client = self.clients.get_mut(client).ok_or("no such client")?;
        let range = Encoding::F32
            .byte_range(offset, into.len())
            .ok_or("no such piece")?;
        let file = match client.open.take() {
            Some((at, file)) if at == chunk => file,
            _ => File::open(client.folder.join(chunk.to_string()))?,
        };
        read_into::<SourceError>(Encoding::F32, into, &mut self.bytes, |bytes| {
            Ok(file.read_exact_at(bytes, range.start as u64)?)
        })?;
        client.open = Some((chunk, file));
        Ok(())
    }
}

/// The global model, and the next one in a folder that goes with it.
pub(super) struct ModelFiles {
    global: PathBuf,
    next: tempfile::TempDir,
    written: usize,
}

impl ModelFiles {
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            global: global(folder),
            next: tempfile::tempdir_in(folder)?,
            written: 0,
        })
    }

    pub(super) fn written(&self) -> usize {
        self.written
    }
}

impl ModelStore for ModelFiles {
    fn read_global(&mut self, chunk: usize, into: &mut [f32]) -> Result<(), SourceError> {
        let file = File::open(self.global.join(chunk.to_string()))?;
        read_into::<SourceError>(Encoding::F32, into, &mut Vec::new(), |bytes| {
            Ok(file.read_exact_at(bytes, 0)?)
        })
    }

    fn write_global(&mut self, _chunk: usize, values: &[f32]) -> Result<(), SourceError> {
        let bytes = f32_bytes(values);
        fs::write(self.next.path().join(ChunkId::of(&bytes).to_string()), bytes)?;
        self.written += 1;
        Ok(())
    }

    fn read_moment(&mut self, _: Moment, _: usize, _: &mut [f32]) -> Result<bool, SourceError> {
        Ok(false)
    }

    fn write_moment(&mut self, _: Moment, _: usize, _: &[f32]) -> Result<(), SourceError> {
        Err("FedAvg keeps no moments".into())
    }
}
