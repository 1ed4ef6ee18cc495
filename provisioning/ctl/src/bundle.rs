//! A release bundle from the base's bundle and a candidate that passed its gate. All offline: the golden answers of the
//! new bundle are computed here, not taken from the hub.

mod candidate;
mod card;
mod check;
mod golden;
mod head;
mod manifest;
mod report;

pub(crate) use check::{Command, run};

pub(crate) use candidate::{Candidate, CandidateFolder, Setting};
pub(crate) use head::Head;
pub(crate) use manifest::Manifest;
pub(crate) use report::Report;

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model, PrecisionWish};

pub(crate) const MANIFEST: &str = "manifest.toml";
const CARD: &str = "CARD.md";

/// Writes the new bundle into `out`, which must not exist, and opens it as a box would.
pub(crate) fn build(base: &Path, candidate: &Path, out: &Path) -> anyhow::Result<String> {
    if out.exists() {
        bail!("{} exists already: a bundle is never overwritten", out.display());
    }
    let candidate = CandidateFolder::load(candidate)?;
    let mut manifest = Manifest::load(base)?;
    check_fits(&manifest, &candidate)?;
    let bundle = Bundle::load(base).with_context(|| base.display().to_string())?;
    let before = Head::load(&base.join(manifest.head_file()?))?;
    if !candidate.head.same_tensors(&before) {
        bail!("the candidate's head has other tensors than the bundle's: it is no candidate for this bundle");
    }
    let golden_file = manifest.golden_file()?;
    let golden = golden::recompute(base, &golden_file, &bundle, &manifest, &candidate)?;

    copy_all(base, out)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = out.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    let head = candidate.head.to_bytes()?;
    write(&manifest.head_file()?, &head)?;
    write(&golden_file, &golden)?;
    manifest.become_candidate(&candidate, &head, &golden)?;
    write(MANIFEST, manifest.text().as_bytes())?;
    let path = base.join(CARD);
    let card = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    write(CARD, card::of(&card, &candidate).as_bytes())?;

    let opened = prove(out)?;
    Ok(format!(
        "Made the bundle {} in {}. Its golden answers hold with {opened}.\nLook at CARD.md, then `barefootctl model sign {1} --repository DIR --key FILE`.",
        candidate.record.name(),
        out.display()
    ))
}

/// Opens every artefact of a bundle with the engine every box has; says which.
///
/// # Errors
/// When one of them does not give the bundle's golden answers.
pub(crate) fn prove(directory: &Path) -> anyhow::Result<String> {
    let bundle = Bundle::load(directory).with_context(|| directory.display().to_string())?;
    let mut opened = Vec::new();
    for artefact in Manifest::load(directory)?.artefacts()? {
        let (model, _) = open(&bundle, &artefact.precision)
            .with_context(|| format!("{} fails its golden test", directory.display()))?;
        opened.push(format!("{} {}", model.engine().engine, model.engine().precision));
    }
    Ok(opened.join(" and "))
}

/// One artefact on the engine that every box has.
fn open(bundle: &Bundle, precision: &str) -> anyhow::Result<(Model, String)> {
    let precision = match precision {
        "f32" => PrecisionWish::F32,
        "int8" => PrecisionWish::Int8,
        other => bail!("this program knows the precisions f32 and int8, not {other}"),
    };
    let choice = EngineChoice {
        engine: EngineWish::Tract,
        precision,
        ..EngineChoice::default()
    };
    let (model, selection) = Model::open(bundle, &choice)?;
    Ok((model, selection.chosen.precision))
}

fn check_fits(manifest: &Manifest, candidate: &CandidateFolder) -> anyhow::Result<()> {
    let (id, version) = (manifest.id()?, manifest.version()?);
    let record = &candidate.record;
    if id != record.model || version != record.base_version {
        bail!(
            "the bundle is {id} {version}, the candidate was trained from {} {}: give that bundle as --base",
            record.model,
            record.base_version
        );
    }
    let known = candidate.report.backbone();
    if let Some(other) = manifest
        .artefacts()?
        .iter()
        .find(|artefact| !known.contains(&artefact.sha256))
    {
        bail!(
            "the bundle's artefact {} is not among the backbones the candidate was trained on",
            other.file
        );
    }
    candidate.check_kept(&manifest.settings()?)
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copy = || -> std::io::Result<Vec<_>> {
        fs::create_dir_all(to)?;
        fs::read_dir(from)?.collect()
    };
    let entries = copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    for entry in entries {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().with_context(|| path.display().to_string())?;
        if kind.is_dir() {
            copy_all(&path, &target)?;
        } else if kind.is_file() {
            fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
        } else {
            bail!(
                "{} is no plain file: it cannot be part of a bundle",
                path.display()
            );
        }
    }
    Ok(())
}
