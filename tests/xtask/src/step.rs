//! A step is one command with a heading, a duration, and a name to end with when it fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Why the whole run ends, as one text for people.
pub(crate) type Failure = String;

/// The repository's root: this crate lies two folders below it.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds: `CARGO_TARGET_DIR`, or `target` as everywhere.
pub(crate) fn built(profile: &str, program: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    // Relative to where cargo runs.
    root().join(folder).join(profile).join(program)
}

/// Whether a machine asks, not a person.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    if in_ci() {
        // What speeds a second build up is half of what the first one writes, and here there is no second one.
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// # Errors
/// When the command cannot be started or does not exit with 0.
pub(crate) fn step(name: &str, command: &mut Command) -> Result<(), Failure> {
    println!("\n==> {name}");
    let begun = Instant::now();
    let status = command.status().map_err(|error| {
        format!(
            "{name} failed: cannot start {}: {error}",
            command.get_program().display()
        )
    })?;
    let seconds = begun.elapsed().as_secs_f32();
    if status.success() {
        println!("    {name}: {seconds:.1} s");
        Ok(())
    } else {
        Err(format!("{name} failed after {seconds:.1} s ({status})."))
    }
}
