use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::machine::{FOR_SOAK, provide_packages};
use crate::step::{Failure, built, cargo, step};

/// Builds what would be shipped, or with `--debug` what developers have already, and becomes the soak: its exit code and
/// every signal are its own.
///
/// # Errors
/// When something is missing or does not build.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let given = |flag: &str| arguments.iter().any(|word| word == flag);
    provide_packages(&FOR_SOAK, given("--yes"))?;
    let mut build = cargo();
    build.args(["build", "--workspace", "--bins"]);
    let profile = if given("--debug") {
        "debug"
    } else {
        build.arg("--release");
        "release"
    };
    step("build for the soak", &mut build)?;
    let program = built(profile, "barefoot-soak");
    let own = ["--yes", "--debug"];
    let why = Command::new(&program)
        .args(arguments.iter().filter(|word| !own.contains(&word.as_str())))
        .exec();
    Err(format!("cannot start {}: {why}", program.display()))
}
