//! What leaves of real images, and what it takes: bytes and processor time of de-identification and compression.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use barefoot_imaging::deidentify::{Policy, Pseudonyms, deidentify};
use barefoot_imaging::header;
use barefoot_test_support::daemons::workspace;
use barefoot_test_support::phantom::{Chest, CtSlice, Size};

use crate::report::Report;

pub(crate) const NAME: &str = "images";

struct Names;

impl Pseudonyms for Names {
    fn uid(&self, uid: &str) -> String {
        format!("2.25.{}", uid.len())
    }

    fn patient(&self, _: &str) -> String {
        format!("P{:032X}", 7)
    }

    fn days(&self, _: &str) -> i64 {
        -100
    }
}

#[derive(Default)]
struct Sum {
    images: usize,
    withheld: usize,
    before: u64,
    after: u64,
    took: Duration,
}

pub(crate) async fn run() -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let mut rows = vec![
        ("chest_phantoms", sum(&chests(folder.path())?)?),
        ("ct_phantoms", sum(&slices(folder.path())?)?),
    ];
    let corpus = workspace().join("../shared/data/dicom-core/files");
    if corpus.is_dir() {
        rows.push(("public_suites", sum(&files(&corpus)?)?));
    }
    let mut figures = BTreeMap::new();
    for (what, sum) in rows {
        let megabytes = sum.before as f64 / 1e6;
        for (name, value) in [
            ("sent_images", sum.images as f64),
            ("withheld_images", sum.withheld as f64),
            ("before_mb", megabytes),
            ("after_mb", sum.after as f64 / 1e6),
            ("part_that_is_left", sum.after as f64 / sum.before.max(1) as f64),
            ("mb_per_s", megabytes / sum.took.as_secs_f64().max(1e-9)),
        ] {
            figures.insert(format!("{what}_{name}"), value);
        }
    }
    Ok(Report::new(NAME, figures, BTreeMap::new(), Vec::new()))
}

fn sum(paths: &[PathBuf]) -> anyhow::Result<Sum> {
    let policy = Policy::care();
    let mut sum = Sum::default();
    for path in paths {
        let Ok(header) = header::read_header(path) else {
            continue;
        };
        let begun = Instant::now();
        let outcome = deidentify(path, &header, &Names, &policy);
        let took = begun.elapsed();
        match outcome {
            Ok(image) => {
                sum.images += 1;
                sum.before += std::fs::metadata(path).context("a file went away")?.len();
                sum.after += image.file.len() as u64;
                sum.took += took;
            }
            Err(_) => sum.withheld += 1,
        }
    }
    Ok(sum)
}

fn chests(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    (0..8)
        .map(|seed| {
            let path = folder.join(format!("chest-{seed}.dcm"));
            Chest::varied(seed, Size::Full, Default::default())
                .instance()
                .save(&path)?;
            Ok(path)
        })
        .collect()
}

fn slices(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    (1..=16)
        .map(|number| {
            let path = folder.join(format!("ct-{number}.dcm"));
            let slice = CtSlice {
                seed: 3,
                number,
                charset: Default::default(),
            };
            slice.instance().save(&path)?;
            Ok(path)
        })
        .collect()
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
