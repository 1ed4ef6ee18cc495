use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::machine::has;
use crate::step::{Failure, built, cargo};

/// Builds the programs and becomes the demonstration: its exit code and every signal are its own.
///
/// # Errors
/// When something is missing or does not build.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !["cc", "gcc", "clang"].iter().any(|compiler| has(compiler)) {
        return Err(
            "There is no C compiler (cc) on this machine; TLS and SQLite are built with one.\nOn Debian: apt-get install build-essential".into(),
        );
    }
    build()?;
    let program = built("debug", "barefoot-demo");
    let why = Command::new(&program).args(arguments).exec();
    Err(format!("cannot start {}: {why}", program.display()))
}

/// The daemons, the simulator and the demonstration.
pub(crate) fn build() -> Result<(), Failure> {
    println!("Building the clinic's box, the hub and the scanner simulator (some minutes the first time).");
    let status = cargo()
        // The whole workspace: tests then find every dependency built the same way.
        .args(["build", "--quiet", "--workspace", "--bins"])
        .status()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("The build failed; what the compiler said stands above.".into())
    }
}
