//! Images of hard cases: whole at the hub, bit for bit, without identity, over a line that breaks and ends that die.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use barefoot_imaging::data_set::{self, Coding, Content, DataSet, Element, Limits, Vr};
use barefoot_imaging::tags::{self, Tag};
use barefoot_imaging::{deidentify, header, transcode};
use barefoot_test_support::daemons::{Edge, EdgeOptions};
use barefoot_test_support::hub_files::hub_images;
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use serde_json::Value;

use crate::story::{CLINIC, SOON, Story, chests, ct};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// What no model is sure enough of goes to an expert.
fn always_review() -> EdgeOptions {
    EdgeOptions {
        review_below: 1.0,
        ..EdgeOptions::default()
    }
}

/// Waits until the hub has the images of so many versions.
async fn all_arrived(story: &Story, versions: usize) -> Vec<Value> {
    let waited = wait_for("the images", SOON, async || {
        let results = story.results().await;
        let here = |result: &&Value| result["images"]["instances"].is_u64();
        let arrived: Vec<Value> = results.iter().filter(here).cloned().collect();
        if arrived.len() == versions {
            Ok(arrived)
        } else {
            Err(format!("{} of {versions}", arrived.len()))
        }
    });
    waited
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", story.logs()))
}

/// Everything below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The DICOM objects the hub keeps.
fn objects(story: &Story) -> Vec<PathBuf> {
    objects_of(story, CLINIC)
}

fn objects_of(story: &Story, clinic: &str) -> Vec<PathBuf> {
    hub_images(story.hub.state(), clinic).unwrap()
}

/// The native pixels of an object, whatever it is compressed by.
fn pixels(path: &Path) -> Vec<u8> {
    let read = header::read_header(path).unwrap();
    let bytes = transcode::transcode(path, &read, EXPLICIT).unwrap();
    let limits = Limits {
        bytes: 1 << 30,
        ..Limits::default()
    };
    let set = data_set::read(&bytes, EXPLICIT, &limits).unwrap();
    set.view().value(tags::PIXEL_DATA).unwrap().to_vec()
}

fn all_pixels<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> BTreeSet<Vec<u8>> {
    paths.into_iter().map(|path| pixels(path)).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Nothing the hub keeps, and nothing either end logs or shows, says any of these.
async fn nowhere_outside(story: &Story, wanted: &[&[u8]]) {
    let mut said: Vec<(String, Vec<u8>)> = files(story.hub.state())
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap_or_default()))
        .collect();
    said.push(("the hub's log".to_owned(), story.hub.log().into_bytes()));
    said.push(("the edge's log".to_owned(), story.edge.log().into_bytes()));
    let results = serde_json::to_vec(&story.results().await).unwrap();
    said.push(("the results".to_owned(), results));
    for (place, bytes) in said {
        for text in wanted {
            assert!(
                !contains(&bytes, text),
                "{place} says {}",
                String::from_utf8_lossy(text)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_image_is_there_bit_for_bit_and_says_nobodys_name() {
    let (story, line) = Story::begin_with_images(&always_review(), "").await;
    let folder = tempfile::tempdir().unwrap();
    let chests = chests(&folder, 1..3);
    let ct = ct(&folder, 4);
    story.store(&chests).await;
    story.store(&ct).await;
    let results = all_arrived(&story, 3).await;
    for result in &results {
        assert_eq!(result["images"]["instances"], result["instances"]);
        assert_eq!(result["images"]["quick_look"], true);
        assert_eq!(result["images"]["withheld"], 0);
    }
    let sent: Vec<PathBuf> = chests.iter().chain(&ct).map(|file| file.path.clone()).collect();
    let kept = objects(&story);
    assert_eq!(kept.len(), sent.len());
    assert!(all_pixels(&sent) == all_pixels(&kept), "the pixels differ");
    let mut patients = BTreeSet::new();
    for path in &kept {
        let checked = deidentify::check(&fs::read(path).unwrap()).unwrap();
        assert!(
            results
                .iter()
                .any(|result| result["case_id"] == checked.study_uid.as_str())
        );
        let patient = header::read_header(path).unwrap().patient();
        patients.insert(patient.id.unwrap().value);
    }
    assert_eq!(patients.len(), 3, "a patient, a pseudonym");

    let mut names: Vec<Vec<u8>> = Vec::new();
    for path in &sent {
        let read = header::read_header(path).unwrap();
        names.push(read.patient().name.unwrap().value.into_bytes());
        names.push(read.patient().id.unwrap().value.into_bytes());
        names.push(read.study_uid().as_str().as_bytes().to_vec());
        names.push(read.sop_instance_uid().as_bytes().to_vec());
    }
    names.push("模拟".as_bytes().to_vec());
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    nowhere_outside(&story, &names).await;

    // Fewer bytes on the line than in the files, small pictures and all.
    let original: u64 = sent.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    println!("{} bytes on the line for {original} of files", line.carried().up);
    assert!(line.carried().up < original);

    // The clinic finds its way back.
    let case = &story.case_of(&chests[0]).await.unwrap()["case_id"];
    assert!(results.iter().any(|result| result["case_id"] == *case));
    // The page shows the key image.
    let address = format!("/quick-look/{CLINIC}/{}/1", case.as_str().unwrap());
    let url = format!("http://{}{address}", story.hub.address("page").unwrap());
    let picture = tokio::task::spawn_blocking(move || {
        let mut answer = ureq::get(&url).call().unwrap();
        answer.body_mut().read_to_vec().unwrap()
    });
    assert!(picture.await.unwrap().starts_with(&[0xFF, 0xD8]));
    // Nothing that was made ready stays behind.
    let left: Vec<PathBuf> = files(&story.edge.state().join("images"));
    assert!(left.iter().all(|path| path.ends_with("sent.log")), "{left:?}");
}

/// The markers of one study under test: text in many elements, private groups, nested items, an overlay, pixels.
const MARKER: &str = "ZQXMARKER";

fn marked(plain: &[u8], number: u32, change: impl FnOnce(&mut DataSet)) -> Vec<u8> {
    let mut set = data_set::read(plain, EXPLICIT, &Limits::default()).unwrap();
    for tag in [
        Tag(0x0008, 0x0050),
        Tag(0x0008, 0x0080),
        Tag(0x0008, 0x0081),
        Tag(0x0008, 0x0090),
        Tag(0x0008, 0x1010),
        Tag(0x0008, 0x1030),
        Tag(0x0008, 0x103E),
        Tag(0x0008, 0x1050),
        Tag(0x0008, 0x1070),
        Tag(0x0008, 0x2111),
        Tag(0x0010, 0x1001),
        Tag(0x0010, 0x1040),
        Tag(0x0010, 0x2154),
        Tag(0x0010, 0x4000),
        Tag(0x0018, 0x1000),
        Tag(0x0018, 0x1030),
        Tag(0x0020, 0x4000),
        Tag(0x0032, 0x1060),
        Tag(0x0038, 0x0300),
        Tag(0x0040, 0x0254),
        Tag(0x0040, 0x1400),
        Tag(0x4008, 0x010B),
    ] {
        set.put_text(tag, MARKER, Coding::Utf8);
    }
    set.put_text(tags::PATIENT_NAME, &format!("{MARKER}^{number}"), Coding::Utf8);
    set.put_text(tags::PATIENT_ID, &format!("{MARKER}-{number}"), Coding::Utf8);
    let bytes = |vr| Element {
        vr,
        content: Content::Value(MARKER.repeat(8).into_bytes()),
    };
    set.put(Tag(0x0009, 0x0010), bytes(Vr::LO));
    set.put(Tag(0x0009, 0x1001), bytes(Vr::UN));
    set.put(Tag(0x6000, 0x3000), bytes(Vr::OW));
    set.put(Tag(0x5000, 0x3000), bytes(Vr::OW));
    let mut item = DataSet::default();
    item.put_text(tags::STEP_DESCRIPTION, MARKER, Coding::Utf8);
    let mut deep = DataSet::default();
    deep.put_text(tags::CODE_MEANING, MARKER, Coding::Utf8);
    item.put_items(tags::STEP_PROTOCOL_CODES, vec![deep]);
    set.put_items(tags::REQUEST_ATTRIBUTES, vec![item]);
    change(&mut set);
    data_set::write(&set, EXPLICIT).unwrap()
}

/// A whole file from a data set in explicit little endian.
fn save(folder: &Path, name: &str, set: &[u8]) -> DicomFile {
    let read = data_set::read(set, EXPLICIT, &Limits::default()).unwrap();
    let said = |tag| read.view().string(tag).unwrap();
    let mut meta = DataSet::default();
    meta.put_code(tags::META_SOP_CLASS, &said(tags::SOP_CLASS));
    meta.put_code(tags::META_SOP_INSTANCE, &said(tags::SOP_INSTANCE));
    meta.put_code(tags::META_TRANSFER_SYNTAX, EXPLICIT);
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(data_set::write(&meta, EXPLICIT).unwrap());
    file.extend(set);
    let path = folder.join(name);
    fs::write(&path, file).unwrap();
    DicomFile::open(&path).unwrap()
}

fn long(value: u32) -> Element {
    Element {
        vr: Vr::UL,
        content: Content::Value(value.to_le_bytes().to_vec()),
    }
}

/// A screen with a line of text at its top.
fn screen(set: &mut DataSet, class: &str, modality: &str, uid: &str, regions: bool) {
    set.put_code(tags::SOP_CLASS, class);
    set.put_code(tags::MODALITY, modality);
    set.put_code(tags::STUDY_UID, uid);
    set.put_code(tags::SOP_INSTANCE, &format!("{uid}.1"));
    set.put_code(tags::PHOTOMETRIC, "MONOCHROME2");
    for (tag, value) in [
        (tags::ROWS, 128),
        (tags::COLUMNS, 128),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        set.put_u16(tag, value);
    }
    let mut content: Vec<u8> = (0..128 * 128u32).map(|at| (at / 128) as u8).collect();
    for (to, from) in content.iter_mut().take(128 * 8).zip(MARKER.bytes().cycle()) {
        *to = from;
    }
    let vr = Vr::OB;
    set.put(
        tags::PIXEL_DATA,
        Element {
            vr,
            content: Content::Value(content),
        },
    );
    if regions {
        let mut region = DataSet::default();
        region.put(tags::REGION_X0, long(0));
        region.put(tags::REGION_Y0, long(16));
        region.put(tags::REGION_X1, long(127));
        region.put(tags::REGION_Y1, long(127));
        set.put_items(tags::US_REGIONS, vec![region]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_in_every_corner_of_an_image_stay_in_the_clinic() {
    let (story, _line) = Story::begin_with_images(&always_review(), "").await;
    let folder = tempfile::tempdir().unwrap();
    let plain = barefoot_test_support::phantom::CtSlice {
        seed: 77,
        number: 1,
        charset: Default::default(),
    };
    let plain = plain.instance().data_set().unwrap();
    let us = "1.2.840.10008.5.1.4.1.1.6.1";
    let sc = "1.2.840.10008.5.1.4.1.1.7";
    let files = [
        save(folder.path(), "ct.dcm", &marked(&plain, 1, |_| {})),
        save(
            folder.path(),
            "us.dcm",
            &marked(&plain, 2, |set| screen(set, us, "US", "1.2.99.2", true)),
        ),
        save(
            folder.path(),
            "sc.dcm",
            &marked(&plain, 3, |set| screen(set, sc, "OT", "1.2.99.3", false)),
        ),
    ];
    story.store(&files).await;
    let results = all_arrived(&story, 3).await;
    let of = |modality: &str| {
        let found = results.iter().find(|result| result["modality"] == modality);
        found.unwrap()["images"].clone()
    };
    assert_eq!(
        (&of("CT")["instances"], &of("US")["instances"]),
        (&1.into(), &1.into())
    );
    // Nothing says where the secondary capture's text is: it stays, and the hub knows that there is one.
    assert_eq!(
        (&of("OT")["instances"], &of("OT")["withheld"]),
        (&0.into(), &1.into())
    );
    nowhere_outside(&story, &[MARKER.as_bytes()]).await;
    for path in objects(&story) {
        assert!(!contains(&pixels(&path), MARKER.as_bytes()));
        assert!(!contains(&fs::read(&path).unwrap(), MARKER.as_bytes()));
    }
}

/// What the clinic's own command says of a name at the hub; none when it knows nothing of it.
fn identify(edge: &Edge, name: &str) -> Option<String> {
    let output = edge.ask(&["identify", name]).unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

/// One patient goes to two clinics, to one of them twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_patient_has_one_name_per_clinic_and_only_that_clinic_knows_whose() {
    let (story, line) = Story::begin_with_images(&always_review(), "").await;
    let images = format!("\n[images]\nhub = \"{}\"\nmax_backoff_s = 1\n", line.address);
    let options = EdgeOptions {
        more: images,
        ..always_review()
    };
    let mqtt = story.line.address.to_string();
    let mut other = story.region.edge("clinic-8", &mqtt, &options).unwrap();
    other.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let of_patient = |seed: u64| {
        let chest = Chest::varied(seed, Size::Small, Default::default());
        let mut set = data_set::read(
            &chest.instance().data_set().unwrap(),
            EXPLICIT,
            &Limits::default(),
        )
        .unwrap();
        set.put_text(tags::PATIENT_NAME, "王^小东", Coding::Utf8);
        set.put_text(tags::PATIENT_ID, "ZQX-0042", Coding::Utf8);
        let set = data_set::write(&set, EXPLICIT).unwrap();
        save(folder.path(), &format!("{seed}.dcm"), &set)
    };
    let [first, second, third] = [1, 2, 3].map(of_patient);
    story.store(&[first.clone(), second]).await;
    let scanner = Scanner::new(other.address("dicom").unwrap(), "BAREFOOT", "SIM_DR1");
    let mut outcomes = Vec::new();
    scanner
        .send(&[third], |outcome| outcomes.push(outcome.status))
        .await;
    assert_eq!(outcomes, [Some(0)]);
    all_arrived(&story, 3).await;

    let names = |clinic: &str| -> BTreeSet<String> {
        let objects = objects_of(&story, clinic);
        let patients = objects
            .iter()
            .map(|path| header::read_header(path).unwrap().patient());
        patients.map(|patient| patient.id.unwrap().value).collect()
    };
    let (here, there) = (names(CLINIC), names("clinic-8"));
    assert_eq!(
        (here.len(), there.len()),
        (1, 1),
        "one patient, one name in a clinic"
    );
    assert!(here.is_disjoint(&there), "another clinic's name is another");
    let [here, there] = [here, there].map(|names| names.into_iter().next().unwrap());
    let known = identify(&story.edge, &here).unwrap();
    assert_eq!(known.lines().count(), 2, "both studies: {known}");
    assert!(
        known.contains("ZQX-0042") && known.contains(first.study_uid.as_deref().unwrap()),
        "{known}"
    );
    assert!(identify(&other, &there).unwrap().contains("ZQX-0042"));
    assert_eq!(
        (identify(&story.edge, &there), identify(&other, &here)),
        (None, None)
    );
    nowhere_outside(&story, &[b"ZQX-0042", "小东".as_bytes()]).await;
}

/// The line is cut and both ends are killed while a study goes up: it arrives once, whole, and what was sent is not sent
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_where_it_was_cut() {
    let (mut story, line) = Story::begin_with_images(&always_review(), "max_kbit_s = 6000\n").await;
    let folder = tempfile::tempdir().unwrap();
    let ct = ct(&folder, 12);
    story.store(&ct).await;
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut faults = 0;
    let mut goal = 300_000;
    let waited = std::time::Instant::now();
    loop {
        let images = story
            .results()
            .await
            .first()
            .map(|result| result["images"].clone());
        if images.is_some_and(|images| images["instances"].is_u64()) {
            break;
        }
        assert!(waited.elapsed() < 2 * SOON, "it never arrives\n{}", story.logs());
        if line.carried().up < goal {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        goal = line.carried().up + 150_000 + random % 300_000;
        faults += 1;
        match faults % 3 {
            0 => {
                line.cut();
                line.restore();
            }
            1 => {
                story.edge.kill9();
                story.edge.start().await.unwrap();
            }
            _ => {
                story.hub.kill9();
                line.cut();
                story.line.cut();
                story.hub.start().await.unwrap();
                line.lead_to(story.hub.address("images").unwrap());
                story.line.lead_to(story.hub.address("mqtt").unwrap());
                line.restore();
                story.line.restore();
            }
        }
    }
    let results = all_arrived(&story, 1).await;
    assert_eq!(results[0]["images"]["instances"], 12);
    let kept = objects(&story);
    let sent: Vec<PathBuf> = ct.iter().map(|file| file.path.clone()).collect();
    assert_eq!(kept.len(), 12, "each image once");
    assert!(all_pixels(&sent) == all_pixels(&kept), "the pixels differ");
    let stored: u64 = kept.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let carried = line.carried().up;
    println!("{faults} faults; {carried} bytes on the line for {stored} stored");
    assert!(3 <= faults, "it went too fast to be cut");
    // A cut costs what was on its way: what the proxy and the sockets held, never the study.
    assert!(
        carried < stored + stored / 2 + faults * 600_000,
        "{carried} for {stored}"
    );
    assert_eq!(story.edge_status().await["queue"]["pending"], 0);
}
