//! What an assessment becomes for archives and viewers, read by other people's programs.

#[path = "../../shared/imaging/examples/result_objects/made.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod made;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use barefoot_imaging::evidence::{
    fhir_bundle, presentation_state, secondary_capture, segmentation, structured_report,
};
use barefoot_imaging::report::{FontFiles, Fonts};
use barefoot_test_support::http::{get, get_json};
use barefoot_test_support::scanner::{DicomFile, Scanner};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::orthanc::Orthanc;
use super::tool;

const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Every object of every made case: `positive.sr.dcm`, `positive.fhir.json`.
struct Objects {
    folder: TempDir,
}

impl Objects {
    fn make() -> Self {
        let (folder, images) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let fonts = Fonts::load(&FontFiles::default()).unwrap();
        for case in made::cases(images.path()).unwrap() {
            let evidence = case.evidence();
            let objects = [
                ("sr", Some(structured_report(&evidence).unwrap())),
                ("sc", secondary_capture(&evidence, &fonts).unwrap()),
                ("pr", presentation_state(&evidence).unwrap()),
                ("seg", segmentation(&evidence, &case.segments()).unwrap()),
            ];
            let put = |kind: &str, bytes: &[u8]| {
                let path = folder.path().join(format!("{}.{kind}", case.name));
                fs::write(path, bytes).unwrap();
            };
            for (kind, object) in objects {
                if let Some(object) = object {
                    put(&format!("{kind}.dcm"), &object.file);
                }
            }
            put("fhir.json", &fhir_bundle(&evidence).unwrap());
        }
        Self { folder }
    }

    fn ending(&self, with: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.to_string_lossy().ends_with(with));
        files.sort();
        assert!(!files.is_empty(), "{with}");
        files
    }
}

fn said(program: &Path, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(file).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn dciodvfy_finds_no_error_in_any_object() {
    let Some(dciodvfy) = tool("dciodvfy", "dicom3tools") else {
        return;
    };
    let objects = Objects::make();
    for path in objects.ending(".dcm") {
        let said = said(&dciodvfy, &[], &path);
        assert!(!said.contains("Error"), "{}:\n{said}", path.display());
    }
}

#[test]
fn dsrdump_prints_the_tree() {
    let Some(dsrdump) = tool("dsrdump", "dcmtk") else {
        return;
    };
    let objects = Objects::make();
    for path in objects.ending(".sr.dcm") {
        let tree = said(&dsrdump, &["+Pc", "+Pl", "+U8"], &path);
        assert!(
            !tree.contains("error") && !tree.contains("E: "),
            "{}:\n{tree}",
            path.display()
        );
        assert!(tree.contains("UNVERIFIED"), "{tree}");
    }
    let tree = said(
        &dsrdump,
        &["+Pc", "+Pl", "+U8"],
        &objects.folder.path().join("positive.sr.dcm"),
    );
    for wanted in [
        "AI-assisted, not a diagnosis",
        "Tracking Unique Identifier",
        "(233604007,SCT,\"Pneumonia\")",
        "(111001,DCM,\"Algorithm Name\")",
        "POLYLINE",
    ] {
        assert!(tree.contains(wanted), "{wanted} in\n{tree}");
    }
}

#[test]
fn highdicom_pydicom_and_fhir_resources_read_what_was_written() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-venv/bin/python");
    if !python.is_file() {
        assert!(
            std::env::var_os("CI").is_none(),
            "`cargo xtask test` makes target/test-venv"
        );
        eprintln!("SKIPPED: target/test-venv is missing; run `cargo xtask test`.");
        return;
    }
    let objects = Objects::make();
    let output = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/read_evidence.py"))
        .arg(objects.folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let read: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
    let positive = &read["positive"];
    // Each finding, and each place the one was seen at.
    assert_eq!(
        positive["findings"],
        json!(["rib-notching", "Pneumonia", "Pneumonia", "Pneumonia"])
    );
    assert_eq!(positive["segments"], 1, "{positive}");
    assert!(0 < positive["mask_pixels"].as_u64().unwrap(), "{positive}");
    assert_eq!(positive["graphics"], 2, "{positive}");
    assert_eq!(positive["burned_in_identity"], "NO");
    let resources = positive["fhir"].as_array().unwrap();
    for wanted in ["DiagnosticReport", "ImagingStudy", "Observation"] {
        assert!(resources.contains(&json!(wanted)), "{positive}");
    }
    // Another version of the same study is another object that names the one before.
    assert_eq!(read["again"]["predecessors"], 1);
    assert_eq!(positive["predecessors"], 0);
    // Nothing is drawn where the model said nothing.
    assert_eq!(read["silent"]["segments"], 0);
    assert_eq!(read["silent"]["findings"], json!([]));
}

#[tokio::test]
async fn orthanc_stores_every_object_and_shows_the_picture() {
    // Debian puts it where daemons lie.
    if !Path::new("/usr/sbin/Orthanc").is_file() && tool("Orthanc", "orthanc").is_none() {
        return;
    }
    let objects = Objects::make();
    let (orthanc, _) = Orthanc::start(objects.folder.path()).await.unwrap();
    let files: Vec<DicomFile> = objects
        .ending(".dcm")
        .iter()
        .map(|path| DicomFile::open(path).unwrap())
        .collect();
    let scanner = Scanner::new(&orthanc.dicom, "BAREFOOT", "BAREFOOT");
    let mut outcomes = Vec::new();
    scanner.send(&files, |outcome| outcomes.push(outcome)).await;
    for outcome in &outcomes {
        assert_eq!(outcome.status, Some(0), "{:?}", outcome.error);
    }
    let stored = get_json(orthanc.http(), "/instances").await.unwrap();
    let stored = stored.as_array().unwrap();
    // The made cases are of one study: those of one version are the same objects.
    let names: BTreeSet<&str> = files.iter().map(|file| file.sop_instance.as_str()).collect();
    assert!(names.len() <= stored.len());
    let mut shown = 0;
    for id in stored {
        let id = id.as_str().unwrap();
        let tags = get_json(orthanc.http(), &format!("/instances/{id}/simplified-tags"))
            .await
            .unwrap();
        if tags["SOPClassUID"] == SECONDARY_CAPTURE {
            let picture = get(orthanc.http(), &format!("/instances/{id}/preview"))
                .await
                .unwrap();
            assert!(picture.starts_with(b"\x89PNG"));
            shown += 1;
        }
    }
    assert!(0 < shown);
}
