//! The box on another kind of machine: the same study, the same answer.

use std::process::Command;

use crate::machine::{FOR_ARM64, provide_packages};
use crate::package::{ARM64, build, provide_cross};
use crate::step::{Failure, built, in_ci, root, step};

/// `cargo xtask arm64`: the box built for arm64 and run by qemu, beside this machine's own.
///
/// # Errors
/// When something is missing or does not build, or the two answer differently.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let given = |flag: &str| arguments.iter().any(|word| word == flag);
    if let Some(unknown) = arguments
        .iter()
        .find(|word| !["--yes", "--no-build"].contains(&word.as_str()))
    {
        return Err(format!(
            "`cargo xtask arm64` has no {unknown}; it has --no-build and --yes."
        ));
    }
    let agreed = in_ci() || given("--yes");
    if given("--no-build") {
        provide_packages(&FOR_ARM64, agreed)?;
    } else {
        provide_cross(agreed)?;
        build(Some(ARM64), "dev")?;
        build(None, "dev")?;
    }
    step(
        "the same study on both",
        Command::new(built("debug", "barefoot-arm64"))
            .arg(built(&format!("{ARM64}/debug"), "barefoot-edge"))
            .current_dir(root()),
    )
}
