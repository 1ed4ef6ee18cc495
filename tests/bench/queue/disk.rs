//! The limits: the same bytes into one file, by one thread, with one sync for each record or for as many as wait at once.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::{Figures, PAYLOAD_BYTES, payload, per_second};

/// What the queue writes beside a payload.
const FRAME_BYTES: usize = 77;

/// `together` records with each sync, beside so many producers that wait for each of theirs.
pub(super) fn append(
    folder: &Path,
    together: usize,
    producers: usize,
    records: usize,
) -> anyhow::Result<Figures> {
    let path = folder.join("limit");
    let mut file = File::create(&path)?;
    let group: Vec<u8> = (0..together).flat_map(payload).collect();
    let frames = vec![0; together * FRAME_BYTES];
    anyhow::ensure!(group.len() == together * PAYLOAD_BYTES, "payloads have one size");
    rustix::fs::sync();
    let begun = Instant::now();
    for _ in 0..records / together {
        let mut bytes = Vec::with_capacity(group.len() + frames.len());
        bytes.extend_from_slice(&group);
        bytes.extend_from_slice(&frames);
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    let pace = per_second(records / together * together, begun);
    std::fs::remove_file(path)?;
    Ok(Figures::from([(format!("append_{producers}_per_s"), pace)]))
}
