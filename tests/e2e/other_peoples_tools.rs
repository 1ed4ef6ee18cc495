//! Images sent by scanners' software we did not write.

use std::process::Command;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::scanner::DicomFile;

use crate::peers::{peer, run, text};
use crate::story::{Story, chests, ct};

fn options() -> EdgeOptions {
    EdgeOptions {
        scanners: vec!["SIM_DR1".into(), "DCMTK".into()],
        ..EdgeOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn echoscu_storescu_and_dcmsend_are_served() {
    let story = Story::begin(&options()).await;
    let folder = tempfile::tempdir().unwrap();
    let (chest, slices) = (chests(&folder, 1..2), ct(&folder, 2));
    let (host, port) = story.edge.address("dicom").unwrap().split_once(':').unwrap();
    let call = |name: &str, files: &[&DicomFile]| {
        let mut command = Command::new(peer(name, "dcmtk"));
        command.args(["-aet", "DCMTK", "-aec", "BAREFOOT", host, port]);
        command.args(files.iter().map(|file| &file.path));
        command
    };
    for command in [
        call("echoscu", &[]),
        call("storescu", &[&chest[0]]),
        call("dcmsend", &slices.iter().collect::<Vec<_>>()),
    ] {
        let output = run(command).await;
        assert!(output.status.success(), "{}", text(&output));
    }
    story.all_receipted(2).await;
}
