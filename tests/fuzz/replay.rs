//! Every check a fuzz target makes, run over its committed seeds and over what little changes make of them: with any
//! Rust, in every test run. A target finds new inputs; an input that once broke something becomes a seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose assumption breaks must stop"
)]

#[path = "checks/deidentify.rs"]
mod deidentify;
#[path = "checks/dicom_command.rs"]
mod dicom_command;
#[path = "checks/dicom_data_set.rs"]
mod dicom_data_set;
#[path = "checks/dicom_header.rs"]
mod dicom_header;
#[path = "checks/dicom_pdu.rs"]
mod dicom_pdu;
#[path = "checks/dicom_text.rs"]
mod dicom_text;
#[path = "checks/dicomweb_body.rs"]
mod dicomweb_body;
#[path = "checks/dicomweb_query.rs"]
mod dicomweb_query;
#[path = "checks/hl7_order.rs"]
mod hl7_order;
#[path = "checks/images.rs"]
mod images;
#[path = "checks/jpeg.rs"]
mod jpeg;
#[path = "checks/jpeg_ls.rs"]
mod jpeg_ls;
#[path = "checks/medium.rs"]
mod medium;
#[path = "checks/model_bundle.rs"]
mod model_bundle;
#[path = "checks/queue_segment.rs"]
mod queue_segment;
#[path = "checks/release.rs"]
mod release;
#[path = "checks/sealed_file.rs"]
mod sealed_file;
#[path = "checks/set_up_stick.rs"]
mod set_up_stick;
#[path = "checks/sign_in_provider.rs"]
mod sign_in_provider;
#[path = "checks/site_files.rs"]
mod site_files;
#[path = "checks/update.rs"]
mod update;
#[path = "checks/wire.rs"]
mod wire;

use std::fs;
use std::path::Path;

/// Changed copies of each seed.
const CHANGES: u64 = 300;

/// The seed cut off, with bits flipped, with lengths made wild, with a piece doubled: the same on every machine.
fn changed(seed: &[u8], number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = |limit: usize| {
        state = state
            .wrapping_mul(0x5851_F42D_4C95_7F2D)
            .wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from(state >> 33).unwrap() % limit.max(1)
    };
    let mut bytes = seed.to_vec();
    match number % 4 {
        0 => bytes.truncate(below(seed.len() + 1)),
        1 => {
            for _ in 0..=below(4) {
                let at = below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << below(8);
                }
            }
        }
        2 => {
            let at = below(bytes.len());
            for byte in bytes.iter_mut().skip(at).take(4) {
                *byte = [0x00, 0x7F, 0xFF, 0xFE][below(4)];
            }
        }
        _ => {
            let from = below(bytes.len());
            let piece: Vec<u8> = bytes.iter().skip(from).take(below(64)).copied().collect();
            let at = below(bytes.len() + 1);
            bytes.splice(at..at, piece);
        }
    }
    bytes
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let seed = fs::read(entry.unwrap().path()).unwrap();
        check(&seed);
        for number in 0..CHANGES {
            check(&changed(&seed, number));
        }
        seeds += 1;
    }
    assert_ne!(seeds, 0, "{} has no seeds", folder.display());
}

#[test]
fn every_target_has_its_replay() {
    let targets = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets")).unwrap();
    for target in targets {
        let name = target
            .unwrap()
            .path()
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let own = include_str!("replay.rs");
        assert!(
            own.contains(&format!("replay(\"{name}\"")),
            "{name} is never replayed"
        );
    }
}

#[test]
fn data_sets_on_their_way_out() {
    replay("deidentify", deidentify::check);
}

#[test]
fn messages_about_images() {
    replay("images", images::check);
}

#[test]
fn dicom_command_sets() {
    replay("dicom_command", dicom_command::check);
}

#[test]
fn dicom_conversations() {
    replay("dicom_pdu", dicom_pdu::check);
}

#[test]
fn dicom_data_sets() {
    replay("dicom_data_set", dicom_data_set::check);
}

#[test]
fn jpeg_streams() {
    replay("jpeg", jpeg::check);
}

#[test]
fn jpeg_ls_streams() {
    replay("jpeg_ls", jpeg_ls::check);
}

#[test]
fn dicom_headers() {
    replay("dicom_header", dicom_header::check);
}

#[test]
fn dicom_texts() {
    replay("dicom_text", dicom_text::check);
}

#[test]
fn hl7_orders() {
    replay("hl7_order", hl7_order::check);
}

#[test]
fn segments_of_the_queue() {
    replay("queue_segment", queue_segment::check);
}

#[test]
fn release_metadata() {
    replay("release", release::check);
}

#[test]
fn sealed_files() {
    replay("sealed_file", sealed_file::check);
}

#[test]
fn updates() {
    replay("update", update::check);
}

#[test]
fn wire_messages() {
    replay("wire", wire::check);
}

#[test]
fn bodies_to_dicomweb() {
    replay("dicomweb_body", dicomweb_body::check);
}

#[test]
fn queries_of_dicomweb() {
    replay("dicomweb_query", dicomweb_query::check);
}

#[test]
fn media_of_others() {
    replay("medium", medium::check);
}

#[test]
fn files_of_model_bundles() {
    replay("model_bundle", model_bundle::check);
}

#[test]
fn sticks_that_set_a_box_up() {
    replay("set_up_stick", set_up_stick::check);
}

#[test]
fn policies_and_site_files() {
    replay("site_files", site_files::check);
}

#[test]
fn answers_of_a_sign_in_provider() {
    replay("sign_in_provider", sign_in_provider::check);
}
