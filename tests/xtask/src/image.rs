//! `cargo xtask image`: what servers run.

use std::process::Command;

use crate::machine::{FOR_HUB_IMAGE, FOR_TRYING_IMAGES, IMAGE_VENV, provide_packages};
use crate::step::{Failure, built, cargo, in_ci, root, step};
use crate::viewer;

const TAG: &str = concat!("localhost/barefoot-hub:", env!("CARGO_PKG_VERSION"));

/// `cargo xtask image hub`: makes the hub's image, tries it, checks what goes with it.
///
/// # Errors
/// Names the first step that failed.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let usage = "`cargo xtask image hub` takes --run, --check, --debug and --yes.";
    let Some(("hub", flags)) = arguments
        .split_first()
        .map(|(what, flags)| (what.as_str(), flags))
    else {
        return Err(usage.to_owned());
    };
    if flags
        .iter()
        .any(|flag| !["--run", "--check", "--debug", "--yes"].contains(&flag.as_str()))
    {
        return Err(usage.to_owned());
    }
    let given = |flag: &str| flags.iter().any(|word| word == flag);
    let agreed = in_ci() || given("--yes");
    let profile = if given("--debug") { "debug" } else { "release" };
    provide_packages(&FOR_HUB_IMAGE, agreed)?;
    viewer::build()?;
    let mut build = cargo();
    build.args(["build", "--workspace", "--bins"]);
    if profile == "release" {
        build.arg("--release");
    }
    step("build", &mut build)?;
    let program = built(profile, "barefoot-hub");
    if given("--check") {
        IMAGE_VENV.provide()?;
        step(
            "chart and compose file",
            Command::new(IMAGE_VENV.path().join("bin/python"))
                .arg(root().join("images/hub/check.py"))
                .arg(&program),
        )?;
    }
    step(
        "image",
        Command::new(root().join("images/hub/build.sh"))
            .arg(&program)
            .arg(TAG),
    )?;
    if given("--run") {
        provide_packages(&FOR_TRYING_IMAGES, agreed)?;
        step(
            "image at work",
            Command::new(root().join("images/hub/try.sh"))
                .arg(TAG)
                .arg(built(profile, "barefootctl")),
        )?;
    }
    Ok(())
}
