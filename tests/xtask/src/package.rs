//! The Debian packages of the three programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{FOR_ARM64, FOR_PACKAGES, cargo_deb, provide_cargo_deb, provide_packages};
use crate::step::{Failure, cargo, in_ci, root, step};

/// A crate, the program it makes, which is also the package's name.
const PROGRAMS: [(&str, &str); 3] = [
    ("barefoot-edge", "barefoot-edge"),
    ("barefoot-hub", "barefoot-hub"),
    ("barefoot-ctl", "barefootctl"),
];

/// The one other kind of machine that is built for.
pub(crate) const ARM64: &str = "aarch64-unknown-linux-gnu";

/// What the packages' `depends` say of the C library; JetPack 6 has it.
const C_LIBRARY: (u32, u32) = (2, 35);

/// What was asked for.
pub(crate) struct Wanted {
    target: Option<String>,
    profile: String,
    is_built: bool,
    agreed: bool,
}

impl Wanted {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut wanted = Self {
            target: None,
            profile: "release".to_owned(),
            is_built: false,
            agreed: in_ci(),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next().cloned();
                value.ok_or_else(|| format!("{word} wants a value."))
            };
            match word.as_str() {
                "--yes" => wanted.agreed = true,
                "--no-build" => wanted.is_built = true,
                "--target" => wanted.target = Some(value()?),
                "--profile" => wanted.profile = value()?,
                other => {
                    return Err(format!(
                        "`cargo xtask package` has no {other}; it has --target, --profile, --no-build and --yes."
                    ));
                }
            }
        }
        if let Some(other) = wanted.target.as_ref().filter(|target| *target != ARM64) {
            return Err(format!(
                "Packages are made for this machine and for {ARM64}, not for {other}."
            ));
        }
        if !["dev", "release"].contains(&wanted.profile.as_str()) {
            return Err(format!(
                "There is no profile {}; there are dev and release.",
                wanted.profile
            ));
        }
        Ok(wanted)
    }

    /// Where cargo puts the programs.
    fn programs(&self) -> PathBuf {
        let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let profile = if self.profile == "dev" { "debug" } else { "release" };
        // An empty part changes nothing.
        let target = self.target.as_deref().unwrap_or_default();
        root().join(folder).join(target).join(profile)
    }
}

/// `cargo xtask package`: builds the programs, and of each a package into `target/debian`.
///
/// # Errors
/// When something is missing, does not build, or asks for a newer C library than the package says.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let wanted = Wanted::parse(arguments)?;
    provide_packages(&FOR_PACKAGES, wanted.agreed)?;
    provide_cargo_deb()?;
    if wanted.target.is_some() {
        provide_cross(wanted.agreed)?;
    }
    if !wanted.is_built {
        build(wanted.target.as_deref(), &wanted.profile)?;
    }
    let target = wanted.target.as_deref().unwrap_or("x86_64-unknown-linux-gnu");
    step(
        "licences of what is inside",
        Command::new("python3").current_dir(root()).args([
            "provisioning/debian/notices.py",
            "target/notices",
            target,
        ]),
    )?;
    for (name, program) in PROGRAMS {
        asks_for_no_newer_c_library(&wanted.programs().join(program))?;
        pack(name, &wanted)?;
    }
    Ok(())
}

/// The three programs; for another kind of machine with its compiler.
///
/// # Errors
/// When something does not build.
pub(crate) fn build(target: Option<&str>, profile: &str) -> Result<(), Failure> {
    let mut command = cargo();
    // Of the whole workspace: every dependency is built one way.
    command.args(["build", "--locked", "--workspace", "--profile", profile]);
    for (_, program) in PROGRAMS {
        command.args(["--bin", program]);
    }
    if let Some(target) = target {
        command.args(["--target", target]).envs(CROSS);
    }
    step(&format!("build ({profile})"), &mut command)
}

/// Debian's cross compiler, for cargo's linker and for crates with C inside.
const CROSS: [(&str, &str); 3] = [
    (
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
        "aarch64-linux-gnu-gcc",
    ),
    ("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc"),
    ("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar"),
];

/// # Errors
/// When Debian's cross compiler or Rust's standard library for it cannot be installed.
pub(crate) fn provide_cross(agreed: bool) -> Result<(), Failure> {
    provide_packages(&FOR_ARM64, agreed)?;
    step(
        "Rust's standard library for arm64",
        Command::new("rustup")
            .args(["target", "add", ARM64])
            .current_dir(root()),
    )
}

fn pack(name: &str, wanted: &Wanted) -> Result<(), Failure> {
    let mut command = Command::new(cargo_deb());
    command.current_dir(root()).args([
        "--locked",
        "--offline",
        "--no-build",
        "--strip",
        "--package",
        name,
        "--profile",
        &wanted.profile,
        "--output",
        "target/debian/",
    ]);
    if let Some(target) = &wanted.target {
        command.args(["--target", target]).envs(CROSS);
    }
    if wanted.profile == "dev" {
        // Read once, on this machine.
        command.arg("--fast");
    }
    step(&format!("pack {name}"), &mut command)
}

/// A box whose C library is older would find out at its start.
fn asks_for_no_newer_c_library(program: &Path) -> Result<(), Failure> {
    let output = Command::new("readelf")
        .args(["--version-info", "--wide"])
        .arg(program)
        .output()
        .map_err(|error| format!("cannot start readelf: {error}"))?;
    if !output.status.success() {
        return Err(format!("readelf cannot read {}: is it built?", program.display()));
    }
    let newest = newest_c_library(&String::from_utf8_lossy(&output.stdout));
    let (major, minor) =
        newest.ok_or_else(|| format!("{} asks for no C library at all.", program.display()))?;
    if C_LIBRARY < (major, minor) {
        return Err(format!(
            "{} asks for a C library of {major}.{minor}; its package says {}.{} is enough.",
            program.display(),
            C_LIBRARY.0,
            C_LIBRARY.1
        ));
    }
    println!(
        "    {} runs with a C library from {major}.{minor} on",
        program.display()
    );
    Ok(())
}

fn newest_c_library(versions: &str) -> Option<(u32, u32)> {
    versions
        .split("GLIBC_")
        .skip(1)
        .filter_map(|rest| {
            let version = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
            let (major, minor) = version.split_once('.')?;
            Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts_as_a_number() {
        let said = "  0x0020:   Name: GLIBC_2.9  Flags: none\n Name: GLIBC_2.34  Flags\n Name: GLIBC_2.2.5  Flags GLIBC_PRIVATE";
        assert_eq!(newest_c_library(said), Some((2, 34)));
        assert_eq!(newest_c_library("nothing"), None);
    }

    #[test]
    fn only_what_is_meant_is_taken() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Wanted::parse(&words)
        };
        let wanted = parse("--profile dev --target aarch64-unknown-linux-gnu --no-build").ok();
        let wanted = wanted.map(|wanted| (wanted.programs(), wanted.is_built));
        let ends =
            wanted.is_some_and(|(path, is_built)| is_built && path.ends_with(format!("{ARM64}/debug")));
        assert!(ends);
        for wrong in [
            "--profile fast",
            "--target riscv64gc-unknown-linux-gnu",
            "--profile",
            "--fast",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
