//! Everything that is wrong with a bundle, in plain words, or what it is and which engines run it.

mod faults;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use barefoot_inference::{
    Bundle, BundleError, Considered, EngineChoice, EngineKind, Model, Outcome, Selection,
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Says what is wrong with a bundle, or what it is and which engines of this machine run it, and how fast.
    Check {
        directory: PathBuf,
        /// The library of ONNX Runtime; without it `ORT_DYLIB_PATH`, then beside this program.
        #[arg(long, value_name = "FILE")]
        onnxruntime: Option<PathBuf>,
        /// Threads within one picture.
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
}

pub(crate) fn run(command: &Command) -> anyhow::Result<String> {
    let Command::Check {
        directory,
        onnxruntime,
        threads,
    } = command;
    let choice = EngineChoice {
        onnxruntime: onnxruntime.clone(),
        threads: *threads,
        ..EngineChoice::default()
    };
    check(directory, &choice)
}

fn check(directory: &Path, choice: &EngineChoice) -> anyhow::Result<String> {
    let mut faults = faults::of(directory);
    let bundle = match Bundle::load(directory) {
        Ok(bundle) => bundle,
        Err(error) => {
            // A damaged or missing file was named before, in more words.
            if faults.is_empty()
                || matches!(error, BundleError::Manifest { .. } | BundleError::Content { .. })
            {
                faults.push(format!("{:#}", anyhow::Error::new(error)));
            }
            bail!("{}", listed(directory, &faults));
        }
    };
    let selection = match Model::open(&bundle, choice) {
        Ok((_, selection)) => selection,
        Err(error) => {
            faults.extend(error.considered.iter().filter_map(fault));
            faults.extend(error.considered.iter().filter_map(tract_fault));
            bail!("{}", listed(directory, &faults));
        }
    };
    faults.extend(selection.considered.iter().filter_map(fault));
    faults.extend(unanswered(&bundle, &selection));
    if !faults.is_empty() {
        bail!("{}", listed(directory, &faults));
    }
    Ok(described(&bundle, &selection))
}

fn listed(directory: &Path, faults: &[String]) -> String {
    let mut text = format!("{} cannot be used as it is:", directory.display());
    for fault in faults {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n- {fault}");
    }
    text
}

fn tract_fault(considered: &Considered) -> Option<String> {
    match &considered.outcome {
        Outcome::Refused { reason } if considered.engine == EngineKind::Tract => {
            Some(refused(considered, reason))
        }
        _ => None,
    }
}

/// An engine that is not installed is no fault of the bundle; of tract's ways only one has to pass.
fn fault(considered: &Considered) -> Option<String> {
    let Outcome::Refused { reason } = &considered.outcome else {
        return None;
    };
    let absent = ["not installed", "is not there", "cannot be used", "no provider"];
    if considered.engine == EngineKind::Ort && absent.iter().any(|word| reason.contains(word)) {
        return None;
    }
    (considered.engine == EngineKind::Ort).then(|| refused(considered, reason))
}

fn refused(considered: &Considered, reason: &str) -> String {
    let Considered {
        engine,
        precision,
        form,
        ..
    } = considered;
    format!("{engine} does not give the bundle's answers with {precision} ({form}): {reason}")
}

/// Precisions that no way of tract's answers for: every box has tract.
fn unanswered(bundle: &Bundle, selection: &Selection) -> Vec<String> {
    let mut faults = Vec::new();
    for precision in bundle.precisions() {
        let tract: Vec<&Considered> = selection
            .considered
            .iter()
            .filter(|one| one.engine == EngineKind::Tract && one.precision == precision)
            .collect();
        if tract
            .iter()
            .any(|one| matches!(one.outcome, Outcome::Passed { .. }))
        {
            continue;
        }
        faults.extend(tract.into_iter().filter_map(tract_fault));
    }
    faults
}

fn described(bundle: &Bundle, selection: &Selection) -> String {
    let mut lines = vec![format!(
        "{} ({}){}",
        bundle.version(),
        bundle.title(),
        if bundle.version().demonstration {
            ": a demonstration, not for clinical use"
        } else {
            ""
        }
    )];
    lines.push(format!("Output: {}", bundle.output_kind()));
    let names = bundle.finding_names();
    lines.extend(names.map(|(code, en, zh)| format!("Finding: {code}, {en}, {zh}")));
    lines.push(match bundle.golden_cases() {
        0 => "No golden cases: the engines were held against tract".to_owned(),
        cases => format!("Golden cases: {cases}"),
    });
    for one in &selection.considered {
        let name = format!("{} {} ({})", one.engine, one.precision, one.form);
        lines.push(match &one.outcome {
            Outcome::Passed {
                median_ms,
                worst_difference,
            } => format!("{name}: {median_ms:.1} ms a picture, at most {worst_difference:.4} off"),
            Outcome::Slower { first_ms } => {
                format!("{name}: {first_ms:.1} ms a picture, far slower than another way")
            }
            Outcome::Refused { reason } => format!("{name}: not used, {reason}"),
        });
    }
    lines.push(format!(
        "Here {} {} ({}) would answer.",
        selection.chosen.engine, selection.chosen.precision, selection.form
    ));
    lines.join("\n")
}
