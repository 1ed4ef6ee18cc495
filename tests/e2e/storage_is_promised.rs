//! Storage commitment: others ask whether their images are kept.

use std::process::Command;
use std::time::Duration;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::http::get_json;
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::wait::wait_for;
use serde_json::{Value, json};

use crate::nodes::{Node, free_port, has_all, node_is, script};
use crate::peers::{python, run, text};
use crate::story::{SOON, Story, chests, ct};

const MISSING: &str = "1.2.826.0.1.3680043.9.999";

fn options(ae_title: &str, port: u16, what: &str) -> EdgeOptions {
    EdgeOptions {
        scanners: vec!["SIM_DR1".into(), ae_title.into()],
        more: format!(
            "[[deliver]]\nname = \"node\"\nae_title = \"{ae_title}\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             what = [{what}]\nmax_backoff_s = 1\n"
        ),
        ..EdgeOptions::default()
    }
}

async fn report(story: &Story, place: &str, files: &[DicomFile]) -> Value {
    let port = story.edge.address("dicom").unwrap().rsplit_once(':').unwrap().1;
    let mut commit = Command::new(python());
    commit.arg(script("commit.py")).args([port, place]);
    for file in files {
        commit.args([&file.sop_class, &file.sop_instance]);
    }
    // One that was never sent, and one as another class than it is.
    commit.args([&files[0].sop_class, MISSING]);
    commit.args(["1.2.840.10008.5.1.4.1.1.4", &files[1].sop_instance]);
    let output = run(commit).await;
    assert!(output.status.success(), "{}\n{}", text(&output), story.logs());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_what_is_kept_on_its_association_or_on_one_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let story = Story::begin(&options("COMMIT", port, "")).await;
    let files = ct(&folder, 3);
    story.store(&files).await;
    for place in ["here".to_owned(), port.to_string()] {
        let report = report(&story, &place, &files[..2]).await;
        assert_eq!(report["type"], 2);
        let mut kept: Vec<&str> = report["kept"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap())
            .collect();
        let mut asked: Vec<&str> = files[..2].iter().map(|file| file.sop_instance.as_str()).collect();
        kept.sort_unstable();
        asked.sort_unstable();
        assert_eq!(kept, asked, "{report}");
        assert_eq!(report["failed"][MISSING], 0x0112);
        assert_eq!(report["failed"][&files[1].sop_instance], 0x0119);
    }
}

/// Orthanc got the images from the box and asks the box whether it has them too.
#[tokio::test(flavor = "multi_thread")]
async fn orthanc_is_promised_what_it_asks_for() {
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (port, http, own) = (free_port(), free_port(), free_port());
    let mut options = options("ORTHANC", port, "\"originals\"");
    options.dicom_listen = format!("127.0.0.1:{own}");
    let story = Story::begin(&options).await;
    let _orthanc = Node::orthanc(port, http, state.path(), own).await;
    story.store(&chests(&folder, 1..3)).await;
    let http = format!("127.0.0.1:{http}");
    let studies = wait_for("Orthanc to have both studies", SOON, async || {
        let answer = get_json(&http, "/studies")
            .await
            .map_err(|error| error.to_string())?;
        match answer.as_array() {
            Some(all) if all.len() == 2 => Ok(answer),
            _ => Err(answer.to_string()),
        }
    })
    .await;
    let studies = studies.unwrap_or_else(|error| panic!("{error}\n{}", story.logs()));
    node_is(&story, "the box to know that", has_all).await;
    let wish = json!({ "Resources": studies, "Timeout": 20 }).to_string();
    let mut ask = Command::new("curl");
    ask.args([
        "-sS",
        "-d",
        &wish,
        &format!("http://{http}/modalities/barefoot/storage-commitment"),
    ]);
    let asked = run(ask).await;
    let asked: Value = serde_json::from_slice(&asked.stdout).unwrap_or_else(|_| panic!("{}", text(&asked)));
    let path = asked["Path"]
        .as_str()
        .unwrap_or_else(|| panic!("{asked}"))
        .to_owned();
    let promised = wait_for(
        "Orthanc to hear the promise",
        SOON.max(Duration::from_secs(30)),
        async || {
            let answer = get_json(&http, &path).await.map_err(|error| error.to_string())?;
            match answer["Status"].as_str() {
                Some("Success") => Ok(answer),
                _ => Err(answer.to_string()),
            }
        },
    )
    .await;
    let promised = promised.unwrap_or_else(|error| panic!("{error}\n{}", story.logs()));
    assert_eq!(promised["Success"].as_array().unwrap().len(), 2, "{promised}");
}
