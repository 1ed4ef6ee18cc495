//! The simulator against tools we did not write: what it makes must be DICOM to others, or tests built on it prove
//! nothing. A missing tool is said aloud; `cargo xtask test` installs all of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose assumption breaks must stop"
)]

mod audit_messages;
mod evidence;
#[path = "../../shared/imaging/examples/patient/made_up.rs"]
mod made_up;
mod releases;
mod reports;
mod sbom;

#[path = "../bench/orthanc.rs"]
#[allow(dead_code, reason = "benchmarks use the rest")]
mod orthanc;
#[path = "../bench/process.rs"]
#[allow(dead_code, reason = "benchmarks use the rest")]
mod process;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use barefoot_test_support::phantom::{Chest, CtSlice, Size};
use barefoot_test_support::scanner::{Associations, DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use barefoot_test_support::wrap::Wrapping;
use barefoot_test_support::{Charset, Instance, Radiograph};

/// `None`, said aloud, when the tool is not on this machine.
fn tool(name: &str, package: &str) -> Option<PathBuf> {
    let found = ["/usr/bin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(name))
        .into_iter()
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{name} must be there in CI: `cargo xtask test` installs {package}"
        );
        eprintln!("SKIPPED: {name} is missing; install the package {package} or run `cargo xtask test`.");
    }
    found
}

/// One of everything the simulator can make.
fn instances() -> Vec<(String, Instance)> {
    let mut all = Vec::new();
    for kind in [Radiograph::Dx, Radiograph::Cr] {
        for seed in 1..=4 {
            let chest = Chest::varied(seed, Size::Small, kind);
            all.push((format!("{kind:?} chest {seed}"), chest.instance()));
        }
        for charset in [Charset::Utf8, Charset::Gb18030] {
            let wrapping = Wrapping {
                kind,
                charset,
                random_uids: true,
            };
            for (name, picture) in pictures() {
                let instance = wrapping.wrap(&picture).unwrap();
                all.push((format!("{kind:?} {name} {charset:?}"), instance));
            }
        }
    }
    let slice = CtSlice {
        seed: 1,
        number: 2,
        charset: Charset::Gb18030,
    };
    all.push(("CT slice".into(), slice.instance()));
    all
}

/// Odd sizes on purpose: values of odd length must be padded.
fn pictures() -> Vec<(&'static str, Vec<u8>)> {
    use image::{DynamicImage, ImageFormat};
    let encode = |picture: DynamicImage, format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    vec![
        (
            "grey PNG",
            encode(DynamicImage::new_luma8(33, 45), ImageFormat::Png),
        ),
        (
            "16-bit PNG",
            encode(DynamicImage::new_luma16(33, 45), ImageFormat::Png),
        ),
        (
            "colour PNG",
            encode(DynamicImage::new_rgb8(33, 45), ImageFormat::Png),
        ),
        ("JPEG", encode(DynamicImage::new_luma8(33, 45), ImageFormat::Jpeg)),
    ]
}

#[test]
fn every_instance_is_valid_to_dciodvfy() {
    let Some(dciodvfy) = tool("dciodvfy", "dicom3tools") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dcm");
    for (name, instance) in instances() {
        instance.save(&path).unwrap();
        let output = Command::new(&dciodvfy).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("Error"), "{name}:\n{said}");
    }
}

/// dcmtk's receiver, storing exactly the bytes that came.
struct Storescp(Child);

impl Drop for Storescp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn storescp(program: &Path, folder: &Path, more: &[&str]) -> (Storescp, Scanner) {
    // storescp cannot tell which port it took, so it gets one that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Command::new(program)
        .args(["+B", "+xa", "-aet", "BAREFOOT", "-od"])
        .arg(folder)
        .args(more)
        .arg(port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Storescp(child);
    let address = format!("127.0.0.1:{port}");
    wait_for("storescp to open its port", Duration::from_secs(20), async || {
        tokio::net::TcpStream::connect(&address).await.map(drop)
    })
    .await
    .unwrap();
    (running, Scanner::new(address, "BAREFOOT", "SIM_DR1"))
}

fn data_set_of(path: &Path) -> Vec<u8> {
    let file = DicomFile::open(path).unwrap();
    std::fs::read(path)
        .unwrap()
        .split_off(usize::try_from(file.data_set_at).unwrap())
}

#[tokio::test]
async fn dcmtk_receives_every_byte_of_every_data_set() {
    let Some(program) = tool("storescp", "dcmtk") else {
        return;
    };
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut files = Vec::new();
    for (number, (_, instance)) in instances().iter().enumerate() {
        let path = here.path().join(format!("{number}.dcm"));
        instance.save(&path).unwrap();
        files.push(DicomFile::open(&path).unwrap());
    }
    // A small PDU forces many pieces, an unlimited one few.
    for more in [["-pdu", "4096"], ["-pdu", "131072"]] {
        for associations in [
            Associations::PerStudy,
            Associations::PerImage,
            Associations::Shared,
        ] {
            let (_running, mut scanner) = storescp(&program, there.path(), &more).await;
            scanner.associations = associations;
            scanner.echo().await.unwrap();
            let mut errors = Vec::new();
            scanner.send(&files, |outcome| errors.extend(outcome.error)).await;
            assert!(errors.is_empty(), "{errors:?}");
        }
    }
    let mut received = std::collections::HashMap::new();
    for entry in std::fs::read_dir(there.path()).unwrap() {
        let path = entry.unwrap().path();
        received.insert(DicomFile::open(&path).unwrap().sop_instance, path);
    }
    assert_eq!(received.len(), files.len());
    for file in &files {
        assert!(
            data_set_of(&received[&file.sop_instance]) == data_set_of(&file.path),
            "{file:?}"
        );
    }
}

#[tokio::test]
async fn refusals_are_told_in_the_standards_words() {
    let Some(program) = tool("storescp", "dcmtk") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (_running, scanner) = storescp(&program, folder.path(), &["--refuse"]).await;
    let error = scanner.echo().await.unwrap_err().to_string();
    assert!(
        error.contains("rejected") && error.contains("no reason given"),
        "{error}"
    );

    // A receiver that has gone away.
    let gone = Scanner::new("127.0.0.1:1", "BAREFOOT", "SIM_DR1");
    let path = folder.path().join("a.dcm");
    Chest::varied(1, Size::Small, Radiograph::Dx)
        .instance()
        .save(&path)
        .unwrap();
    let mut outcomes = Vec::new();
    gone.send(&[DicomFile::open(&path).unwrap()], |outcome| {
        outcomes.push(outcome)
    })
    .await;
    assert_eq!(outcomes.len(), 1);
    let error = outcomes[0].error.as_ref().unwrap();
    assert!(error.contains("no connection to 127.0.0.1:1"), "{error}");
}
