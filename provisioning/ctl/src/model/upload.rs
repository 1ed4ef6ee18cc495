//! The published repository, up to the hub.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use barefoot_wire::v1::ReleasePart;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::hub;
use crate::repository;

const PART_BYTES: usize = 1024 * 1024;
/// Parts read ahead of the line; the reader waits when it is full.
const AHEAD: usize = 4;

pub(super) async fn release(directory: &Path, options: &hub::Options) -> anyhow::Result<String> {
    let paths = repository::open(directory)?.published_files()?;
    let count = paths.len();
    let hub = options.hub()?;
    let (into, parts) = mpsc::channel(AHEAD);
    let reader = tokio::task::spawn_blocking({
        let directory = directory.to_owned();
        move || read(&directory, paths, &into)
    });
    let published = hub
        .maintenance()
        .publish_release(ReceiverStream::new(parts))
        .await;
    // A file that could not be read is why the hub got too little.
    reader.await.context("reading the repository ended")??;
    published.map_err(|status| hub.told(&status))?;
    Ok(format!(
        "The hub offers the repository's releases now ({count} files). `barefootctl model rollout MODEL VERSION --plan FILE` sends one to the boxes."
    ))
}

fn read(directory: &Path, paths: Vec<String>, into: &mpsc::Sender<ReleasePart>) -> anyhow::Result<()> {
    for path in paths {
        let full: PathBuf = directory.join(&path);
        let failed = || format!("cannot read {}", full.display());
        let mut file = File::open(&full).with_context(failed)?;
        loop {
            let mut content = Vec::new();
            let read = (&mut file).take(PART_BYTES as u64).read_to_end(&mut content);
            if read.with_context(failed)? == 0 {
                break;
            }
            let part = ReleasePart {
                path: path.clone(),
                content,
            };
            // The hub has answered already: what it says counts.
            if into.blocking_send(part).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
