//! `barefoot-arm64 PROGRAM`: this machine's box and PROGRAM, the box built for arm64 and run by qemu, get the same radiographs,
//! one after the other, and must answer alike: the same calls, scores within 1e-4. Prints both answers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barefoot_test_support::daemons::{EdgeCase, EdgeOptions, Region};
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;

/// Steps are added up in another order there, and rounded elsewhere.
const TOLERANCE: f32 = 1e-4;

/// Emulated, and a development build perhaps.
const PATIENCE: Duration = Duration::from_secs(900);

const SEEDS: std::ops::Range<u64> = 1..4;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let program = std::env::args_os().nth(1).map(PathBuf::from);
    let program = program.context("barefoot-arm64 PROGRAM")?;
    ensure!(program.is_file(), "{} is not built", program.display());
    let folder = tempfile::tempdir()?;
    let images: Vec<DicomFile> = SEEDS
        .map(|seed| {
            let path = folder.path().join(format!("chest-{seed}.dcm"));
            Chest::varied(seed, Size::Small, Default::default())
                .instance()
                .save(&path)?;
            anyhow::Ok(DicomFile::open(&path)?)
        })
        .collect::<Result<_, _>>()?;
    for precision in ["f32", "int8"] {
        let here = answers(None, precision, &images).await?;
        let there = answers(Some(&program), precision, &images).await?;
        for (here, there) in here.iter().zip(&there) {
            compare(precision, here, there)?;
        }
    }
    println!("arm64 answers as this machine does.");
    Ok(())
}

/// What a new box answers on each of the images, by study.
async fn answers(
    program: Option<&Path>,
    precision: &'static str,
    images: &[DicomFile],
) -> anyhow::Result<Vec<EdgeCase>> {
    let region = Region::new()?;
    let mut hub = region.hub("en", "127.0.0.1:0")?;
    hub.start().await?;
    let options = EdgeOptions {
        engine: "tract",
        precision,
        model: "deadline_s = 600\n".to_owned(),
        ..EdgeOptions::default()
    };
    let mut edge = region.edge("clinic-7", hub.address("mqtt")?, &options)?;
    if let Some(program) = program {
        edge.program = Some(program.to_owned());
        edge.within = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"]
            .map(str::to_owned)
            .to_vec();
        // It would start itself once more, and the system runs no such program by itself.
        edge.environment
            .push(("MALLOC_MMAP_THRESHOLD_".to_owned(), "1048576".to_owned()));
        edge.starts_within = PATIENCE;
    }
    let begun = Instant::now();
    edge.start().await?;
    let ready = begun.elapsed().as_secs_f32();
    let mut scanner = Scanner::new(edge.address("dicom")?, "BAREFOOT", "SIM_DR1");
    scanner.timeout = PATIENCE;
    let mut refused = Vec::new();
    scanner
        .send(images, |outcome| refused.extend(outcome.error))
        .await;
    ensure!(refused.is_empty(), "not stored: {refused:?}\n{}", edge.log());
    let mut cases = wait_for(
        "every study to be answered, and received by the hub",
        PATIENCE,
        async || {
            let cases = edge.cases().await.map_err(|error| error.to_string())?;
            let is_done = |case: &EdgeCase| case.state == "assessed" && case.delivery == "receipted";
            if cases.len() == images.len() && cases.iter().all(is_done) {
                Ok(cases)
            } else {
                Err(format!("{cases:?}"))
            }
        },
    )
    .await
    .with_context(|| edge.log())?;
    println!(
        "{}, {precision}: ready after {ready:.1} s, {} studies answered and received after {:.1} s",
        program.map_or_else(
            || std::env::consts::ARCH.to_owned(),
            |path| path.display().to_string()
        ),
        cases.len(),
        begun.elapsed().as_secs_f32()
    );
    cases.sort_by(|one, other| one.study_uid.cmp(&other.study_uid));
    Ok(cases)
}

fn compare(precision: &str, here: &EdgeCase, there: &EdgeCase) -> anyhow::Result<()> {
    ensure!(
        here.study_uid == there.study_uid,
        "they answered on different studies"
    );
    ensure!(!here.findings.is_empty(), "no finding: {here:?}");
    ensure!(here.findings.len() == there.findings.len(), "{here:?}\n{there:?}");
    for (one, other) in here.findings.iter().zip(&there.findings) {
        let apart = (one.score - other.score).abs();
        println!(
            "  {precision} {}: {} {:.7} here, {} {:.7} on arm64, {apart:.1e} apart",
            one.code, one.call, one.score, other.call, other.score
        );
        ensure!(
            one.code == other.code && one.call == other.call && apart <= TOLERANCE,
            "they answer differently"
        );
    }
    ensure!(
        (&here.urgency, &here.quality, &here.reasons) == (&there.urgency, &there.quality, &there.reasons),
        "{here:?}\n{there:?}"
    );
    Ok(())
}
