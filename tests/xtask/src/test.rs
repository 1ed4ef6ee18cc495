use std::process::Command;

use crate::machine::{
    FOR_TESTS, TEST_VENV, cargo_deny, provide_cargo_deb, provide_cargo_deny, provide_packages,
};
use crate::step::{Failure, cargo, in_ci, root, step};
use crate::viewer;

/// Everything a change must pass, in the order in which a mistake is cheapest to find.
///
/// # Errors
/// Names the first step that failed.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|word| word.starts_with('-'));
    if let Some(unknown) = flags
        .iter()
        .find(|flag| !["--yes", "--advisories"].contains(&flag.as_str()))
    {
        return Err(format!(
            "`cargo xtask test` has no flag {unknown}; it has --yes and --advisories."
        ));
    }
    let given = |flag: &str| flags.iter().any(|word| word.as_str() == flag);

    provide_packages(&FOR_TESTS, in_ci() || given("--yes"))?;
    TEST_VENV.provide()?;
    if !names.is_empty() {
        // A developer repeating one test wants that test.
        build()?;
        return step("tests", cargo().args(["test", "--workspace"]).args(names));
    }
    step("disk space", Command::new("df").arg("-h").arg(root()))?;
    step("format", cargo().args(["fmt", "--all", "--check"]))?;
    step(
        "spelling",
        Command::new(TEST_VENV.path().join("bin/typos"))
            .args(["--config", "tests/typos.toml"])
            .current_dir(root()),
    )?;
    // Before anything compiles the hub, which takes it in.
    viewer::build()?;
    step(
        "lints",
        cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    viewer::test()?;
    provide_cargo_deny()?;
    provide_cargo_deb()?;
    let deny = || {
        let mut command = Command::new(cargo_deny());
        command
            .current_dir(root())
            .args(["--log-level", "error", "check"]);
        command
    };
    step(
        "licences, bans and sources of dependencies",
        deny().args(["licenses", "bans", "sources"]),
    )?;
    if in_ci() || given("--advisories") {
        step(
            "versions that were withdrawn",
            Command::new("python3")
                .arg("tests/xtask/withdrawn.py")
                .current_dir(root()),
        )?;
    }
    if given("--advisories") {
        step("security advisories", deny().arg("advisories"))?;
    } else {
        println!(
            "\n==> security advisories: left out; --advisories fetches their database from GitHub. No registry has it."
        );
    }
    build()?;
    step("tests", cargo().args(["test", "--workspace"]))?;
    step("disk space", Command::new("df").arg("-h").arg(root()))
}

/// The tests start the real programs, so these must be there and fresh.
fn build() -> Result<(), Failure> {
    // All targets: with the tests' own dependencies left out, the heavy crates would be built twice, with other features.
    step("build", cargo().args(["build", "--workspace", "--all-targets"]))
}
