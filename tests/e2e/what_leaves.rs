//! What leaves a clinic is what its policy says: nodes, images, research; by the page, the command, and the patient's word.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use barefoot_imaging::deidentify;
use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::wait::wait_for;
use serde_json::Value;

use crate::nodes::{Node, free_port, has_all, node_is, script};
use crate::peers::{peer, python, run, text};
use crate::story::{SOON, Story, chests};

const RESEARCH: &str = "[minors]\nunknown_age = \"adult\"\n\n[[research]]\nname = \"university\"\npurpose = \"Study of lungs\"\n\
                        until = \"2099-12-31\"\n";

fn with_node(port: u16) -> EdgeOptions {
    EdgeOptions {
        more: format!(
            "[[deliver]]\nname = \"pacs\"\nae_title = \"STORESCP\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             what = [\"originals\"]\nmax_backoff_s = 1\ntimeout_s = 20\n"
        ),
        ..EdgeOptions::default()
    }
}

fn gets(what: &str) -> String {
    format!("[nodes]\nunlisted = \"{what}\"\n")
}

/// Every file below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn audit(story: &Story) -> String {
    let file = story.region.folder().join("audit.jsonl");
    let _ = fs::remove_file(&file);
    let asked = story
        .edge
        .ask(&["audit", "export", &file.display().to_string()])
        .unwrap();
    assert!(asked.status.success(), "{}", text(&asked));
    fs::read_to_string(file).unwrap()
}

fn export(story: &Story, folder: &Path) -> (bool, String) {
    let asked = story
        .edge
        .ask(&["export-research", "university", &folder.display().to_string()])
        .unwrap();
    (asked.status.success(), text(&asked))
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

/// The word of a patient or guardian, as the page takes it.
async fn say(story: &Story, study: &str, word: &str) {
    let cases = story.cases().await;
    let case = cases.iter().find(|case| case["study_uid"] == study).unwrap();
    let page = story.edge.address("page").unwrap();
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-d", word])
        .arg(format!(
            "http://{page}/case/{}/consent",
            case["study"].as_str().unwrap()
        ));
    let answer = text(&run(curl).await);
    assert_eq!(answer, "303", "{word}: {}", story.logs());
}

/// The box has seen so many policies that the command wrote.
async fn followed(story: &Story, times: usize) {
    let followed = wait_for("the box to follow", SOON, async || {
        let seen = audit(story).matches("changed beside the page").count();
        if times <= seen { Ok(()) } else { Err(seen) }
    });
    followed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_what_the_policy_lets_it_have_from_the_next_moment_on() {
    let (sent, received) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let story = Story::begin(&with_node(port)).await;
    let _node = Node::storescp(port, received.path(), &[]).await;
    let files = chests(&sent, 10..13);
    story.edge.set_policy(&gets("nothing")).unwrap();
    followed(&story, 1).await;
    story.store(&files[..2]).await;
    story.all_assessed(2).await;
    node_is(&story, "both to wait", |node| node["pending"] == 2).await;
    assert!(below(received.path()).is_empty());

    story.edge.set_policy(&gets("deidentified")).unwrap();
    node_is(&story, "both to be there", has_all).await;
    let arrived = below(received.path());
    assert_eq!(arrived.len(), 2, "{arrived:?}");
    for path in &arrived {
        let bytes = fs::read(path).unwrap();
        for file in &files {
            let uid = file.sop_instance.as_bytes();
            assert!(
                !bytes.windows(uid.len()).any(|window| window == uid),
                "its own UID left"
            );
        }
        let found = DicomFile::open(path).unwrap();
        assert!(found.sop_instance.starts_with("2.25."), "{}", found.sop_instance);
        check_with_others(&["node", &path.display().to_string()]).await;
    }
    fs::remove_dir_all(received.path()).unwrap();
    fs::create_dir_all(received.path()).unwrap();
    story.edge.set_policy(&gets("originals")).unwrap();
    followed(&story, 3).await;
    story.store(&files[2..]).await;
    node_is(&story, "the third to be there", |node| {
        has_all(node) && node["last_sent_ms"].is_number() && !below(received.path()).is_empty()
    })
    .await;
    let third = DicomFile::open(&below(received.path())[0]).unwrap();
    assert_eq!(third.sop_instance, files[2].sop_instance);
    let log = audit(&story);
    assert!(log.contains("nodes.unlisted: originals -> nothing"), "{log}");
    assert!(
        log.contains("nodes.unlisted: deidentified -> originals (loosens)"),
        "{log}"
    );
}

/// pydicom's eyes.
async fn check_with_others(arguments: &[&str]) {
    let mut command = Command::new(python());
    command.arg(script("without_identity.py")).args(arguments);
    let output = run(command).await;
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn research_gets_images_of_who_agreed_and_no_others_any_more() {
    let sent = tempfile::tempdir().unwrap();
    let story = Story::begin(&EdgeOptions::default()).await;
    let files = chests(&sent, 20..23);
    let uids: Vec<String> = files.iter().map(|file| file.study_uid.clone().unwrap()).collect();
    story.store(&files).await;
    story.all_assessed(3).await;
    let folders = tempfile::tempdir().unwrap();
    let to = |name: &str| folders.path().join(name);
    let (went, why) = export(&story, &to("before"));
    assert!(!went && why.contains("names no research recipient"), "{why}");
    assert!(!to("before").exists());

    story.edge.set_policy(RESEARCH).unwrap();
    let (went, why) = export(&story, &to("nobody"));
    assert!(went, "{why}");
    let none = manifest(&to("nobody"));
    assert_eq!(
        (&none["images"], &none["studies_withheld"]["nothing_said"]),
        (&0.into(), &3.into()),
        "{none}"
    );

    for uid in &uids[..2] {
        say(&story, uid, "what=research&giver=patient&allowed=yes").await;
    }
    say(&story, &uids[2], "what=learning&giver=patient&allowed=yes").await;
    let (went, why) = export(&story, &to("two"));
    assert!(went, "{why}");
    let two = manifest(&to("two"));
    assert_eq!(
        (&two["images"], &two["patients"]),
        (&2.into(), &2.into()),
        "{two}"
    );
    assert_eq!(
        two["studies_withheld"]["nothing_said"], 1,
        "learning is not research"
    );
    let images: Vec<PathBuf> = below(&to("two"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "dcm"))
        .collect();
    assert_eq!(images.len(), 2);
    let at_hub: Vec<Value> = story.results().await;
    for path in &images {
        let bytes = fs::read(path).unwrap();
        let checked = deidentify::check(&bytes).unwrap();
        assert!(
            at_hub.iter().all(|result| result["case"] != *checked.study_uid),
            "another name than at the hub"
        );
        let text = String::from_utf8_lossy(&bytes);
        assert!(uids.iter().all(|uid| !text.contains(uid.as_str())));
        check_with_others(&["research", &path.display().to_string()]).await;
        let mut validator = Command::new(peer("dciodvfy", "dicom3tools"));
        validator.arg(path);
        let said = crate::peers::text(&run(validator).await);
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("Error")).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }

    say(&story, &uids[0], "what=research&giver=patient&allowed=no").await;
    let (went, why) = export(&story, &to("one"));
    assert!(went, "{why}");
    let one = manifest(&to("one"));
    assert_eq!(
        (&one["images"], &one["studies_withheld"]["said_no"]),
        (&1.into(), &1.into()),
        "{one}"
    );
    let kept: Vec<&Value> = two["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| one["files"][0]["path"] == file["path"])
        .collect();
    assert_eq!(
        kept.len(),
        1,
        "the same patient has the same name for the same recipient"
    );
    let (went, why) = export(&story, &to("one"));
    assert!(!went && why.contains("not empty"), "{why}");

    let log = audit(&story);
    assert_eq!(log.matches("\"research_export\"").count(), 3, "{log}");
    assert!(
        log.contains("research by patient: no") && uids.iter().all(|uid| !log.contains(uid.as_str())),
        "{log}"
    );
    let page = Command::new("curl")
        .args([
            "-sS",
            &format!("http://{}/policy?lang=en", story.edge.address("page").unwrap()),
        ])
        .output()
        .unwrap();
    assert!(
        text(&page).contains("Exports so far: 3, with 3 images"),
        "{}",
        text(&page)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_somebody_elses_hand_lets_nothing_but_results_leave_and_is_noticed() {
    let sent = tempfile::tempdir().unwrap();
    let mut story = Story::begin(&EdgeOptions::default()).await;
    story.edge.set_policy(RESEARCH).unwrap();
    let shown = story.edge.ask(&["policy", "show"]).unwrap();
    assert!(text(&shown).contains("university"), "{}", text(&shown));
    let tightened = text(&shown).replace("free_text = true", "free_text = false");
    let file = story.region.folder().join("tighter.toml");
    fs::write(&file, &tightened).unwrap();
    let set = story
        .edge
        .ask(&["policy", "set", &file.display().to_string()])
        .unwrap();
    assert!(set.status.success(), "{}", text(&set));
    fs::write(&file, tightened.replace("free_text = false", "free_text = true")).unwrap();
    let loosened = story
        .edge
        .ask(&["policy", "set", &file.display().to_string()])
        .unwrap();
    assert!(
        !loosened.status.success() && text(&loosened).contains("--loosen"),
        "{}",
        text(&loosened)
    );

    story.edge.stop().await.unwrap();
    fs::write(
        story.edge.state().join("policy.toml"),
        "[hub]\nfree_text = true\n",
    )
    .unwrap();
    story.edge.start().await.unwrap();
    story.store(&chests(&sent, 30..31)).await;
    story.all_receipted(1).await;
    let page = Command::new("curl")
        .args([
            "-sS",
            &format!("http://{}/policy?lang=en", story.edge.address("page").unwrap()),
        ])
        .output()
        .unwrap();
    assert!(text(&page).contains("gone or was damaged"), "{}", text(&page));
    let (went, why) = export(&story, &story.region.folder().join("nothing"));
    assert!(!went && why.contains("names no research recipient"), "{why}");
    let log = audit(&story);
    assert!(log.contains("not as the log left it"), "{log}");
    story.edge.set_policy(RESEARCH).unwrap();
    let back = wait_for("the box to follow", SOON, async || {
        let status = Command::new("curl")
            .args([
                "-sS",
                &format!("http://{}/policy?lang=en", story.edge.address("page").unwrap()),
            ])
            .output()
            .unwrap();
        if text(&status).contains("Research: university") {
            Ok(())
        } else {
            Err("not yet")
        }
    });
    back.await.unwrap();
}
