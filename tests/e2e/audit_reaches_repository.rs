//! What box and hub do reaches an audit record repository: rsyslog with TLS, as a region may have it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use barefoot_test_support::daemons::{Daemon, EdgeOptions, Region, workspace};
use barefoot_test_support::http::get_json;
use barefoot_test_support::line::Line;
use barefoot_test_support::scanner::Scanner;
use barefoot_test_support::wait::wait_for;
use serde_json::Value;

use crate::nodes::{Node, free_port, has_all, node_is};
use crate::peers::{peer, python, run, text};
use crate::story::{CLINIC, SOON, Story, chests};

fn setting(port: u16) -> String {
    format!("\n[audit.repository]\naddress = \"127.0.0.1:{port}\"\nsite = \"Region 4\"\nmax_backoff_s = 1\n")
}

/// rsyslogd as the repository: it knows the region's authority, and writes each message as it came.
async fn repository(region: &Region, port: u16, folder: &Path) -> Node {
    let pki = region.pki();
    let config = format!(
        "global(workDirectory=\"{work}\" maxMessageSize=\"64k\" defaultNetstreamDriverCAFile=\"{pki}/authority.crt\"\n\
         defaultNetstreamDriverCertFile=\"{pki}/hub.crt\" defaultNetstreamDriverKeyFile=\"{pki}/hub.key\")\n\
         module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/certvalid\")\n\
         template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
         ruleset(name=\"messages\") {{ action(type=\"omfile\" file=\"{work}/messages\" template=\"raw\") }}\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"messages\")\n",
        work = folder.display(),
        pki = pki.display(),
    );
    let path = folder.join("rsyslog.conf");
    fs::write(&path, config).unwrap();
    Node::rsyslogd(port, &path, &folder.join("pid")).await
}

/// Numbers of entries and our words, in the order they came, the first of each; by whose log it is.
type Told = BTreeMap<String, Vec<(u64, String)>>;

/// What came. A line that is half written yet is no message yet.
async fn told(folder: &Path) -> Result<Told, String> {
    let mut check = Command::new(python());
    check
        .arg(workspace().join("tests/interop/check_audit_messages.py"))
        .arg(folder.join("messages"));
    let output = run(check).await;
    if !output.status.success() {
        return Err(text(&output));
    }
    let mut told = Told::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let said: Vec<&str> = line.split(' ').collect();
        let (number, log) = (
            said[1].parse().unwrap(),
            told.entry(said[0].to_owned()).or_default(),
        );
        if !log.iter().any(|(known, _)| *known == number) {
            log.push((number, said[3].to_owned()));
        }
    }
    Ok(told)
}

/// Waits until the repository has everything that both logs hold now.
async fn all_told(story: &Story, folder: &Path, name: &str) -> Told {
    let (of_box, of_hub) = (
        entries(&story.edge, folder, &format!("{name}.box")),
        entries(&story.hub, folder, &format!("{name}.hub")),
    );
    wait_for("every entry of both logs", SOON, async || {
        let told = told(folder).await?;
        let has =
            |source: &str, entries: u64| told.get(source).is_some_and(|log| entries <= log.len() as u64);
        if has("barefoot-edge@clinic-7", of_box) && has("barefoot-hub@hub", of_hub) {
            Ok(told)
        } else {
            Err(format!("{of_box} and {of_hub} are wanted: {told:?}"))
        }
    })
    .await
    .unwrap()
}

/// How many entries a daemon's log has, by its own export.
fn entries(daemon: &Daemon, folder: &Path, name: &str) -> u64 {
    let file: PathBuf = folder.join(name);
    let output = daemon.ask(&["audit", "export", file.to_str().unwrap()]).unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let lines = fs::read_to_string(&file).unwrap();
    lines.lines().filter(|line| line.contains("\"entry\":{")).count() as u64
}

async fn repository_is(story: &Story, what: &str, wanted: impl Fn(&Value) -> bool) {
    wait_for(what, SOON, async || {
        let status = get_json(story.edge.address("page").unwrap(), "/api/status")
            .await
            .map_err(|error| error.to_string())?;
        let repository = &status["audit_repository"];
        if wanted(repository) {
            Ok(())
        } else {
            Err(repository.to_string())
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_arrives_in_order_through_outages_and_kills() {
    let (work, received) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (port, node_port) = (free_port(), free_port());
    let region = Region::new().unwrap();
    let mut hub = region.hub("en", "127.0.0.1:0").unwrap();
    let mut config = fs::OpenOptions::new().append(true).open(hub.config()).unwrap();
    config.write_all(setting(port).as_bytes()).unwrap();
    hub.start().await.unwrap();
    let line = Line::start(hub.address("mqtt").unwrap()).await.unwrap();
    let options = EdgeOptions {
        scanners: vec!["SIM_DR1".into(), "DCMTK".into()],
        more: format!(
            "[[deliver]]\nname = \"pacs\"\nae_title = \"STORESCP\"\nhost = \"127.0.0.1\"\nport = {node_port}\n\
             what = [\"originals\"]\nmax_backoff_s = 1\n{}",
            setting(port)
        ),
        ..EdgeOptions::default()
    };
    let mut edge = region.edge(CLINIC, &line.address.to_string(), &options).unwrap();
    edge.start().await.unwrap();
    let mut story = Story::of(region, hub, line, edge);

    // Nobody is there to be told: the log waits, and the box says so.
    let _node = Node::storescp(node_port, received.path(), &[]).await;
    let files = chests(&work, 1..4);
    story.store(&files).await;
    story.all_assessed(3).await;
    node_is(&story, "the archive to have them", has_all).await;
    repository_is(&story, "the box to miss its repository", |repository| {
        0 < repository["behind"].as_u64().unwrap_or(0) && repository["trouble"].is_string()
    })
    .await;
    let stranger = Scanner::new(story.edge.address("dicom").unwrap(), "BAREFOOT", "STRANGER");
    let mut refused = Vec::new();
    stranger.send(&files[..1], |outcome| refused.push(outcome)).await;
    assert!(refused.iter().all(|outcome| outcome.status != Some(0)));
    let (host, dicom) = story.edge.address("dicom").unwrap().split_once(':').unwrap();
    let study = files[0].study_uid.clone().unwrap();
    let ask = |name: &str, more: &[&str]| {
        let mut command = Command::new(peer(name, "dcmtk"));
        command.args(["-S", "-aet", "DCMTK", "-aec", "BAREFOOT"]);
        command.args(more).args(["-k", "0008,0052=STUDY", "-k"]);
        command.arg(format!("0020,000D={study}")).args([host, dicom]);
        command
    };
    for command in [ask("findscu", &[]), ask("movescu", &["-aem", "STORESCP"])] {
        let output = run(command).await;
        assert!(output.status.success(), "{}", text(&output));
    }

    // Killed before anything was told, and again while it is.
    story.edge.kill9();
    story.edge.start().await.unwrap();
    let arr = repository(&story.region, port, work.path()).await;
    wait_for("the first messages", SOON, async || {
        fs::metadata(work.path().join("messages")).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    story.edge.kill9();
    story.edge.start().await.unwrap();
    repository_is(&story, "the repository to have all", |repository| {
        repository["behind"] == 0 && repository["trouble"].is_null()
    })
    .await;
    all_told(&story, work.path(), "first").await;
    // Away for a while: what happens meanwhile comes later. It ends in order: what it has read it writes.
    let pid = fs::read_to_string(work.path().join("pid")).unwrap();
    let mut end = Command::new("kill");
    end.arg(pid.trim());
    assert!(run(end).await.status.success());
    wait_for("the repository to end", SOON, async || {
        match work.path().join("pid").exists() {
            true => Err("it runs"),
            false => Ok(()),
        }
    })
    .await
    .unwrap();
    drop(arr);
    story.store(&chests(&work, 4..5)).await;
    repository_is(&story, "the box to miss it again", |repository| {
        0 < repository["behind"].as_u64().unwrap_or(0)
    })
    .await;
    let _arr = repository(&story.region, port, work.path()).await;
    let logs = all_told(&story, work.path(), "second").await;
    for (log, entries) in &logs {
        let numbers: Vec<u64> = entries.iter().map(|(number, _)| *number).collect();
        let all: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, all, "{log}: in order, and none is missing");
    }
    let words: Vec<&str> = logs["barefoot-edge@clinic-7"]
        .iter()
        .map(|(_, word)| word.as_str())
        .collect();
    for word in [
        "start",
        "stored",
        "delivery_begun",
        "delivered",
        "association_refused",
        "queried",
        "retrieve_begun",
        "retrieved",
    ] {
        assert!(words.contains(&word), "{word}: {words:?}");
    }
    let before = |first: &str, then: &str| {
        let at = |word: &str| words.iter().position(|found| *found == word).unwrap();
        at(first) < at(then)
    };
    assert!(before("delivery_begun", "delivered") && before("retrieve_begun", "retrieved"));

    let messages = fs::read_to_string(work.path().join("messages")).unwrap();
    for line in messages.lines() {
        let begins = line.starts_with("<85>1 ") || line.starts_with("<84>1 ");
        assert!(
            begins && line.contains(" DICOM+RFC3881 - \u{FEFF}<AuditMessage>"),
            "{line}"
        );
    }
    for file in &files {
        let uid = file.study_uid.as_deref().unwrap();
        assert!(!messages.contains(uid), "a study stands there by its pseudonym");
    }
    // The same as a file.
    let xml = work.path().join("box.xml");
    let export = story
        .edge
        .ask(&["audit", "export", "--dicom", xml.to_str().unwrap()])
        .unwrap();
    assert!(export.status.success(), "{}", text(&export));
    let mut check = Command::new(python());
    check
        .arg(workspace().join("tests/interop/check_audit_messages.py"))
        .arg(&xml);
    let output = run(check).await;
    assert!(output.status.success(), "{}", text(&output));
    let lines = String::from_utf8(output.stdout).unwrap().lines().count();
    assert!(
        logs["barefoot-edge@clinic-7"].len() < lines,
        "and that it was exported"
    );
}
