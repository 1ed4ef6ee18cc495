//! The Debian packages on a Debian that runs systemd: installed, upgraded, hung, removed, purged. No study is lost on the way,
//! and nothing of a patient is erased that nobody agreed to erase.

mod guest;
mod made;
mod page;

use std::time::Duration;

use barefoot_test_support::wait::wait_for;
use serde_json::Value;

use crate::peers::peer;
use crate::story::chests;
use guest::Guest;
use made::{Made, PACKAGES, VERSION};
use page::{Study, is_there};

/// A box starts anew several times, of a development build, beside other tests.
const SOON: Duration = Duration::from_secs(180);

const SITE: &str = "/etc/barefoot/site.toml";
const EDGE: &str = "barefoot-edge";
const HUB: &str = "barefoot-hub";
const PIN: &str = "2468";

/// Whoever must be asked is not there: every question gets its default.
const APT: &str =
    "DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root --assume-yes --no-install-recommends";

/// Everything in one story: a second Debian would take another minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_of_packages_keeps_its_studies() {
    if !guest::may_boot() {
        return;
    }
    let made = Made::of_this_build();
    let guest = Guest::boot(made.folder()).await;

    installs(&guest).await;
    hub_is_set_up(&guest).await;
    let study = a_study_comes_through(&guest).await;
    the_journal_holds_fields(&guest, &study);

    upgrades(&guest, &made.upgrade(), &study).await;
    comes_back_after_a_hang(&guest, &study).await;
    downgrades(&guest, &study).await;

    remove_keeps(&guest, &study).await;
    purge_keeps_what_nobody_agreed_to_erase(&guest, &study).await;
    purge_erases_what_somebody_agreed_to_erase(&guest);
}

fn install(guest: &Guest, version: &str, flags: &str) -> String {
    let files: String = PACKAGES
        .iter()
        .map(|package| format!(" /packages/{}", made::file(package, version)))
        .collect();
    guest.sh(&format!("{APT} {flags} install{files}"))
}

fn is_active(guest: &Guest, service: &str) -> bool {
    guest
        .tries(&format!("systemctl is-active {service}"))
        .status
        .success()
}

fn property(guest: &Guest, service: &str, name: &str) -> String {
    let value = guest.sh(&format!("systemctl show --value --property={name} {service}"));
    value.trim().to_owned()
}

async fn until_active(guest: &Guest, service: &str) {
    let what = format!("{service} to run");
    let active = wait_for(&what, SOON, async || {
        if is_active(guest, service) {
            return Ok(());
        }
        Err(guest
            .tries(&format!("systemctl status --no-pager --lines=40 {service}"))
            .said())
    });
    active
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", guest.log()));
}

async fn installs(guest: &Guest) {
    let said = install(guest, VERSION, "");
    assert!(
        said.contains("not started, for it has no certificate yet") && said.contains("INSTALL.md"),
        "{said}"
    );
    assert!(!is_active(guest, HUB));
    until_active(guest, EDGE).await;
    assert_eq!(property(guest, EDGE, "UnitFileState"), "enabled");
    assert_eq!(property(guest, EDGE, "User"), EDGE);
    let page = guest.in_its_network(&["curl", "--silent", "http://127.0.0.1:8080/"]);
    assert!(
        page.said().contains("/set-up"),
        "a new box asks for its code: {}",
        page.said()
    );
    let modes = "stat --format='%a %U %G' /var/lib/barefoot-edge /etc/barefoot /var/lib/barefoot-hub /etc/barefoot-hub";
    assert_eq!(
        guest.sh(modes),
        "700 barefoot-edge barefoot-edge\n750 root barefoot-edge\n700 barefoot-hub barefoot-hub\n750 root barefoot-hub\n"
    );
    guest.sh(&format!(
        "runuser -u {EDGE} -- {EDGE} --config {SITE} --check-config"
    ));
    what_the_unit_closes_is_closed(guest);
}

/// The daemon writes its own folder only, and nothing that lies there can be run.
fn what_the_unit_closes_is_closed(guest: &Guest) {
    let pid = property(guest, EDGE, "MainPID");
    let as_it_sees = |command: &str| {
        let tried = guest.tries(&format!("nsenter --target {pid} --mount -- {command}"));
        tried.status.success()
    };
    assert!(as_it_sees("/usr/bin/true"));
    for folder in ["/var/lib/barefoot-edge", "/tmp", "/var/tmp", "/dev/shm"] {
        let program = format!("{folder}/tried");
        assert!(as_it_sees(&format!("/usr/bin/cp /usr/bin/true {program}")));
        assert!(!as_it_sees(&program), "{program}");
        assert!(as_it_sees(&format!("/usr/bin/rm {program}")));
    }
    for folder in ["/etc/barefoot", "/home", "/root", "/var/lib"] {
        assert!(!as_it_sees(&format!("/usr/bin/touch {folder}/tried")), "{folder}");
    }
}

/// As docs/INSTALL.md tells it, with a port of its own for gRPC: the box has its page on that one.
async fn hub_is_set_up(guest: &Guest) {
    guest.sh("cd /root && barefootctl pki init pki --name 'Example region'
         barefootctl pki hub pki --host localhost
         barefootctl pki below pki --out issuing --name 'Example region, boxes'
         barefootctl pki operator pki wang
         install -d -m 750 -g barefoot-hub /etc/barefoot-hub/issuing
         install -m 640 -g barefoot-hub pki/hub.crt pki/hub.key /etc/barefoot-hub/
         install -m 640 -g barefoot-hub issuing/authority.crt issuing/authority.key /etc/barefoot-hub/issuing/
         sed -i -e 's/hub.region.example/localhost/' -e 's/:8443/:8444/' /etc/barefoot-hub/hub.toml
         systemctl enable --now barefoot-hub");
    until_active(guest, HUB).await;
}

async fn a_study_comes_through(guest: &Guest) -> Study {
    guest.sh(&format!(
        "printf '\\n[[dicom.scanner]]\\nae_title = \"DR_ROOM_1\"\\n' >> {SITE}
         systemctl restart {EDGE}
         barefootctl --hub localhost:8444 --identity /root/pki/wang site add clinic-7 --line |
             runuser -u {EDGE} -- {EDGE} --config {SITE} enrol
         echo {PIN} | runuser -u {EDGE} -- {EDGE} --config {SITE} user add wang"
    ));
    let folder = tempfile::tempdir().unwrap();
    let chest = chests(&folder, 1..2).remove(0);
    let storescu = peer("storescu", "dcmtk").display().to_string();
    let file = chest.path.display().to_string();
    let send = [
        storescu.as_str(),
        "-aet",
        "DR_ROOM_1",
        "-aec",
        "BAREFOOT",
        "127.0.0.1",
        "11112",
        &file,
    ];
    let sent = wait_for("the scanner's image to be stored", SOON, async || {
        let tried = guest.in_its_network(&send);
        if tried.status.success() {
            Ok(())
        } else {
            Err(tried.said())
        }
    });
    sent.await
        .unwrap_or_else(|error| panic!("{error}\n{}", guest.log()));
    let bytes = std::fs::read(&chest.path).unwrap();
    let data_set = &bytes[usize::try_from(chest.data_set_at).unwrap()..];
    let study = Study {
        uid: chest.study_uid.unwrap(),
        sha256_of_data_set: ring::digest::digest(&ring::digest::SHA256, data_set)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    };
    is_there(guest, &study).await;
    study
}

/// What was sent lies there byte for byte: the box itself looks.
fn is_whole(guest: &Guest, sent: &Study) {
    guest.sh(&format!("systemctl stop {EDGE}"));
    let looked = guest.sh(&format!(
        "runuser -u {EDGE} -- {EDGE} --config {SITE} --check-store --list"
    ));
    let report: Value = serde_json::from_str(&looked).unwrap();
    assert_eq!(report["problems"], serde_json::json!([]), "{looked}");
    assert_eq!(
        report["stored"][0]["sha256_of_data_set"],
        sent.sha256_of_data_set.as_str(),
        "{looked}"
    );
    assert_eq!(report["instances"], 1, "{looked}");
    guest.sh(&format!("systemctl start {EDGE}"));
}

/// `journalctl STUDY=…` finds what became of one study.
fn the_journal_holds_fields(guest: &Guest, study: &Study) {
    let of = |service: &str, matches: &str| -> Vec<Value> {
        let lines = guest.sh(&format!(
            "journalctl --quiet --output=json --unit={service} {matches}"
        ));
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let mut assessed = of(EDGE, "URGENCY=Routine URGENCY=Review URGENCY=Critical");
    assessed.retain(|entry| {
        entry["MESSAGE"]
            .as_str()
            .is_some_and(|text| text.starts_with("A study was assessed."))
    });
    assert_eq!(assessed.len(), 1, "{assessed:?}");
    let entry = &assessed[0];
    let key = entry["STUDY"].as_str().unwrap();
    assert!(!key.contains(&study.uid), "a study is named by its key");
    assert_eq!(entry["SYSLOG_IDENTIFIER"], EDGE);
    assert_eq!(entry["VERSION"], "1");
    assert_eq!(entry["PRIORITY"], "5");
    for field in ["URGENCY", "TARGET", "CODE_FILE", "CODE_LINE"] {
        assert!(entry[field].is_string(), "{field}: {entry}");
    }
    assert!(!of(EDGE, &format!("STUDY={key}")).is_empty());
    let enrolled = of(EDGE, "CLINIC=clinic-7");
    assert!(!enrolled.is_empty());
    let hub = of(HUB, "");
    assert!(
        hub.iter()
            .any(|entry| entry["SYSLOG_IDENTIFIER"] == HUB && entry["TARGET"].is_string())
    );
}

async fn upgrades(guest: &Guest, version: &str, study: &Study) {
    let before = [property(guest, EDGE, "MainPID"), property(guest, HUB, "MainPID")];
    let said = install(guest, version, "");
    assert_eq!(installed(guest), version, "{said}");
    until_active(guest, EDGE).await;
    until_active(guest, HUB).await;
    assert_ne!(property(guest, EDGE, "MainPID"), before[0], "the new one runs");
    assert_ne!(property(guest, HUB, "MainPID"), before[1], "the new one runs");
    // What somebody changed in the site file stays changed.
    guest.sh(&format!("grep --quiet DR_ROOM_1 {SITE}"));
    is_there(guest, study).await;
}

fn installed(guest: &Guest) -> String {
    guest.sh(&format!("dpkg-query --show --showformat='${{Version}}' {EDGE}"))
}

/// A daemon whose tasks do not run any more is started again by the service manager.
async fn comes_back_after_a_hang(guest: &Guest, study: &Study) {
    // A minute, as it is installed, is long for a test.
    guest.sh(&format!(
        "mkdir -p /run/systemd/system/{EDGE}.service.d
         printf '[Service]\\nWatchdogSec=15s\\n' > /run/systemd/system/{EDGE}.service.d/test.conf
         systemctl daemon-reload
         systemctl restart {EDGE}"
    ));
    until_active(guest, EDGE).await;
    let pid = property(guest, EDGE, "MainPID");
    guest.sh(&format!("kill -STOP {pid}"));
    let again = wait_for("the hung box to be started again", SOON, async || {
        let now = property(guest, EDGE, "MainPID");
        let restarts = property(guest, EDGE, "NRestarts");
        if now != pid && now != "0" && restarts == "1" && is_active(guest, EDGE) {
            Ok(())
        } else {
            Err(format!("process {now}, {restarts} restarts"))
        }
    });
    again
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", guest.log()));
    guest.sh(&format!(
        "journalctl --quiet --grep='Watchdog timeout' --unit={EDGE}"
    ));
    is_there(guest, study).await;
    guest.sh(&format!(
        "rm -r /run/systemd/system/{EDGE}.service.d; systemctl daemon-reload"
    ));
}

async fn downgrades(guest: &Guest, study: &Study) {
    install(guest, VERSION, "--allow-downgrades");
    assert_eq!(installed(guest), VERSION);
    is_there(guest, study).await;
    is_whole(guest, study);
    until_active(guest, EDGE).await;
}

async fn remove_keeps(guest: &Guest, study: &Study) {
    let said = guest.sh(&format!("{APT} remove {EDGE}"));
    assert!(said.contains("stay in /var/lib/barefoot-edge"), "{said}");
    assert!(!is_active(guest, EDGE));
    install(guest, VERSION, "");
    until_active(guest, EDGE).await;
    is_there(guest, study).await;
}

async fn purge_keeps_what_nobody_agreed_to_erase(guest: &Guest, study: &Study) {
    for (service, state) in [(EDGE, "/var/lib/barefoot-edge"), (HUB, "/var/lib/barefoot-hub")] {
        let said = guest.sh(&format!("{APT} purge {service}"));
        assert!(said.contains(&format!("kept in {state}")), "{said}");
        assert!(!is_active(guest, service));
        guest.sh(&format!("test -n \"$(ls {state})\""));
    }
    // A box that is installed again goes on with what is there; only its site file is the package's again.
    let hub = "mv /root/hub.toml.kept /etc/barefoot-hub/hub.toml && systemctl enable --now barefoot-hub";
    guest.sh("test ! -e /etc/barefoot-hub/hub.toml");
    install(guest, VERSION, "");
    guest.sh(&format!(
        "sed -e 's/hub.region.example/localhost/' -e 's/:8443/:8444/' /etc/barefoot-hub/hub.toml > /root/hub.toml.kept; {hub}"
    ));
    until_active(guest, EDGE).await;
    is_there(guest, study).await;
    is_whole(guest, study);
}

fn purge_erases_what_somebody_agreed_to_erase(guest: &Guest) {
    for service in [EDGE, HUB] {
        guest.sh(&format!(
            "echo '{service} {service}/erase-data boolean true' | debconf-set-selections"
        ));
        let said = guest.sh(&format!("{APT} purge {service}"));
        assert!(said.contains("were erased"), "{said}");
        guest.sh(&format!("test ! -e /var/lib/{service}"));
    }
    guest.sh("test ! -e /etc/barefoot && test ! -e /etc/barefoot-hub");
    // A yes is good for one purge.
    let left = guest
        .tries("debconf-show barefoot-edge; debconf-show barefoot-hub")
        .out();
    assert!(!left.contains("true"), "{left}");
}

/// Debian's own check of packages finds no error.
#[test]
fn debian_finds_no_error_in_the_packages() {
    let made = Made::of_this_build();
    let mut command = std::process::Command::new(peer("lintian", "lintian"));
    command.args(["--fail-on", "error", "--tag-display-limit", "0"]);
    command.args(PACKAGES.map(|package| made.folder().join(made::file(package, VERSION))));
    let output = command.output().unwrap();
    let said = crate::peers::text(&output);
    assert!(output.status.success(), "{said}");
    println!("{said}");
}
