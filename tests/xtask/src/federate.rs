use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::demo;
use crate::step::{Failure, built};

/// Builds the programs and becomes the simulation: its exit code and every signal are its own.
///
/// # Errors
/// When something is missing or does not build.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    demo::build()?;
    let program = built("debug", "barefoot-federate");
    let why = Command::new(&program).args(arguments).exec();
    Err(format!("cannot start {}: {why}", program.display()))
}
