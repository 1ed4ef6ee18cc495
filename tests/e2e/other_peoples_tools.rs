//! Images sent by scanners' software we did not write.

use std::fs;
use std::process::Command;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::scanner::DicomFile;

use crate::kept::opened;
use crate::nodes::script;
use crate::peers::{peer, python, run, text};
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

/// A segmentation, a structured report, a secondary capture and a presentation state as highdicom writes them, sent into the
/// study they are about: kept as sent, and findable.
#[tokio::test(flavor = "multi_thread")]
async fn what_highdicom_finds_in_a_study_is_kept_with_it() {
    let story = Story::begin(&options()).await;
    let folder = tempfile::tempdir().unwrap();
    let slices = ct(&folder, 3);
    story.store(&slices).await;
    let objects = tempfile::tempdir().unwrap();
    let mut make = Command::new(python());
    make.arg(script("findings.py")).arg(objects.path());
    make.args(slices.iter().map(|file| &file.path));
    let made = run(make).await;
    assert!(made.status.success(), "{}", text(&made));
    let objects: Vec<DicomFile> = fs::read_dir(objects.path())
        .unwrap()
        .map(|entry| DicomFile::open(&entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(objects.len(), 4);
    // Our scanner sends the very bytes that highdicom wrote; dcmtk would write the sequences anew.
    story.store(&objects).await;
    let (host, port) = story.edge.address("dicom").unwrap().split_once(':').unwrap();

    let study = slices[0].study_uid.as_deref().unwrap();
    let mut find = Command::new(peer("findscu", "dcmtk"));
    find.args(["-v", "-S", "-aet", "DCMTK", "-aec", "BAREFOOT"]);
    find.args(["-k", "0008,0052=SERIES", "-k", &format!("0020,000D={study}")]);
    find.args(["-k", "0008,0060", "-k", "0020,000E", host, port]);
    let found = text(&run(find).await);
    for modality in ["CT", "SEG", "SR", "OT", "PR"] {
        assert!(found.contains(&format!("CS [{modality}")), "{modality}:\n{found}");
    }
    let cases = story.cases().await;
    assert_eq!(cases.len(), 1, "one study");
    let studies = opened(story.edge.state(), "studies");
    let kept = fs::read_dir(studies.path()).unwrap().next().unwrap();
    let kept = kept.unwrap().path().join("instances");
    let kept: Vec<DicomFile> = fs::read_dir(kept)
        .unwrap()
        .map(|entry| DicomFile::open(&entry.unwrap().path()).unwrap())
        .collect();
    for object in slices.iter().chain(&objects) {
        let same = kept
            .iter()
            .find(|file| file.sop_instance == object.sop_instance)
            .unwrap();
        assert!(
            data_set(same) == data_set(object),
            "{} has changed",
            object.sop_instance
        );
    }
}

fn data_set(file: &DicomFile) -> Vec<u8> {
    let bytes = fs::read(&file.path).unwrap();
    bytes[usize::try_from(file.data_set_at).unwrap()..].to_vec()
}
