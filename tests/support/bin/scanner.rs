//! `barefoot-scanner`: a simulated scanner at the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use barefoot_test_support::phantom::{Chest, CtSlice, Size};
use barefoot_test_support::scanner::{Associations, DicomFile, Scanner, chain};
use barefoot_test_support::sources::{self, Prepared};
use barefoot_test_support::wrap::Wrapping;
use barefoot_test_support::{Charset, Radiograph};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::json;

/// A simulated scanner: sends DICOM files, pictures made into DICOM, and drawn chest X-rays.
#[derive(Debug, Parser)]
#[command(name = "barefoot-scanner", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Asks a receiver whether it is there (C-ECHO).
    Echo(Receiver),
    /// Sends images (C-STORE). Exit code 0 only when every one was stored.
    Send {
        #[command(flatten)]
        receiver: Receiver,
        #[command(flatten)]
        what: What,
        /// How images are spread over associations.
        #[arg(long, value_enum, default_value_t = Spread::Study)]
        associations: Spread,
        /// One JSON object a line and file on stdout, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Writes the DICOM files it would send.
    Make {
        /// The folder to write into; made when missing.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        what: What,
    },
}

#[derive(Debug, Args)]
struct Receiver {
    /// The receiver's address, host:port.
    #[arg(long)]
    to: String,
    /// The receiver's AE title.
    #[arg(long, default_value = "BAREFOOT")]
    called: String,
    /// This scanner's AE title.
    #[arg(long, default_value = "SIM_DR1")]
    calling: String,
}

#[derive(Debug, Args)]
struct What {
    /// DICOM, PNG or JPEG files, or folders of them.
    paths: Vec<PathBuf>,
    /// Also draw this many chest X-rays.
    #[arg(long, default_value_t = 0)]
    phantoms: u64,
    /// Also draw one CT study of this many slices.
    #[arg(long, default_value_t = 0)]
    ct_slices: u32,
    /// The first phantom's seed; the same seed gives the same files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The phantoms' size: 2500×3000 or 500×600 pixels.
    #[arg(long, value_enum, default_value_t = SizeName::Full)]
    size: SizeName,
    /// What pictures and phantoms are sent as.
    #[arg(long = "as", value_enum, default_value_t = KindName::Dx)]
    kind: KindName,
    /// The character set of made instances; phantoms alternate when it is not given.
    #[arg(long, value_enum)]
    charset: Option<CharsetName>,
    /// Fresh UIDs for pictures on every run; else the same picture is always the same instance.
    #[arg(long)]
    random_uids: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SizeName {
    Small,
    Full,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindName {
    Dx,
    Cr,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CharsetName {
    Utf8,
    Gb18030,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Spread {
    Study,
    Image,
    Shared,
}

impl What {
    fn kind(&self) -> Radiograph {
        match self.kind {
            KindName::Dx => Radiograph::Dx,
            KindName::Cr => Radiograph::Cr,
        }
    }

    fn charset(&self) -> Option<Charset> {
        self.charset.map(|name| match name {
            CharsetName::Utf8 => Charset::Utf8,
            CharsetName::Gb18030 => Charset::Gb18030,
        })
    }

    /// Everything to send, in `folder` where it had to be made; calls `refused` for what cannot be.
    fn prepare(&self, folder: &Path, mut refused: impl FnMut(&str, String)) -> anyhow::Result<Vec<Prepared>> {
        let mut all = Vec::new();
        let wrapping = Wrapping {
            kind: self.kind(),
            charset: self.charset().unwrap_or_default(),
            random_uids: self.random_uids,
        };
        let mut files = Vec::new();
        for path in &self.paths {
            match sources::collect(std::slice::from_ref(path)) {
                Ok(found) => files.extend(found),
                Err((path, error)) => refused(&path.display().to_string(), chain(&error)),
            }
        }
        for (number, path) in files.iter().enumerate() {
            match sources::prepare(path, &wrapping, folder, number) {
                Ok(prepared) => all.push(prepared),
                Err(error) => refused(&path.display().to_string(), chain(&error)),
            }
        }
        let size = match self.size {
            SizeName::Small => Size::Small,
            SizeName::Full => Size::Full,
        };
        for seed in self.seed..self.seed.saturating_add(self.phantoms) {
            let mut chest = Chest::varied(seed, size, self.kind());
            chest.charset = self.charset().unwrap_or(chest.charset);
            all.push(drawn(folder, format!("chest-{seed}.dcm"), &chest.instance())?);
        }
        for number in 1..=self.ct_slices {
            let slice = CtSlice {
                seed: self.seed,
                number,
                charset: self.charset().unwrap_or_default(),
            };
            let name = format!("ct-{}-{number:04}.dcm", self.seed);
            all.push(drawn(folder, name, &slice.instance())?);
        }
        Ok(all)
    }
}

fn drawn(
    folder: &Path,
    name: String,
    instance: &barefoot_test_support::Instance,
) -> anyhow::Result<Prepared> {
    let path = folder.join(&name);
    instance
        .save(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let file = DicomFile::open(&path)?;
    Ok(Prepared { name, file })
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Echo(receiver) => echo(&receiver).await,
        Command::Send {
            receiver,
            what,
            associations,
            json,
        } => send(&receiver, &what, associations, json).await,
        Command::Make { out, what } => make(&out, &what),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("barefoot-scanner: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn echo(receiver: &Receiver) -> anyhow::Result<bool> {
    Scanner::new(&receiver.to, &receiver.called, &receiver.calling)
        .echo()
        .await?;
    println!("{} is there and answers as {}.", receiver.to, receiver.called);
    Ok(true)
}

fn make(out: &Path, what: &What) -> anyhow::Result<bool> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut all_fine = true;
    let made = what.prepare(out, |name, why| {
        all_fine = false;
        eprintln!("{name}: {why}");
    })?;
    for prepared in &made {
        if !prepared.file.path.starts_with(out) {
            println!("{}: is DICOM already, left where it is", prepared.name);
        } else {
            println!("{}", prepared.file.path.display());
        }
    }
    Ok(all_fine)
}

async fn send(receiver: &Receiver, what: &What, spread: Spread, as_json: bool) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut failed = 0_usize;
    let prepared = what.prepare(folder.path(), |name, why| {
        failed += 1;
        if as_json {
            let line = json!({
                "file": name, "study_uid": null, "sop_instance_uid": null,
                "status": null, "ok": false, "error": why,
            });
            println!("{line}");
        } else {
            eprintln!("{name}: {why}");
        }
    })?;
    if prepared.is_empty() && failed == 0 {
        anyhow::bail!("nothing to send: name files or folders, or ask for --phantoms N");
    }
    let mut scanner = Scanner::new(&receiver.to, &receiver.called, &receiver.calling);
    scanner.associations = match spread {
        Spread::Study => Associations::PerStudy,
        Spread::Image => Associations::PerImage,
        Spread::Shared => Associations::Shared,
    };
    let files: Vec<DicomFile> = prepared.iter().map(|one| one.file.clone()).collect();
    let name_of = |file: &DicomFile| {
        let named = prepared.iter().find(|one| one.file.path == file.path);
        named.map_or_else(String::new, |one| one.name.clone())
    };
    let mut stored = 0_usize;
    scanner
        .send(&files, |outcome| {
            let name = name_of(&outcome.file);
            match &outcome.error {
                None => stored += 1,
                Some(_) => failed += 1,
            }
            if as_json {
                let line = json!({
                    "file": name,
                    "study_uid": outcome.file.study_uid,
                    "sop_instance_uid": outcome.file.sop_instance,
                    "status": outcome.status.map(|status| format!("0x{status:04X}")),
                    "ok": outcome.error.is_none(),
                    "error": outcome.error,
                });
                println!("{line}");
            } else {
                match outcome.error {
                    None => println!("{name}: stored"),
                    Some(why) => eprintln!("{name}: {why}"),
                }
            }
        })
        .await;
    if !as_json {
        println!("{stored} stored, {failed} failed.");
    }
    Ok(failed == 0)
}
