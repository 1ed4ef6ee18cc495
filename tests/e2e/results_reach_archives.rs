//! What the box made of a study arrives at the clinic's archive, whatever that does meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::scanner::DicomFile;

use crate::nodes::{Node, free_port, has_all, node_is};
use crate::story::{Story, chests};

const REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.33";
const CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// How often each object came, by class and name.
fn arrived(folder: &Path) -> BTreeMap<(String, String), Vec<DicomFile>> {
    let mut all: BTreeMap<_, Vec<DicomFile>> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        if let Ok(file) = DicomFile::open(&entry.unwrap().path()) {
            let name = (file.sop_class.clone(), file.sop_instance.clone());
            all.entry(name).or_default().push(file);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn results_wait_for_an_archive_that_is_down_and_arrive_once() {
    let (sent, received) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let options = EdgeOptions {
        more: format!(
            "[[deliver]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             what = [\"results\"]\nmax_backoff_s = 1\ntimeout_s = 20\n"
        ),
        ..EdgeOptions::default()
    };
    let mut story = Story::begin(&options).await;
    let files = chests(&sent, 1..3);
    story.store(&files).await;
    story.all_assessed(2).await;
    node_is(&story, "results to wait for the archive", |node| {
        node["trouble"].is_string() && node["pending"].as_u64().is_some_and(|count| 4 <= count)
    })
    .await;
    story.edge.kill9();
    story.edge.start().await.unwrap();
    let _node = Node::storescp(port, received.path(), &[]).await;
    let node = node_is(&story, "everything to be delivered", has_all).await;
    assert_eq!(node["aside"].as_array().map(Vec::len), Some(0), "{node}");

    let all = arrived(received.path());
    for class in [REPORT, CAPTURE] {
        let of_class = all.keys().filter(|(it, _)| it == class).count();
        assert_eq!(of_class, 2, "one a study of {class}");
    }
    for ((class, _), copies) in &all {
        assert_eq!(copies.len(), 1, "{class} came once");
        let study = &copies[0].study_uid;
        assert!(
            study.is_some() && files.iter().any(|file| file.study_uid == *study),
            "{class}"
        );
    }
}
