//! Somebody takes the box's disk, or the hub's: no name, no number and no pixel of a patient is on it in clear, nor a word of a
//! report, and without the key nothing of it opens. With the key everything is there.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use barefoot_imaging::{data_set, header, tags, transcode};
use barefoot_test_support::daemons::{EdgeOptions, Hub};
use barefoot_test_support::http::get;
use barefoot_test_support::hub_files::hub_file;
use barefoot_test_support::scanner::DicomFile;
use ring::digest::{SHA256, digest};

use crate::kept::{files_below, opened};
use crate::nodes::{free_port, node_is};
use crate::peers::{peer, run, text};
use crate::story::{Story, chests, ct};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// Shorter ones are found anywhere by chance.
const SHORTEST: usize = 6;
const RUN: usize = 16;

/// What must not be found, by its first bytes.
struct Markers(HashMap<[u8; SHORTEST], Vec<Vec<u8>>>);

impl Markers {
    fn of(files: &[DicomFile]) -> Self {
        let mut markers = Self(HashMap::new());
        for file in files {
            let read = header::read_header(&file.path).unwrap();
            let limits = data_set::Limits {
                bytes: 1 << 30,
                ..data_set::Limits::default()
            };
            let bytes = transcode::transcode(&file.path, &read, EXPLICIT).unwrap();
            let set = data_set::read(&bytes, EXPLICIT, &limits).unwrap();
            let raw = |tag| set.view().value(tag).unwrap().to_vec();
            let patient = read.patient();
            let said = [patient.name.unwrap().value, patient.id.unwrap().value];
            for text in said.iter().flat_map(|text| text.split(['^', '='])) {
                let wide: Vec<u16> = text.encode_utf16().collect();
                markers.add(text.as_bytes().to_vec());
                markers.add(encoding_rs::GB18030.encode(text).0.into_owned());
                markers.add(wide.iter().flat_map(|unit| unit.to_le_bytes()).collect());
                markers.add(wide.iter().flat_map(|unit| unit.to_be_bytes()).collect());
            }
            markers.add(raw(tags::PATIENT_NAME));
            markers.add(raw(tags::PATIENT_ID));
            markers.add(file.study_uid.clone().unwrap().into_bytes());
            markers.add(file.sop_instance.clone().into_bytes());
            let pixels = raw(tags::PIXEL_DATA);
            let busy = pixels.chunks_exact(RUN).filter(|run| {
                let mut seen: Vec<_> = run.to_vec();
                seen.sort_unstable();
                seen.dedup();
                RUN / 2 <= seen.len()
            });
            let runs: Vec<_> = busy.step_by(13).take(200).map(<[u8]>::to_vec).collect();
            assert!(10 <= runs.len(), "the picture is too quiet: {}", runs.len());
            runs.into_iter().for_each(|run| markers.add(run));
        }
        markers
    }

    fn add(&mut self, marker: Vec<u8>) {
        if let Some(start) = marker.first_chunk() {
            self.0.entry(*start).or_default().push(marker);
        }
    }

    fn count(&self, bytes: &[u8]) -> usize {
        let windows = bytes.windows(SHORTEST).enumerate();
        windows
            .filter(|(at, start)| {
                let known = <[u8; SHORTEST]>::try_from(*start)
                    .ok()
                    .and_then(|start| self.0.get(&start));
                known.is_some_and(|known| known.iter().any(|marker| bytes[*at..].starts_with(marker)))
            })
            .count()
    }

    fn found_below(&self, folder: &Path) -> BTreeMap<PathBuf, usize> {
        let counted = files_below(folder).into_iter().map(|path| {
            // What a running daemon took away meanwhile tells nothing.
            let count = self.count(&fs::read(&path).unwrap_or_default());
            (path, count)
        });
        counted.filter(|(_, count)| *count != 0).collect()
    }
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let sum = |path: &PathBuf| digest(&SHA256, &fs::read(path).unwrap()).as_ref().to_vec();
    files_below(folder)
        .into_iter()
        .map(|path| (path.clone(), sum(&path)))
        .collect()
}

async fn by_dcmtk(story: &Story, file: &DicomFile) {
    let (host, port) = story.edge.address("dicom").unwrap().split_once(':').unwrap();
    let mut storescu = Command::new(peer("storescu", "dcmtk"));
    storescu.args(["-v", "-aet", "SIM_DR1", "-aec", "BAREFOOT", host, port]);
    let sent = run({
        storescu.arg(&file.path);
        storescu
    })
    .await;
    assert!(sent.status.success(), "{}", text(&sent));
}

async fn a_taken_disk_tells_nothing(cipher: &str) {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let options = EdgeOptions {
        more: format!(
            "[at_rest]\ncipher = \"{cipher}\"\n\
             [[deliver]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             what = [\"results\"]\nmax_backoff_s = 1\ntimeout_s = 20\n"
        ),
        ..EdgeOptions::default()
    };
    let (mut story, _images) = Story::begin_with_images(&options, "").await;
    let (mut files, slices) = (chests(&folder, 1..3), ct(&folder, 2));
    by_dcmtk(&story, &files[0]).await;
    story.line.cut();
    story.store(&files[1..]).await;
    story.store(&slices).await;
    files.extend(slices);
    story.all_assessed(3).await;
    node_is(&story, "results to wait for the archive", |node| {
        node["pending"].as_u64().is_some_and(|count| 4 <= count)
    })
    .await;
    assert_eq!(story.edge_status().await["at_rest"]["cipher"], cipher);
    let state = story.edge.state().to_owned();
    let markers = Markers::of(&files);
    let running = markers.found_below(&state);
    assert!(running.is_empty(), "while it runs: {running:?}");
    story.edge.stop().await.unwrap();

    let sent: usize = files
        .iter()
        .map(|file| markers.count(&fs::read(&file.path).unwrap()))
        .sum();
    let here = markers.found_below(opened(&state, "studies").path());
    assert!(100 < sent && sent <= here.values().sum(), "{sent}, then {here:?}");
    let found = markers.found_below(&state);
    assert!(found.is_empty(), "{found:?}");

    let (key, away) = (state.join("identity/box.key"), folder.path().join("box.key"));
    fs::rename(&key, &away).unwrap();
    let before = contents(&state);
    let ended = story.edge.run_to_end(&[], Duration::from_secs(60)).await.unwrap();
    assert!(!ended.success());
    let log = story.edge.log();
    assert!(
        log.contains("box.key is missing") && log.contains("bring it back"),
        "{log}"
    );
    assert!(before == contents(&state), "something changed");

    fs::rename(&away, &key).unwrap();
    let rotated = story.edge.ask(&["rotate-box-key"]).unwrap();
    assert!(rotated.status.success(), "{}", text(&rotated));
    story.edge.start().await.unwrap();
    story.line.restore();
    for case in story.all_receipted(3).await {
        let path = format!("/case/{}/preview.jpg", case["study"].as_str().unwrap());
        let picture = get(story.edge.address("page").unwrap(), &path).await.unwrap();
        assert!(picture.starts_with(b"\xff\xd8"), "{path}");
    }
    story.edge.stop().await.unwrap();
    let found = markers.found_below(&state);
    assert!(found.is_empty(), "{found:?}");

    assert!(!story.edge.ask(&["erase-box"]).unwrap().status.success());
    assert!(key.exists());
    let erased = story
        .edge
        .ask(&["erase-box", "--yes-destroy-everything"])
        .unwrap();
    assert!(erased.status.success(), "{}", text(&erased));
    assert_eq!(files_below(&state), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_disk_tells_no_name_and_no_pixel() {
    a_taken_disk_tells_nothing("aes-256-gcm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_disk_tells_no_name_and_no_pixel_under_sm4() {
    a_taken_disk_tells_nothing("sm4-gcm").await;
}

/// The same of a hub that runs and has images: nothing that was `said`, and no picture. It runs again at the end.
pub(crate) async fn a_hubs_disk_tells_nothing(hub: &mut Hub, said: &[&str]) {
    let state = hub.state().to_owned();
    let is_picture = |bytes: &[u8]| {
        bytes.get(128..132) == Some(b"DICM")
            || bytes.starts_with(b"\xff\xd8\xff")
            || bytes.starts_with(b"\x89PNG")
    };
    let tells = || {
        let files = files_below(&state).into_iter();
        let telling = files.filter(|path| {
            let bytes = fs::read(path).unwrap_or_default();
            let holds = |text: &&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            is_picture(&bytes) || said.iter().any(holds)
        });
        telling.collect::<Vec<_>>()
    };
    assert_eq!(tells(), Vec::<PathBuf>::new(), "while it runs");
    hub.stop().await.unwrap();
    assert_eq!(tells(), Vec::<PathBuf>::new());
    let kept = files_below(&state.join("images"));
    let opened = kept.iter().map(|path| hub_file(&state, path).unwrap());
    assert!(2 <= opened.filter(|bytes| is_picture(bytes)).count(), "{kept:?}");

    let (key, away) = (
        state.join("identity/hub.key"),
        state.with_file_name("hub-key-elsewhere"),
    );
    fs::rename(&key, &away).unwrap();
    let before = contents(&state);
    let ended = hub.run_to_end(&[], Duration::from_secs(60)).await.unwrap();
    assert!(!ended.success());
    let log = hub.log();
    assert!(
        log.contains("hub.key is missing") && log.contains("bring it back"),
        "{log}"
    );
    assert!(before == contents(&state), "something changed");
    fs::rename(&away, &key).unwrap();
    let rotated = hub.ask(&["rotate-hub-key"]).unwrap();
    assert!(rotated.status.success(), "{}", text(&rotated));
    hub.start().await.unwrap();
}
