//! The services as they are installed: little is open to them, systemd finds no fault, and what the examples say fits them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::root;

const SERVICES: [&str; 2] = ["barefoot-edge", "barefoot-hub"];

/// `systemd-analyze security`: 0 is a service that may do nothing, 10 one that may do everything.
const MOST_EXPOSURE: f32 = 2.0;

fn unit(service: &str) -> PathBuf {
    root().join(format!("provisioning/systemd/{service}.service"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a unit says under a key, in all of its lines.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect()
}

/// `None`, said aloud, where this machine has no systemd.
fn systemd_analyze() -> Option<Command> {
    let there = Command::new("systemd-analyze").arg("--version").output().is_ok();
    if !there {
        assert!(
            std::env::var_os("CI").is_none(),
            "systemd-analyze must be there in CI: `cargo xtask test` installs systemd"
        );
        eprintln!(
            "SKIPPED: systemd-analyze is missing; install the package systemd or run `cargo xtask test`."
        );
    }
    there.then(|| Command::new("systemd-analyze"))
}

fn exposure(unit: &Path) -> f32 {
    let output = systemd_analyze()
        .unwrap()
        .args(["security", "--no-pager", "--offline=true"])
        .arg(unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let overall = said
        .lines()
        .find_map(|line| line.split_once("Overall exposure level for "))
        .and_then(|(_, rest)| rest.split_once(": "))
        .and_then(|(_, level)| level.split_whitespace().next())
        .unwrap_or_else(|| panic!("no overall exposure in:\n{said}"));
    println!("{}: exposure {overall}", unit.display());
    overall.parse().unwrap()
}

#[test]
fn little_is_open_to_the_services() {
    if systemd_analyze().is_none() {
        return;
    }
    for service in SERVICES {
        let level = exposure(&unit(service));
        assert!(level <= MOST_EXPOSURE, "{service}: {level}");
    }
    // As installed on a Jetson: beside the service, in its folder.
    let folder = tempfile::tempdir().unwrap();
    let (service, more) = (
        folder.path().join("barefoot-edge.service"),
        folder.path().join("barefoot-edge.service.d"),
    );
    std::fs::copy(unit("barefoot-edge"), &service).unwrap();
    let alone = exposure(&service);
    std::fs::create_dir(&more).unwrap();
    let jetson = root().join("provisioning/systemd/barefoot-edge-jetson.conf");
    std::fs::copy(jetson, more.join("jetson.conf")).unwrap();
    let with_devices = exposure(&service);
    assert!(alone < with_devices, "the devices were not seen");
    assert!(with_devices <= MOST_EXPOSURE, "Jetson: {with_devices}");
}

#[test]
fn systemd_finds_no_fault_with_the_services() {
    if systemd_analyze().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for service in SERVICES {
        // The programs are not installed here; any other stands for them.
        let installed = text(&unit(service)).replace(&format!("/usr/bin/{service}"), "/usr/bin/env");
        let path = folder.path().join(format!("{service}.service"));
        std::fs::write(&path, installed).unwrap();
        let output = systemd_analyze()
            .unwrap()
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains(service),
            "{service}:\n{said}"
        );
    }
}

/// A port or folder that an example names and its unit does not open would fail on the first box only.
#[test]
fn the_units_open_what_the_examples_name() {
    for (service, example) in [
        ("barefoot-edge", "provisioning/sites/example.toml"),
        ("barefoot-hub", "cloud/hub/hub.example.toml"),
    ] {
        let (unit, example) = (text(&unit(service)), text(&root().join(example)));
        let setting = |key: &'static str| {
            example
                .lines()
                .map(|line| line.trim_start_matches("# "))
                .filter_map(move |line| line.strip_prefix(key)?.strip_prefix(" = \""))
                .filter_map(|value| value.split('"').next())
        };
        let opened = values(&unit, "SocketBindAllow");
        let ports: Vec<String> = setting("listen")
            .filter_map(|address| address.rsplit_once(':'))
            .map(|(_, port)| format!("tcp:{port}"))
            .collect();
        assert!(!ports.is_empty());
        let mut wanted: Vec<&str> = ports.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        let mut open = opened.clone();
        open.sort_unstable();
        assert_eq!(open, wanted, "{service}: a port of the example, or one more");

        let state = values(&unit, "StateDirectory");
        let kept: Vec<&str> = setting("directory").collect();
        assert!(
            kept.contains(&format!("/var/lib/{}", state[0]).as_str()),
            "{service}: {kept:?}"
        );
        for more in ["sysusers.d", "tmpfiles.d"] {
            let file = text(&root().join(format!("provisioning/systemd/{more}/{service}.conf")));
            assert!(file.contains(values(&unit, "User")[0]), "{more} of {service}");
        }
    }
}

/// What a package installs runs in the unit beside it, as it is.
#[test]
fn the_units_open_what_the_packages_settings_name() {
    for (service, settings) in [
        ("barefoot-edge", "provisioning/debian/edge/site.toml"),
        ("barefoot-hub", "provisioning/debian/hub/hub.toml"),
    ] {
        let (unit, settings) = (text(&unit(service)), text(&root().join(settings)));
        let opened = values(&unit, "SocketBindAllow");
        let ports: Vec<String> = settings
            .lines()
            .filter_map(|line| line.strip_prefix("listen = \"")?.strip_suffix('"'))
            .filter_map(|address| address.rsplit_once(':'))
            .map(|(_, port)| format!("tcp:{port}"))
            .collect();
        assert!(2 < ports.len(), "{ports:?}");
        for port in ports {
            assert!(opened.contains(&port.as_str()), "{service}: {port}");
        }
        let state = format!("directory = \"/var/lib/{}\"", values(&unit, "StateDirectory")[0]);
        assert!(settings.contains(&state), "{service}");
    }
}
