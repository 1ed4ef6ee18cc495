use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barefoot_test_support::daemons::{EdgeOptions, workspace};
use barefoot_test_support::http::get;
use barefoot_test_support::line::{Line, Quality};
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;

use crate::story::{SOON, Story, chests};

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_dicom_port_harms_nobody() {
    let mut story = Story::begin(&EdgeOptions::default()).await;
    let port = story.edge.address("dicom").unwrap().to_owned();
    let _silent = TcpStream::connect(&port).unwrap();
    let huge_pdu = [&[0x01, 0, 0xFF, 0xFF, 0xFF, 0xFF][..], &[0; 4096]].concat();
    let inputs: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0xFF; 4096],
        &huge_pdu,
        b"\x04\0\0\0\0\0",
    ];
    for input in inputs {
        let mut socket = TcpStream::connect(&port).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let _ = socket.write_all(input);
        // An abort or the end of the connection; never silence.
        let mut answer = [0; 64];
        let _ = socket.read(&mut answer).unwrap_or_default();
    }
    story.edge.check().unwrap();
    let folder = tempfile::tempdir().unwrap();
    story.store(&chests(&folder, 1..2)).await;
    story.all_receipted(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_quarantined_with_a_status_and_shown() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let whole = chests(&folder, 1..2).remove(0);
    let bytes = fs::read(&whole.path).unwrap();
    let path = folder.path().join("cut.dcm");
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let outcome = story.send(&[DicomFile::open(&path).unwrap()]).await.remove(0);
    assert_eq!(outcome.status, Some(0xC000), "{:?}", outcome.error);
    assert_eq!(story.edge_status().await["quarantined"], 1);
    assert_eq!(dicom_files(&story.edge.state().join("quarantine")).len(), 1);
    assert!(dicom_files(&story.edge.state().join("studies")).is_empty());
    let page = String::from_utf8(get(story.edge.address("page").unwrap(), "/").await.unwrap()).unwrap();
    assert!(
        page.contains("could not be understood"),
        "the page says that something was set aside"
    );
    story.store(&[whole]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_breaks_off_leaves_nothing_half_written() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let line = Line::start(story.edge.address("dicom").unwrap()).await.unwrap();
    line.set(Quality {
        latency: Duration::from_millis(2),
        bandwidth: Some(40_000_000),
        ..Quality::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.dcm");
    Chest {
        size: Size::Full,
        ..Chest::default()
    }
    .instance()
    .save(&path)
    .unwrap();
    let file = DicomFile::open(&path).unwrap();
    let sending = {
        let (address, file) = (line.address.to_string(), file.clone());
        tokio::spawn(async move {
            let mut status = None;
            let scanner = Scanner::new(address, "BAREFOOT", "SIM_DR1");
            scanner.send(&[file], |outcome| status = outcome.status).await;
            status
        })
    };
    let intake = story.edge.state().join("intake");
    let begun = wait_for("the image to begin", SOON, async || {
        let part = fs::read_dir(&intake)
            .unwrap()
            .filter_map(Result::ok)
            .any(|e| 100_000 < e.metadata().map_or(0, |m| m.len()));
        if part { Ok(()) } else { Err("nothing yet") }
    });
    begun.await.unwrap();
    line.cut();
    assert_eq!(sending.await.unwrap(), None, "the scanner heard no success");
    let cleared = wait_for("the half to be cleared", SOON, async || {
        let left = fs::read_dir(&intake).unwrap().count();
        if left == 0 { Ok(()) } else { Err(left) }
    });
    cleared.await.unwrap();
    assert!(story.cases().await.is_empty());
    story.store(&[file]).await;
    story.all_receipted(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_the_box_does_not_take_are_refused_by_name() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let chest = chests(&folder, 1..2).remove(0);
    // A printer's page: its presentation context is not accepted.
    let page = DicomFile {
        sop_class: "1.2.840.10008.5.1.1.1".into(),
        ..chest.clone()
    };
    let outcome = story.send(&[page]).await.remove(0);
    assert_eq!(outcome.status, None);
    assert!(
        outcome.error.unwrap().contains("context"),
        "the scanner says which agreement is missing"
    );
    // A request that names another object than the data set: 0xA900, and not kept.
    let liar = DicomFile {
        sop_instance: "1.2.3.4".into(),
        ..chest.clone()
    };
    let outcome = story.send(&[liar]).await.remove(0);
    assert_eq!(outcome.status, Some(0xA900));
    assert!(dicom_files(&story.edge.state().join("studies")).is_empty());
    assert!(story.cases().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_the_same_identifier_is_kept_apart() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let first = chests(&folder, 1..2).remove(0);
    let mut bytes = fs::read(&first.path).unwrap();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    let path = folder.path().join("other.dcm");
    fs::write(&path, &bytes).unwrap();
    let other = DicomFile::open(&path).unwrap();
    story.store(std::slice::from_ref(&first)).await;
    story.store(&[other]).await;
    story.store(std::slice::from_ref(&first)).await;
    let kept = dicom_files(&story.edge.state().join("studies"));
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(
        kept.iter()
            .filter(|path| path.to_string_lossy().contains(".conflict-"))
            .count(),
        1
    );
    let flagged = wait_for("the case to go to review for it", SOON, async || {
        let case = story.case_of(&first).await.unwrap();
        let reasons = case["reasons"].as_array().unwrap();
        if reasons.iter().any(|reason| reason == "identity_conflict") {
            Ok(case)
        } else {
            Err(case.to_string())
        }
    });
    assert_eq!(flagged.await.unwrap()["urgency"], "review");
    story.all_receipted(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_scanner_is_refused_shown_and_let_in_by_one_click() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let chest = chests(&folder, 1..2);
    let stranger = Scanner::new(story.edge.address("dicom").unwrap(), "BAREFOOT", "NEW_SCANNER");
    let mut error = None;
    stranger.send(&chest, |outcome| error = outcome.error).await;
    assert!(
        error.unwrap().to_lowercase().contains("calling"),
        "the scanner says whose title is unknown"
    );
    let wrong = Scanner::new(story.edge.address("dicom").unwrap(), "ORTHANC", "SIM_DR1");
    assert!(wrong.echo().await.is_err());

    let address = story.edge.address("page").unwrap().to_owned();
    let page = String::from_utf8(get(&address, "/").await.unwrap()).unwrap();
    assert!(page.contains("NEW_SCANNER"));
    let click = tokio::task::spawn_blocking(move || {
        ureq::post(format!("http://{address}/scanners/allow"))
            .send_form([("ae_title", "NEW_SCANNER")])
            .map(|r| r.status())
    });
    click.await.unwrap().unwrap();
    let mut status = None;
    stranger.send(&chest, |outcome| status = outcome.status).await;
    assert_eq!(status, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_down_from_the_start_stops_nothing() {
    let mut story = Story::begin(&EdgeOptions::default()).await;
    story.hub.stop().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    story.store(&chests(&folder, 1..3)).await;
    story.all_assessed(2).await;
    assert!(story.edge.stop().await.unwrap().success());
    story.edge.start().await.unwrap();
    let refilled = wait_for("the queue to hold both again", SOON, async || {
        let pending = story.edge_status().await["queue"]["pending"].clone();
        if pending == 2 { Ok(()) } else { Err(pending) }
    });
    refilled.await.unwrap();
    story.hub.start().await.unwrap();
    story.line.lead_to(story.hub.address("mqtt").unwrap());
    story.all_receipted(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_bundle_sends_studies_to_review_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    copy(&workspace().join("edge/inference/bundles/cxr-pneumonia"), &bundle);
    for name in ["backbone.f32.onnx", "backbone.int8.onnx"] {
        let mut bytes = fs::read(bundle.join(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(bundle.join(name), bytes).unwrap();
    }
    let story = Story::begin(&EdgeOptions {
        bundle,
        ..EdgeOptions::default()
    })
    .await;
    story.store(&chests(&folder, 1..2)).await;
    let case = story.all_receipted(1).await.remove(0);
    assert_eq!(
        (&case["urgency"], &case["reasons"][0]),
        (&"review".into(), &"no_model".into())
    );
    assert!(
        story.edge.log().contains("backbone."),
        "the log names the damaged file"
    );
    let page = String::from_utf8(get(story.edge.address("page").unwrap(), "/").await.unwrap()).unwrap();
    assert!(page.contains("backbone."), "so does the page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typo_in_a_configuration_ends_the_start_with_its_name() {
    let mut story = Story::begin(&EdgeOptions::default()).await;
    story.edge.stop().await.unwrap();
    story.hub.stop().await.unwrap();
    for (daemon, good, bad) in [
        (
            &mut *story.edge,
            "ae_title = \"BAREFOOT\"",
            "ae_titel = \"BAREFOOT\"",
        ),
        (&mut *story.hub, "[page]", "[pages]"),
    ] {
        let text = fs::read_to_string(daemon.config()).unwrap();
        assert!(text.contains(good));
        fs::write(daemon.config(), text.replace(good, bad)).unwrap();
        for arguments in [&[][..], &["--check-config"][..]] {
            let status = daemon.run_to_end(arguments, SOON).await.unwrap();
            assert_eq!(status.code(), Some(78));
        }
        let wrong = bad.split(' ').next().unwrap().trim_matches(['[', ']']).to_owned();
        assert!(daemon.log().contains(&wrong), "{}", daemon.log());
    }
}

fn dicom_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(dicom_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "dcm") {
            found.push(path);
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().filter_map(Result::ok) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}
