//! Other projects' files on their way out, where the machine has them.

use std::collections::BTreeMap;
use std::path::Path;

use barefoot_imaging::deidentify::{Pixels, Policy, Pseudonyms, check, deidentify};
use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::load_gray;

struct Names;

impl Pseudonyms for Names {
    fn uid(&self, uid: &str) -> String {
        let sum = uid.bytes().fold(7u64, |sum, byte| {
            sum.wrapping_mul(1_099_511_628_211) ^ u64::from(byte)
        });
        format!("2.25.{sum}")
    }

    fn patient(&self, identity: &str) -> String {
        format!("P{:032X}", identity.len())
    }

    fn days(&self, _: &str) -> i64 {
        -400
    }
}

fn contains(bytes: &[u8], wanted: &str) -> bool {
    bytes
        .windows(wanted.len())
        .any(|window| window == wanted.as_bytes())
}

#[test]
fn other_projects_images_leave_whole_and_without_names_or_stay() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/dicom-core");
    let Ok(manifest) = std::fs::read_to_string(root.join("manifest.tsv")) else {
        println!("no corpus beside the workspace: skipped");
        return;
    };
    let policy = Policy::care();
    let mut withheld: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut sent, mut same, mut before, mut after) = (0, 0, 0, 0);
    let folder = tempfile::tempdir().unwrap();
    for line in manifest.lines().skip(1) {
        let name = line.split('\t').next().unwrap();
        let path = root.join(name);
        let Ok(header) = read_header(&path) else { continue };
        let out = match deidentify(&path, &header, &Names, &policy) {
            Ok(out) => out,
            Err(reason) => {
                *withheld.entry(reason.code()).or_default() += 1;
                continue;
            }
        };
        sent += 1;
        before += std::fs::metadata(&path).unwrap().len();
        after += out.file.len() as u64;
        check(&out.file).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let patient = header.patient();
        for text in [patient.name, patient.id].into_iter().flatten() {
            // A name of a letter or two is found in any picture.
            if 4 < text.value.len() {
                assert!(!contains(&out.file, &text.value), "{name} still says who it is");
            }
        }
        assert!(!contains(&out.file, header.sop_instance_uid()), "{name}");
        let copy = folder.path().join("out.dcm");
        std::fs::write(&copy, &out.file).unwrap();
        let turned = read_header(&copy).unwrap();
        if out.pixels != Pixels::NotAtRisk {
            continue;
        }
        let (Ok(one), Ok(other)) = (load_gray(&path, &header), load_gray(&copy, &turned)) else {
            continue;
        };
        assert!(one.data == other.data, "{name} looks different");
        same += 1;
    }
    println!("{sent} sent, {before} bytes become {after}, {same} look the same; stay: {withheld:?}");
    assert!(60 < sent && 50 < same);
}
