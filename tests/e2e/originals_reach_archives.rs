//! What a clinic's own nodes are to get arrives there, whatever they do meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::scanner::DicomFile;
use serde_json::Value;

use crate::nodes::{Node, free_port, has_all, node_is, script};
use crate::peers::{peer, python, run, text};
use crate::story::{Story, chests, ct};

fn options(ae_title: &str, port: u16) -> EdgeOptions {
    EdgeOptions {
        more: format!(
            "[[deliver]]\nname = \"pacs\"\nae_title = \"{ae_title}\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             what = [\"originals\"]\nmax_backoff_s = 1\ntimeout_s = 20\n"
        ),
        ..EdgeOptions::default()
    }
}

fn data_set(file: &DicomFile) -> Vec<u8> {
    let bytes = fs::read(&file.path).unwrap();
    bytes[usize::try_from(file.data_set_at).unwrap()..].to_vec()
}

/// By SOP Instance UID.
fn arrived(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<DicomFile> = files.filter_map(|path| DicomFile::open(&path).ok()).collect();
    files
        .iter()
        .map(|file| (file.sop_instance.clone(), data_set(file)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_wait_for_a_node_that_is_down_and_survive_a_kill() {
    let (sent, received) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let mut story = Story::begin(&options("STORESCP", port)).await;
    let mut files = chests(&sent, 1..3);
    files.extend(ct(&sent, 5));
    story.store(&files).await;
    story.all_assessed(3).await;
    let node = node_is(&story, "the outbox to know the node is down", |node| {
        node["trouble"].is_string()
    })
    .await;
    assert_eq!(node["pending"], 7, "{node}");
    story.edge.kill9();
    story.edge.start().await.unwrap();
    let _node = Node::storescp(port, received.path(), &[]).await;
    let node = node_is(&story, "everything to be delivered", has_all).await;
    assert_eq!(
        (&node["trouble"], node["aside"].as_array().unwrap().len()),
        (&Value::Null, 0)
    );
    let kept = arrived(received.path());
    assert_eq!(kept.len(), files.len());
    for file in &files {
        assert!(
            kept[&file.sop_instance] == data_set(file),
            "{} has changed",
            file.sop_instance
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_answers_decides_and_nothing_is_sent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (port, log) = (free_port(), folder.path().join("log"));
    let _node = Node::moody(port, &log, &["A700", "B000", "C123", "0000"]).await;
    let mut story = Story::begin(&options("MOODY", port)).await;
    let slices = ct(&folder, 3);
    story.store(&slices).await;
    let node = node_is(&story, "one to be set aside", |node| {
        has_all(node) && node["aside"].as_array().is_some_and(|aside| aside.len() == 1)
    })
    .await;
    assert!(
        node["aside"][0]["reason"].as_str().unwrap().contains("0xC123"),
        "{node}"
    );
    let lines = || -> Vec<Vec<String>> {
        let text = fs::read_to_string(&log).unwrap();
        text.lines()
            .map(|line| line.split(' ').map(str::to_owned).collect())
            .collect()
    };
    let first = lines();
    assert_eq!(
        first.len(),
        4,
        "the full node was asked again, nothing else: {first:?}"
    );
    assert_eq!(first[0][0], first[1][0], "the order within the study stays");
    assert_eq!(first[0][2], first[1][2], "with the same bytes");
    // A restart sends nothing again; a person's wish sends what was set aside.
    story.edge.kill9();
    story.edge.start().await.unwrap();
    assert_eq!(
        node_is(&story, "the outbox", has_all).await["aside"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let page = story.edge.address("page").unwrap().to_owned();
    let mut wish = Command::new("curl");
    wish.args(["-sS", "-o", "/dev/null", "-d", "node=pacs"])
        .arg(format!("http://{page}/nodes/again"));
    let output = run(wish).await;
    assert!(output.status.success(), "{}", text(&output));
    node_is(&story, "it to be taken", |node| {
        has_all(node) && node["aside"] == serde_json::json!([])
    })
    .await;
    let all = lines();
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!(all[4][0], all[2][0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_only_implicit_little_endian_gets_the_same_picture() {
    let (sent, received) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plain = ct(&sent, 1).remove(0);
    let compressed = sent.path().join("compressed.dcm");
    let mut dcmcjpeg = Command::new(peer("dcmcjpeg", "dcmtk"));
    dcmcjpeg.arg("+e1").arg(&plain.path).arg(&compressed);
    let output = run(dcmcjpeg).await;
    assert!(output.status.success(), "{}", text(&output));
    let compressed = DicomFile::open(&compressed).unwrap();
    assert_eq!(compressed.transfer_syntax, "1.2.840.10008.1.2.4.70");
    assert_eq!(compressed.sop_instance, plain.sop_instance);
    let port = free_port();
    let _node = Node::storescp(port, received.path(), &["+xi"]).await;
    let story = Story::begin(&options("IMPLICIT", port)).await;
    story.store(&[compressed]).await;
    node_is(&story, "it to be delivered", |node| {
        has_all(node) && node["last_sent_ms"].is_number()
    })
    .await;
    let found = fs::read_dir(received.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(
        DicomFile::open(&found).unwrap().transfer_syntax,
        "1.2.840.10008.1.2"
    );
    let mut compare = Command::new(python());
    compare
        .arg(script("same_picture.py"))
        .arg(&plain.path)
        .arg(&found);
    let output = run(compare).await;
    assert!(output.status.success(), "{}", text(&output));
}
