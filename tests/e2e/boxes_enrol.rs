//! How a box comes to belong to a clinic, stays its own for years, and what becomes of codes, copies and clocks that are wrong.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_test_support::daemons::{Ctl, Edge, EdgeOptions, Hub, HubPorts, Region};
use barefoot_test_support::http::{get, get_json};
use barefoot_test_support::scanner::Scanner;
use barefoot_test_support::surroundings::ShiftedClock;
use barefoot_test_support::wait::wait_for;
use barefoot_trust::{Authority, Role};
use serde_json::{Value, json};

use crate::nodes::free_port;
use crate::person_at_browser::Browser;
use crate::story::{SOON, chests};

const DAY: i64 = 24 * 3600;

struct Fleet {
    hub: Hub,
    ports: HubPorts,
    ctl: Ctl,
    // Last, so that its folder goes after the programs that use it.
    region: Region,
}

impl Fleet {
    async fn begin(clock: bool) -> (Self, Option<ShiftedClock>) {
        let region = Region::new().unwrap();
        let ports = HubPorts {
            mqtt: free_port(),
            grpc: free_port(),
            enrolment: free_port(),
        };
        let mut hub = region.enrolling_hub(ports, "").unwrap();
        let clock = clock.then(|| ShiftedClock::new(region.folder()).unwrap());
        if let Some(clock) = &clock {
            hub.environment = clock.environment();
        }
        hub.start().await.unwrap();
        region.person(Role::Operator, "op-wang").unwrap();
        // The operator's own chain begins at the root; the hub's too.
        let ctl = Ctl::new(&region, "op-wang", &format!("localhost:{}", ports.grpc));
        let fleet = Self {
            hub,
            ports,
            ctl,
            region,
        };
        (fleet, clock)
    }

    /// What goes on a stick: address and code in one line.
    fn add(&self, clinic: &str) -> String {
        let line = self.ctl.run(&["site", "add", clinic, "--line"]).unwrap();
        line.trim().to_owned()
    }

    fn sites(&self) -> String {
        self.ctl.run(&["site", "list"]).unwrap()
    }

    fn new_box(&self, name: &str) -> Edge {
        let sticks = self.region.folder().join(format!("{name}-sticks"));
        fs::create_dir_all(&sticks).unwrap();
        let options = EdgeOptions {
            page_listen: format!("127.0.0.1:{}", free_port()),
            link: "identity_check_s = 2\nmax_backoff_s = 1\n".to_owned(),
            more: format!("[services]\n\n[import]\ndirectory = \"{}\"\n", sticks.display()),
            ..EdgeOptions::default()
        };
        self.region.new_box(name, &options).unwrap()
    }

    /// A box that runs, set up from a stick.
    async fn enrolled(&self, name: &str, clinic: &str, environment: &[(String, String)]) -> Edge {
        let mut edge = self.new_box(name);
        edge.environment = environment.to_vec();
        edge.start().await.unwrap();
        self.lay(name, &self.add(clinic));
        edge.opens("dicom").await.unwrap();
        line_is(&edge, "connected").await;
        edge
    }

    fn lay(&self, name: &str, line: &str) {
        let stick = self.region.folder().join(format!("{name}-sticks/STICK"));
        fs::create_dir_all(&stick).unwrap();
        fs::write(
            stick.join("Barefoot-Setup.txt"),
            format!("# for this clinic\r\n{line}\r\n"),
        )
        .unwrap();
    }

    async fn results(&self) -> Vec<Value> {
        let page = self.hub.address("page").unwrap();
        let answer = get_json(page, "/api/results?limit=1000").await.unwrap();
        answer["results"].as_array().unwrap().clone()
    }
}

async fn status(edge: &Edge) -> Value {
    get_json(edge.address("page").unwrap(), "/api/status")
        .await
        .unwrap()
}

async fn line_is(edge: &Edge, state: &str) {
    until(edge, &format!("the line to be {state}"), |status| {
        status["link"] == state
    })
    .await;
}

async fn until(edge: &Edge, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let seen = wait_for(what, SOON, async || {
        let now = status(edge).await;
        if holds(&now) { Ok(now) } else { Err(now) }
    });
    seen.await
        .unwrap_or_else(|error| panic!("{error}\n{}", edge.log()))
}

async fn certificate_until(edge: &Edge) -> i64 {
    status(edge).await["identity"]["certificate_until_ms"]
        .as_i64()
        .unwrap()
}

fn typed(line: &str) -> (&str, &str) {
    line.rsplit_once('/').unwrap()
}

/// Gives the code to the box's command, as somebody at its console would.
fn enrol_at_console(edge: &Edge, line: &str) -> Result<String, String> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let program = std::env::current_exe().unwrap();
    let program = program.parent().unwrap().parent().unwrap().join("barefoot-edge");
    let mut process = Command::new(program)
        .envs(edge.environment.clone())
        .arg("--config")
        .arg(edge.config())
        .arg("enrol")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(process.stdin.take().unwrap(), "{line}").unwrap();
    let output = process.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// `barefootctl site add`, the code typed into the new box's page, and a radiograph's result is at the hub; who comes with the
/// code later, or with one that was replaced, gets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_box_is_online_by_its_page_alone() {
    let (fleet, _) = Fleet::begin(false).await;
    let told = fleet.ctl.run(&["site", "add", "clinic-7"]).unwrap();
    assert!(told.contains("Good until") && told.contains('▀'), "{told}");
    let replaced = fleet.add("clinic-7");
    let line = fleet.add("clinic-7");
    assert!(fleet.sites().contains("clinic-7  code open until"));
    let mut edge = fleet.new_box("box");
    edge.start().await.unwrap();
    assert!(edge.address("dicom").is_err(), "no scanner is let in before");
    let clinic = format!("http://{}", edge.address("page").unwrap());

    let mut browser = Browser::open();
    let (hub, code) = typed(&line);
    let mut set_up = |hub: &str, code: &str, name: &str| {
        let what = json!({ "clinic": clinic, "hub": hub, "code": code, "name": name });
        browser.act("setUpBox", what)
    };
    let wrong = set_up(hub, "ABCD-EFGH", "set-up-wrong");
    assert!(wrong["text"].as_str().unwrap().contains("20 letters"), "{wrong}");
    let unknown = set_up(hub, "ABCD-EFGH-IJKL-MNOP-QRST", "set-up-unknown");
    assert!(
        unknown["text"].as_str().unwrap().contains("does not know"),
        "{unknown}"
    );
    let unreachable = set_up(&format!("localhost:{}", free_port()), code, "set-up-unreachable");
    assert!(
        unreachable["text"]
            .as_str()
            .unwrap()
            .contains("cannot be reached"),
        "{unreachable}"
    );
    let stranger = set_up(
        &format!("localhost:{}", fleet.ports.grpc),
        code,
        "set-up-not-the-hub",
    );
    assert_eq!(stranger["done"], false, "a port that is not the one for boxes");
    let old = set_up(typed(&replaced).0, typed(&replaced).1, "set-up-replaced");
    assert!(
        old["text"].as_str().unwrap().contains("replaced by a newer one"),
        "{old}"
    );
    let done = set_up("", &line, "set-up-done");
    assert_eq!(done["done"], true, "{done}\n{}", edge.log());
    edge.opens("dicom").await.unwrap();
    let own = browser.act(
        "ownPageComes",
        json!({ "clinic": clinic, "wanted": "Line to the hub: connected", "name": "set-up-own-page" }),
    );
    assert!(own["text"].as_str().unwrap().contains("clinic-7"), "{own}");
    browser.is_content();
    line_is(&edge, "connected").await;

    let folder = tempfile::tempdir().unwrap();
    let scanner = Scanner::new(edge.address("dicom").unwrap(), "BAREFOOT", "SIM_DR1");
    scanner
        .send(&chests(&folder, 0..1), |outcome| {
            assert_eq!(outcome.status, Some(0))
        })
        .await;
    let arrived = wait_for("the result at the hub", SOON, async || {
        let results = fleet.results().await;
        if results.len() == 1 {
            Ok(results)
        } else {
            Err(results.len())
        }
    });
    assert_eq!(arrived.await.unwrap()[0]["clinic"], "clinic-7");
    assert!(fleet.sites().contains("clinic-7  enrolled"));

    let mut second = fleet.new_box("second");
    second.start().await.unwrap();
    let refused = enrol_at_console(&second, &line).unwrap_err();
    assert!(
        refused.contains("another box was set up with this code"),
        "{refused}"
    );
    for word in [code, "BEGIN PRIVATE"] {
        for log in [edge.log(), fleet.hub.log()] {
            assert!(!log.contains(word), "a secret stands in a log");
        }
    }
}

/// A code of three days, a certificate of thirty, a line that was down for months.
#[tokio::test(flavor = "multi_thread")]
async fn codes_expire_and_certificates_are_renewed_also_after_months_without_a_line() {
    let (fleet, clock) = Fleet::begin(true).await;
    let clock = clock.unwrap();
    let late = fleet.add("clinic-8");
    let mut edge = fleet.enrolled("box", "clinic-7", &clock.environment()).await;
    let first = certificate_until(&edge).await;
    // The operator's certificate is of two days only: nothing is asked of the hub by hand after this.
    clock.shift(4 * DAY).unwrap();
    let refused = enrol_at_console(&fleet.new_box("late"), &late).unwrap_err();
    assert!(refused.contains("expired"), "{refused}");

    clock.shift(21 * DAY).unwrap();
    let renewed = until(&edge, "the certificate to be renewed", |status| {
        status["identity"]["certificate_until_ms"].as_i64() > Some(first)
    });
    renewed.await;
    line_is(&edge, "connected").await;

    edge.stop().await.unwrap();
    clock.shift(150 * DAY).unwrap();
    edge.start().await.unwrap();
    line_is(&edge, "connected").await;
    let second = certificate_until(&edge).await;
    assert!(first + 120 * DAY * 1000 < second, "{first} {second}");

    // Longer than the grace: the box works on, says so, and waits for somebody with a code.
    edge.stop().await.unwrap();
    clock.shift(500 * DAY).unwrap();
    edge.start().await.unwrap();
    let out = until(&edge, "the hub's word", |status| {
        status["identity"]["refused"].is_string()
    })
    .await;
    assert!(
        out["identity"]["refused"]
            .as_str()
            .unwrap()
            .contains("enrol the box again"),
        "{out}"
    );
    assert_eq!(out["link"], "connecting");
}

/// A hub that goes on from a backup knows neither the certificates that it gave since, nor the boxes' starts since.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_whose_certificate_a_restored_hub_forgot_is_renewed_all_the_same() {
    let (mut fleet, clock) = Fleet::begin(true).await;
    let clock = clock.unwrap();
    let mut edge = fleet.enrolled("box", "clinic-7", &clock.environment()).await;
    let first = certificate_until(&edge).await;
    let kept = fleet.region.folder().join("kept");
    let made = fleet
        .hub
        .ask(&["backup", kept.to_str().unwrap(), "--with-key"])
        .unwrap();
    assert!(made.status.success(), "{}", crate::peers::text(&made));

    clock.shift(21 * DAY).unwrap();
    let later =
        |than: i64| move |status: &Value| status["identity"]["certificate_until_ms"].as_i64() > Some(than);
    until(&edge, "the certificate to be renewed", later(first)).await;
    let second = certificate_until(&edge).await;
    // Starts that the restored hub does not know, one after the other.
    for _ in 0..2 {
        edge.stop().await.unwrap();
        edge.start().await.unwrap();
        line_is(&edge, "connected").await;
    }
    fleet.hub.stop().await.unwrap();
    fs::remove_dir_all(fleet.hub.state()).unwrap();
    let backup = fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path();
    let restored = fleet.hub.ask(&["restore", backup.to_str().unwrap()]).unwrap();
    let said = crate::peers::text(&restored);
    assert!(restored.status.success() && said.contains("clinic-7"), "{said}");
    fleet.hub.start().await.unwrap();
    line_is(&edge, "connected").await;
    assert_eq!(copied(&fleet).await, json!(false));
    clock.shift(42 * DAY).unwrap();
    until(&edge, "the certificate to be renewed again", later(second)).await;
    line_is(&edge, "connected").await;
    assert_eq!(copied(&fleet).await, json!(false));
}

/// A dead battery: the box believes in 2004, and later in 2046.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_whose_clock_is_wrong_learns_the_time_from_its_hub() {
    let (fleet, _) = Fleet::begin(false).await;
    let clock = ShiftedClock::new(fleet.region.folder()).unwrap();
    clock.shift(-22 * 365 * DAY).unwrap();
    let mut edge = fleet.enrolled("box", "clinic-7", &clock.environment()).await;
    let behind = status(&edge).await["identity"]["clock_behind_s"]
        .as_i64()
        .unwrap();
    assert!(behind.abs_diff(22 * 365 * DAY) < 3600, "{behind}");
    edge.stop().await.unwrap();
    clock.shift(20 * 365 * DAY).unwrap();
    edge.start().await.unwrap();
    line_is(&edge, "connected").await;
    let seen = until(&edge, "the clock to be known as wrong", |status| {
        status["identity"]["clock_behind_s"].as_i64() < Some(-19 * 365 * DAY)
    });
    seen.await;
    edge.stop().await.unwrap();
    clock.shift(0).unwrap();
    edge.start().await.unwrap();
    line_is(&edge, "connected").await;
    until(&edge, "the clock to be right", |status| {
        status["identity"]["clock_behind_s"] == 0
    })
    .await;
}

/// A disk that was copied shuts both boxes out; the real one comes back by a new code, the copy never.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_disk_a_replaced_box_and_a_revoked_one_stay_outside() {
    let (fleet, _) = Fleet::begin(false).await;
    let clock = ShiftedClock::new(fleet.region.folder()).unwrap();
    let mut real = fleet.enrolled("box", "clinic-7", &clock.environment()).await;
    real.stop().await.unwrap();
    let mut copy = fleet.new_box("copy");
    copy_tree(real.state(), copy.state());
    real.start().await.unwrap();
    line_is(&real, "connected").await;
    let first = certificate_until(&real).await;
    // Another authority issues from now on: the certificate is renewed at once.
    let mut fleet = rotate(fleet, "next", true).await;
    let renewed = until(&real, "the renewed certificate", |status| {
        let identity = &status["identity"];
        identity["certificate_until_ms"] != first && identity["confirmed"] == true
    });
    renewed.await;
    line_is(&real, "connected").await;

    copy.start().await.unwrap();
    for edge in [&copy, &real] {
        let refused = until(edge, "the hub's word", |status| {
            status["identity"]["refused"].is_string()
        })
        .await;
        let words = refused["identity"]["refused"].as_str().unwrap();
        assert!(words.contains("another box with the same key"), "{words}");
        line_is(edge, "connecting").await;
    }
    assert!(fleet.sites().contains("SHUT OUT"), "{}", fleet.sites());

    let again = fleet.add("clinic-7");
    real.stop().await.unwrap();
    enrol_at_console(&real, &again).unwrap();
    real.start().await.unwrap();
    line_is(&real, "connected").await;
    assert!(!fleet.sites().contains("SHUT OUT"));
    let other = until(&copy, "the hub's word on the copy", |status| {
        status["identity"]["refused"]
            .as_str()
            .is_some_and(|words| words.contains("another box was enrolled"))
    });
    other.await;
    assert_eq!(status(&copy).await["link"], "connecting");

    // New hardware: the old box is shut out as soon as the new one comes.
    let new = fleet.enrolled("new", "clinic-7", &[]).await;
    line_is(&real, "connecting").await;
    line_is(&new, "connected").await;

    fleet
        .ctl
        .run(&["access", "revoke", "--clinic", "clinic-7", "--reason", "stolen"])
        .unwrap();
    line_is(&new, "connecting").await;
    let error = fleet
        .ctl
        .run(&["site", "add", "clinic-7"])
        .unwrap_err()
        .to_string();
    assert!(error.contains("shut out"), "{error}");
    fleet.hub.stop().await.unwrap();
}

/// Two machines with one disk's content are seen as soon as both were there, not only when one renews its certificate. A box
/// that was stopped, killed or put back to an older state is no such thing.
#[tokio::test(flavor = "multi_thread")]
async fn two_boxes_of_one_disk_are_seen_at_once() {
    let (fleet, _) = Fleet::begin(false).await;
    let mut real = fleet.enrolled("box", "clinic-7", &[]).await;
    real.stop().await.unwrap();
    let backup = fleet.region.folder().join("backup");
    copy_tree(real.state(), &backup);
    for _ in 0..3 {
        real.start().await.unwrap();
        line_is(&real, "connected").await;
        real.kill9();
    }
    fs::remove_dir_all(real.state()).unwrap();
    copy_tree(&backup, real.state());
    real.start().await.unwrap();
    line_is(&real, "connected").await;
    wait_for("the hub's word", SOON, async || {
        let log = fleet.hub.log();
        if log.contains("older state of its disk") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await
    .unwrap();
    assert!(!fleet.sites().contains("SHUT OUT"), "{}", fleet.sites());

    real.stop().await.unwrap();
    let mut copy = fleet.new_box("copy");
    copy_tree(real.state(), copy.state());
    real.start().await.unwrap();
    line_is(&real, "connected").await;
    assert_eq!(copied(&fleet).await, json!(false));
    copy.start().await.unwrap();
    for edge in [&copy, &real] {
        let refused = until(edge, "the hub's word", |status| {
            status["identity"]["refused"]
                .as_str()
                .is_some_and(|words| words.contains("another box with the same key"))
        });
        refused.await;
        line_is(edge, "connecting").await;
    }
    assert!(fleet.sites().contains("SHUT OUT"), "{}", fleet.sites());
    assert_eq!(copied(&fleet).await, json!(true));
    let page = get(fleet.hub.address("page").unwrap(), "/").await.unwrap();
    let page = String::from_utf8_lossy(&page);
    assert!(page.contains("Two machines use this identity"), "{page}");

    let again = fleet.add("clinic-7");
    real.stop().await.unwrap();
    enrol_at_console(&real, &again).unwrap();
    real.start().await.unwrap();
    line_is(&real, "connected").await;
    assert_eq!(copied(&fleet).await, json!(false));
}

/// What the hub's page says of its one clinic.
async fn copied(fleet: &Fleet) -> Value {
    let page = fleet.hub.address("page").unwrap();
    let status = get_json(page, "/api/status").await.unwrap();
    status["clinics"][0]["copied"].clone()
}

/// The region's root is replaced while the box works: it takes the new one over, and the old one goes.
#[tokio::test(flavor = "multi_thread")]
async fn the_authorities_are_replaced_while_boxes_work() {
    let (fleet, _) = Fleet::begin(false).await;
    let edge = fleet.enrolled("box", "clinic-7", &[]).await;
    let fleet = rotate(fleet, "next", true).await;
    // The one that issued before, its root, the new one that it has signed, and the one below that.
    until(&edge, "the new authorities", |status| {
        status["identity"]["authorities"] == 4 && status["identity"]["confirmed"] == true
    })
    .await;
    let fleet = rotate(fleet, "next", false).await;
    line_is(&edge, "connected").await;
    until(&edge, "the old ones to be forgotten", |status| {
        status["identity"]["authorities"] == 2
    })
    .await;
    line_is(&edge, "connected").await;
    drop(fleet);
}

/// The hub again, with an authority below a new root; while `both`, it trusts the ones before too.
async fn rotate(mut fleet: Fleet, name: &str, both: bool) -> Fleet {
    fleet.hub.stop().await.unwrap();
    let folder = fleet.region.folder().join(name);
    let root = fleet.region.folder().join("second-root");
    if !root.exists() {
        let now = time::OffsetDateTime::now_utc();
        for folder in [&root, &folder] {
            fs::create_dir_all(folder).unwrap();
        }
        let first = fleet.region.authority();
        first.create_successor(&root, "Second root", now).unwrap();
        let second = Authority::load(&root).unwrap();
        second
            .create_below(&folder, "Issuing of the second root", now)
            .unwrap();
        fleet
            .region
            .issue_enrolling_hub(&Authority::load(&folder).unwrap(), &folder)
            .unwrap();
    }
    let own = fs::read_to_string(folder.join("authority.crt")).unwrap();
    let before = fs::read_to_string(fleet.region.folder().join("issuing/authority.crt")).unwrap();
    const END: &str = "-----END CERTIFICATE-----\n";
    let first = |text: &str, count: usize| text.split_inclusive(END).take(count).collect::<String>();
    // The new one's file names the old root too: that it signed the new one.
    let trusted = if both {
        own + &first(&before, 1)
    } else {
        first(&own, 2)
    };
    fs::write(folder.join("trusted.crt"), trusted).unwrap();
    fleet.hub = fleet
        .region
        .write_enrolling_hub(fleet.ports, &folder, "")
        .unwrap();
    fleet.hub.start().await.unwrap();
    fleet
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
