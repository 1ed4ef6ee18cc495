//! What is sent, and the sending itself: a few images at a time, so that neither memory nor disk fills.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use barefoot_test_support::phantom::{Chest, CtSlice, Defect, Size};
use barefoot_test_support::scanner::{Associations, DicomFile, Scanner, chain};
use barefoot_test_support::sources::{self, Prepared};
use barefoot_test_support::wrap::Wrapping;
use barefoot_test_support::{Charset, Instance, Radiograph};

use crate::cases::Sent;

pub(crate) const CALLING: &str = "SIM_DR1";
pub(crate) const CALLED: &str = "BAREFOOT";

/// Images of one association.
const BATCH: usize = 16;

/// Something to send, made when its turn comes.
#[derive(Debug, Clone)]
pub(crate) enum Picture {
    File(PathBuf),
    Chest(&'static str, Chest),
    Ct(&'static str, CtSlice),
}

/// For a machine with no data: what a clinic's day brings, also what goes wrong on it.
pub(crate) fn drawn() -> Vec<Picture> {
    let chest = |seed| Chest::varied(seed, Size::Full, Radiograph::Dx);
    let underexposed = Chest {
        defect: Defect::Underexposed,
        ..chest(6)
    };
    vec![
        Picture::Chest("drawn chest 1", chest(1)),
        Picture::Chest("drawn chest 2, with an opacity", chest(2)),
        Picture::Chest("drawn chest 3, 14 bits", chest(3)),
        Picture::Chest("drawn chest 4, MONOCHROME1", chest(4)),
        Picture::Chest("drawn chest 5, underexposed", underexposed),
        Picture::Ct(
            "drawn CT slice",
            CtSlice {
                seed: 1,
                number: 1,
                charset: Charset::Gb18030,
            },
        ),
    ]
}

/// The files a person named, in order.
pub(crate) fn named(paths: &[PathBuf]) -> anyhow::Result<Vec<Picture>> {
    let files = sources::collect(paths)
        .map_err(|(path, error)| anyhow::Error::new(error).context(path.display().to_string()))?;
    anyhow::ensure!(!files.is_empty(), "there are no files in what you named");
    Ok(files.into_iter().map(Picture::File).collect())
}

/// What the sender has done so far, for the one who tells.
pub(crate) type Log = Arc<Mutex<Vec<Sent>>>;

/// Sends `pictures` in order and logs each outcome at once.
pub(crate) async fn send(
    pictures: Vec<Picture>,
    address: String,
    folder: PathBuf,
    log: Log,
) -> anyhow::Result<()> {
    let mut scanner = Scanner::new(address, CALLED, CALLING);
    scanner.associations = Associations::Shared;
    for batch in pictures.chunks(BATCH) {
        // Drawing takes a second each: drawn pictures go one by one, so that the account starts early.
        let step = if batch.iter().all(|one| matches!(one, Picture::File(_))) {
            BATCH
        } else {
            1
        };
        for few in batch.chunks(step) {
            send_few(few.to_vec(), &scanner, &folder, &log).await?;
        }
    }
    Ok(())
}

async fn send_few(pictures: Vec<Picture>, scanner: &Scanner, folder: &Path, log: &Log) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).context("cannot make the simulator's folder")?;
    let to = folder.to_owned();
    let made = tokio::task::spawn_blocking(move || {
        let make = |(number, picture): (usize, &Picture)| prepare(picture, &to, number);
        pictures.iter().enumerate().map(make).collect::<Vec<_>>()
    })
    .await
    .context("the drawing thread ended")?;

    let (ready, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    for (name, error) in refused.into_iter().filter_map(Result::err) {
        note(
            log,
            Sent {
                name,
                study_uid: None,
                sop_instance: String::new(),
                error: Some(error),
            },
        );
    }
    let ready: Vec<Prepared> = ready.into_iter().filter_map(Result::ok).collect();
    let files: Vec<DicomFile> = ready.iter().map(|one| one.file.clone()).collect();
    scanner
        .send(&files, |outcome| {
            let named = ready.iter().find(|one| one.file.path == outcome.file.path);
            note(
                log,
                Sent {
                    name: named.map_or_else(String::new, |one| one.name.clone()),
                    study_uid: outcome.file.study_uid,
                    sop_instance: outcome.file.sop_instance,
                    error: outcome.error,
                },
            );
        })
        .await;
    std::fs::remove_dir_all(folder).context("cannot empty the simulator's folder")
}

/// The name and the reason where it cannot be sent.
fn prepare(picture: &Picture, folder: &Path, number: usize) -> Result<Prepared, (String, String)> {
    let drawn = |name: &str, instance: Instance| {
        let path = folder.join(format!("{number}.dcm"));
        let failed = |error: &dyn std::error::Error| (name.to_owned(), chain(error));
        instance.save(&path).map_err(|error| failed(&error))?;
        let file = DicomFile::open(&path).map_err(|error| failed(&error))?;
        Ok(Prepared {
            name: name.to_owned(),
            file,
        })
    };
    match picture {
        Picture::File(path) => sources::prepare(path, &Wrapping::default(), folder, number)
            .map_err(|error| (path.display().to_string(), chain(&error))),
        Picture::Chest(name, chest) => drawn(name, chest.instance()),
        Picture::Ct(name, slice) => drawn(name, slice.instance()),
    }
}

fn note(log: &Log, sent: Sent) {
    if let Ok(mut log) = log.lock() {
        log.push(sent);
    }
}
