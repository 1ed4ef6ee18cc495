//! Test sets: labelled pictures become pooled features, and only these leave the machine.

mod features;
mod pictures;
mod table;

pub(crate) use pictures::png as load_png;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use barefoot_federation::chunk::ChunkId;
use barefoot_wire::v1;
use clap::{Subcommand, ValueEnum};
use prost::Message;

use crate::hub;

/// One message of the upload.
const PIECE_BYTES: usize = 1024 * 1024;
/// The hub takes no larger set.
const LIMIT_BYTES: usize = 128 * 1024 * 1024;
/// A hub reads a set whole before it answers.
const ANSWER: Duration = Duration::from_secs(600);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a set from labelled pictures: each becomes what the bundle's backbone sees in it. No picture, file name or
    /// other identity is in the result.
    Make {
        /// The model bundle whose backbone makes the features.
        #[arg(long)]
        bundle: PathBuf,
        /// A CSV file. Column `image`: path of a DICOM file, PNG or JPEG, from the CSV's folder. One column for each
        /// finding code of the bundle that is labelled: 1 or 0. Every other column is a subgroup, its name in small
        /// letters (sex, age, clinic, device) and its value as it shall be shown (F, 0-17, …); empty for none.
        #[arg(long)]
        images: PathBuf,
        /// Columns of the CSV that mean nothing here.
        #[arg(long = "ignore", value_name = "COLUMN")]
        ignored: Vec<String>,
        /// 1 to 64 of letters, digits, '.', '_', '-'.
        #[arg(long)]
        name: String,
        #[arg(long)]
        purpose: Purpose,
        /// Where the pictures and labels come from; shown in gate reports.
        #[arg(long)]
        source: String,
        /// Which artefact makes the features. A box uses int8 unless its site file says otherwise.
        #[arg(long, default_value = "auto")]
        precision: Precision,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Locks a set at the hub: the same name never means another content.
    Register {
        /// Made by `test-set make`.
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Judges candidates; nothing is fitted to it.
    Evaluation,
    /// Temperatures and operating points may be fitted to it; it never judges.
    Calibration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    Auto,
    F32,
    Int8,
}

pub(crate) async fn run(command: &Command, options: &hub::Options) -> anyhow::Result<String> {
    match command {
        Command::Make {
            bundle,
            images,
            ignored,
            name,
            purpose,
            source,
            precision,
            out,
        } => {
            if out.exists() {
                bail!("{} exists already: a set is never overwritten", out.display());
            }
            let extractor = features::Extractor::open(bundle, *precision)?;
            let table = table::read(images, extractor.findings(), ignored)?;
            let cases = extractor.cases(&table)?;
            let set = v1::TestSet {
                name: name.clone(),
                purpose: match purpose {
                    Purpose::Evaluation => "evaluation",
                    Purpose::Calibration => "calibration",
                }
                .to_owned(),
                model_id: extractor.model_id().to_owned(),
                backbone: extractor.backbone().to_owned(),
                finding: table.findings.clone(),
                channels: extractor.channels(),
                case: cases,
                source: source.clone(),
            };
            let bytes = set.encode_to_vec();
            if LIMIT_BYTES < bytes.len() {
                bail!(
                    "the set takes {} bytes, a hub takes {LIMIT_BYTES}: make it smaller",
                    bytes.len()
                );
            }
            fs::write(out, &bytes).with_context(|| format!("cannot write {}", out.display()))?;
            Ok(summary(&set, &bytes, &out.display().to_string()))
        }
        Command::Register { file } => register(file, options).await,
    }
}

fn summary(set: &v1::TestSet, bytes: &[u8], out: &str) -> String {
    let counts = set.finding.iter().enumerate().map(|(place, finding)| {
        let has = |case: &&v1::TestCase| case.present.get(place) == Some(&true);
        let present = set.case.iter().filter(has).count();
        format!(
            "\n  {finding}: {present} with, {} without",
            set.case.len() - present
        )
    });
    format!(
        "Made {out}: {} cases, features of {} channels, SHA-256 {}.{}",
        set.case.len(),
        set.channels,
        ChunkId::of(bytes),
        counts.collect::<String>()
    )
}

async fn register(file: &std::path::Path, options: &hub::Options) -> anyhow::Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    // A picture given by mistake must not leave the machine.
    let set = v1::TestSet::decode(bytes.as_slice())
        .ok()
        .filter(|set| !set.case.is_empty() && !set.backbone.is_empty())
        .with_context(|| format!("{} is no set made by `test-set make`", file.display()))?;
    let pieces: Vec<v1::Chunk> = bytes
        .chunks(PIECE_BYTES)
        .map(|piece| v1::Chunk {
            content: piece.to_vec().into(),
        })
        .collect();
    let hub = options.hub()?;
    let mut request = tonic::Request::new(tokio_stream::iter(pieces));
    request.set_timeout(ANSWER);
    let reply = hub
        .maintenance()
        .register_test_set(request)
        .await
        .map_err(|status| hub.told(&status))?
        .into_inner();
    if reply.sha256 != ChunkId::of(&bytes).to_string() {
        bail!(
            "the hub took another content than {}: register it again",
            file.display()
        );
    }
    Ok(format!(
        "The {} set {} is registered and locked: {} cases, SHA-256 {}.",
        set.purpose, reply.name, reply.cases, reply.sha256
    ))
}
