//! The hub's machine is lost: another hub goes on from a backup, and boxes bring what came after it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use barefoot_test_support::daemons::{Edge, EdgeOptions, Hub, Region};
use barefoot_test_support::http::get_json;
use barefoot_test_support::line::Line;
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use serde_json::{Value, json};

use crate::expert_reads_a_case::{DESCRIPTION, IMPRESSION, LI, Room, says};
use crate::peers::text;
use crate::story::{SOON, chests};

const OTHER: &str = "clinic-8";

/// A second clinic of the region.
struct SecondClinic {
    edge: Edge,
    line: Line,
    image_line: Line,
}

impl SecondClinic {
    async fn open(region: &Region, hub: &Hub) -> Self {
        let line = Line::start(hub.address("mqtt").unwrap()).await.unwrap();
        let image_line = Line::start(hub.address("images").unwrap()).await.unwrap();
        let options = EdgeOptions {
            review_below: 1.0,
            more: format!("[images]\nhub = \"{}\"\nmax_backoff_s = 1\n", image_line.address),
            ..EdgeOptions::default()
        };
        let mut edge = region.edge(OTHER, &line.address.to_string(), &options).unwrap();
        edge.start().await.unwrap();
        Self {
            edge,
            line,
            image_line,
        }
    }

    async fn store(&self, files: &[DicomFile]) {
        let scanner = Scanner::new(self.edge.address("dicom").unwrap(), "BAREFOOT", "SIM_DR1");
        let mut stored = 0;
        scanner
            .send(files, |outcome| stored += usize::from(outcome.status == Some(0)))
            .await;
        assert_eq!(stored, files.len(), "{}", self.edge.log());
    }
}

/// Waits until a box has receipts for so many cases and nothing waits any more, images neither.
async fn all_receipted(edge: &Edge, cases: usize) {
    let waited = wait_for("receipts for all", SOON, async || {
        let page = edge.address("page").unwrap();
        let answer = get_json(page, "/api/cases?limit=1000").await.unwrap();
        let done = answer["cases"].as_array().unwrap().iter();
        let done = done.filter(|case| case["delivery"] == "receipted").count();
        let pending = get_json(page, "/api/status").await.unwrap()["queue"]["pending"].clone();
        if done == cases && pending == 0 {
            Ok(())
        } else {
            Err(format!("{done} of {cases}, {pending} in the queue"))
        }
    });
    waited
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", edge.log()));
}

impl Room {
    /// What the hub has, by clinic and case; nothing twice. With how many images each.
    fn results(&mut self) -> Vec<(String, String, u64)> {
        let file = self.file(LI, "/api/results?limit=1000", "results.json");
        let answer: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let read = answer["results"].as_array().unwrap().iter().map(|result| {
            let word = |key: &str| result[key].as_str().unwrap().to_owned();
            let images = result["images"]["instances"].as_u64().unwrap_or(0);
            (word("clinic"), word("case_id"), images)
        });
        let results: Vec<_> = read.collect();
        let unique: BTreeSet<_> = results.iter().map(|(clinic, case, _)| (clinic, case)).collect();
        assert_eq!(unique.len(), results.len(), "a result is at the hub twice");
        results
    }

    /// Waits until the hub has so many results, each with its images.
    async fn hub_has(&mut self, cases: usize) -> BTreeSet<(String, String)> {
        let mut all = Vec::new();
        let waited = wait_for("the hub to have all", SOON, async || {
            all = self.results();
            let whole = all.iter().filter(|(_, _, images)| *images == 1).count();
            if all.len() == cases && whole == cases {
                Ok(())
            } else {
                Err(format!("{} results, {whole} with images", all.len()))
            }
        });
        waited
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", self.story.logs()));
        all.into_iter().map(|(clinic, case, _)| (clinic, case)).collect()
    }
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The one backup in a folder.
fn only_backup(folder: &Path) -> PathBuf {
    let found: Vec<PathBuf> = backups(folder);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn backups(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).into_iter().flatten();
    let all = all.map(|entry| entry.unwrap().path());
    all.filter(|path| !path.ends_with(".unfinished")).collect()
}

fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut objects(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_from_a_backup_gets_all_that_was_receipted_after_it() {
    let mut room = Room::open().await;
    room.person(LI, "李伟", &["reader", "chief", "operator"]);
    let other = SecondClinic::open(&room.story.region, &room.story.hub).await;
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 300..312);
    let (of_one, of_other) = files.split_at(6);

    // A report that its clinic does not have yet.
    let (file, _) = room.scan(2).await;
    let address = room.listed(LI, 1).remove(0);
    let study = room.study(&file).await;
    room.hub_has(1).await;
    room.see(LI, &address, "");
    room.act("claim", json!({"person": LI}));
    room.story.line.cut();
    room.write(LI, "");
    let report = room.sign(LI, "")["report"].as_str().unwrap().to_owned();

    // The hub is at work while the backup is made: the other clinic sends.
    other.store(&of_other[..3]).await;
    let kept = folder.path().join("kept");
    let key = folder.path().join("hub.key");
    fs::copy(room.story.hub.state().join("identity/hub.key"), &key).unwrap();
    let said = done(&room.story.hub.ask(&["backup", kept.to_str().unwrap()]).unwrap());
    assert!(said.contains("key is NOT in it"), "{said}");
    room.story.line.restore();

    // More comes, and is receipted.
    room.story.store(of_one).await;
    other.store(&of_other[3..]).await;
    all_receipted(&room.story.edge, 1 + of_one.len()).await;
    all_receipted(&other.edge, of_other.len()).await;
    let cases = 1 + files.len();
    let before = room.hub_has(cases).await;

    // The machine burns.
    room.act("hubIsAway", json!({"person": LI, "away": true}));
    room.story.hub.kill9();
    let state = room.story.hub.state().to_owned();
    fs::remove_dir_all(&state).unwrap();

    let backup = only_backup(&kept);
    let (backup_text, key_text) = (backup.to_str().unwrap(), key.to_str().unwrap());
    let restore = ["restore", backup_text, "--key", key_text];
    // Not with another byte in it.
    let object = objects(&backup.join("state/images")).remove(0);
    let whole = fs::read(&object).unwrap();
    let mut bent = whole.clone();
    *bent.last_mut().unwrap() ^= 1;
    fs::write(&object, bent).unwrap();
    let refused = room.story.hub.ask(&restore).unwrap();
    assert!(!refused.status.success());
    let name = object.file_name().unwrap().to_str().unwrap();
    assert!(text(&refused).contains(name), "{}", text(&refused));
    fs::write(&object, whole).unwrap();
    assert_eq!(objects(&state).len(), 0, "nothing is left of it");
    // Nor without the key.
    assert!(!room.story.hub.ask(&restore[..2]).unwrap().status.success());

    let said = done(&room.story.hub.ask(&restore).unwrap());
    assert!(
        said.contains("SHUT OUT are only these") && said.contains(LI),
        "{said}"
    );
    room.story.hub.start().await.unwrap();
    let mqtt = room.story.hub.address("mqtt").unwrap().to_owned();
    let images = room.story.hub.address("images").unwrap().to_owned();
    for line in [&room.story.line, &other.line] {
        line.lead_to(&mqtt);
    }
    for line in [&room.image_line, &other.image_line] {
        line.lead_to(&images);
    }

    // Boxes come back by themselves, with what this hub never saw. Who was signed in is not any more.
    room.act("leave", json!({"person": LI, "forget": true}));
    room.sign_in(LI, "/worklist");
    let after = room.hub_has(cases).await;
    assert_eq!(after, before);
    all_receipted(&room.story.edge, 1 + of_one.len()).await;
    all_receipted(&other.edge, of_other.len()).await;

    // What was signed before the backup is here, and beside its patient.
    let page = room.see(LI, &format!("/reports/{report}"), "");
    says(&page, &[IMPRESSION, "李伟"]);
    let clinic = room.act(
        "clinicCase",
        json!({"study": study, "wanted": IMPRESSION, "name": ""}),
    );
    says(&clinic, &[DESCRIPTION, "李伟"]);

    // It is asked once: a box that starts again, and a hub that does, have nothing more to say of it.
    room.story.edge.kill9();
    room.story.edge.start().await.unwrap();
    all_receipted(&room.story.edge, 1 + of_one.len()).await;
    let times = room.story.edge.log().matches("went on from a backup").count();
    assert_eq!(times, 1, "{}", room.story.edge.log());
    assert_eq!(room.hub_has(cases).await, before);
}

/// Starts a backup that is not waited for.
fn begin_backup(hub: &Hub, folder: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    let program = program.parent().unwrap().parent().unwrap().join("barefoot-hub");
    Command::new(program)
        .arg("--config")
        .arg(hub.config())
        .arg("backup")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_killed_is_none_and_the_next_one_is_whole() {
    let region = Region::new().unwrap();
    let mut hub = region.hub_with("").unwrap();
    hub.start().await.unwrap();
    // Enough to be killed in the middle of.
    let images = hub.state().join("images/clinic-7/objects/ab");
    fs::create_dir_all(&images).unwrap();
    for number in 0..200 {
        fs::write(images.join(format!("ab{number:062}")), vec![7; 20_000]).unwrap();
    }
    let kept = region.folder().join("kept");
    let unfinished = kept.join(".unfinished");
    for copied in [0, 1, 20, 100, 199] {
        let mut backup = begin_backup(&hub, &kept);
        let reached = wait_for("the backup to have come so far", SOON, async || {
            let here = objects(&unfinished).len();
            let ended = backup.try_wait().unwrap().is_some();
            if copied <= here || ended {
                Ok(())
            } else {
                Err(here)
            }
        });
        reached.await.unwrap();
        backup.kill().unwrap();
        backup.wait().unwrap();
        // Where the kill came too late, it is whole.
        assert!(
            backups(&kept)
                .iter()
                .all(|path| path.join("manifest.seal").is_file())
        );
    }
    let said = done(
        &hub.ask(&["backup", kept.to_str().unwrap(), "--with-key"])
            .unwrap(),
    );
    assert!(said.contains("key IS in it"), "{said}");
    assert!(!unfinished.exists());

    hub.stop().await.unwrap();
    let state = hub.state().to_owned();
    fs::remove_dir_all(&state).unwrap();
    fs::create_dir(&unfinished).unwrap();
    let refused = hub.ask(&["restore", unfinished.to_str().unwrap()]).unwrap();
    assert!(text(&refused).contains("no whole backup"), "{}", text(&refused));
    let mut all = backups(&kept);
    all.sort();
    let newest = all.last().unwrap();
    done(&hub.ask(&["restore", newest.to_str().unwrap()]).unwrap());
    hub.start().await.unwrap();
    assert_eq!(objects(&state.join("images")).len(), 200);
}
