use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use barefoot_test_support::daemons::workspace;
use tempfile::TempDir;

pub(super) const PACKAGES: [&str; 3] = ["barefoot-edge", "barefoot-hub", "barefootctl"];
pub(super) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
const NEXT: &str = concat!(env!("CARGO_PKG_VERSION"), "-2");

/// The packages of the programs that these tests run, in a folder for a guest to see.
pub(super) struct Made(TempDir);

pub(super) fn file(package: &str, version: &str) -> String {
    format!("{package}_{version}_{}.deb", debian_name(std::env::consts::ARCH))
}

fn debian_name(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Made {
    pub(super) fn of_this_build() -> Self {
        static PACKED: OnceLock<()> = OnceLock::new();
        PACKED.get_or_init(pack);
        let folder = tempfile::tempdir().unwrap();
        for package in PACKAGES {
            let name = file(package, VERSION);
            fs::copy(
                workspace().join("target/debian").join(&name),
                folder.path().join(&name),
            )
            .unwrap();
        }
        Self(folder)
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The same programs once more, under the next version, beside the first.
    pub(super) fn upgrade(&self) -> String {
        for package in PACKAGES {
            let scratch = tempfile::tempdir().unwrap();
            let content = scratch.path().join("content");
            done(
                Command::new("dpkg-deb")
                    .arg("--raw-extract")
                    .args([&self.0.path().join(file(package, VERSION)), &content]),
            );
            let control = content.join("DEBIAN/control");
            let text = fs::read_to_string(&control).unwrap();
            let newer = text.replace(&format!("Version: {VERSION}"), &format!("Version: {NEXT}"));
            assert_ne!(newer, text);
            fs::write(&control, newer).unwrap();
            done(
                Command::new("dpkg-deb")
                    .args(["-Zgzip", "-z1", "--root-owner-group", "--build"])
                    .args([&content, &self.0.path().join(file(package, NEXT))]),
            );
        }
        NEXT.to_owned()
    }
}

/// As `cargo xtask package` makes them, of what is built.
fn pack() {
    let own = std::env::current_exe().unwrap();
    let programs: PathBuf = own.ancestors().nth(2).unwrap().to_owned();
    let profile = if programs.ends_with("debug") {
        "dev"
    } else {
        "release"
    };
    done(
        Command::new(programs.join("xtask"))
            .args(["package", "--no-build", "--profile", profile])
            .current_dir(workspace()),
    );
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        crate::peers::text(&output)
    );
}
