use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use barefoot_imaging::data_set::{self, Coding, Content, DataSet, Element, Vr};
use barefoot_imaging::deidentify;
use barefoot_imaging::tags::{self, Tag};
use barefoot_trust::{Authority, TlsIdentity, TlsPaths};
use barefoot_wire::images::{ObjectRef, decode_image_set, decode_quick_look, encode_result_of_images};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::time::Instant;

use super::client::Connection;
use super::job::Progress;
use crate::heat_layer::HeatLayer;
use barefoot_domain::Urgency;

use super::*;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const STUDY: &str = "1.2.3";
const MARKER: &str = "ZQXMARKER";

/// What a hub hears and has, and how much it takes before it hangs up.
#[derive(Default)]
struct Heard {
    /// Every byte that was written to the connection.
    plain: Vec<u8>,
    objects: HashMap<String, Vec<u8>>,
    pictures: usize,
    heat_maps: Vec<HeatMapPicture>,
    /// As a hub that was made before there were heat maps.
    takes_no_heat_maps: bool,
    committed: Option<ImageSet>,
    hangs_up_after: Option<usize>,
    calls: usize,
}

use barefoot_wire::images::{HeatMapPicture, ImageSet};

/// A hub of a few lines, on what would be inside TLS.
async fn hub(stream: DuplexStream, heard: Arc<Mutex<Heard>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            heard.lock().unwrap().plain.extend(line.as_bytes());
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        heard.lock().unwrap().calls += 1;
        let field = |name: &str| {
            let line = head
                .lines()
                .find(|line| line.to_ascii_lowercase().starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let length: usize = field("content-length").map_or(0, |text| text.parse().unwrap());
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let name = path.strip_prefix("/v1/objects/").map(str::to_owned);
        let mut body = Vec::new();
        while body.len() < length {
            let mut piece = vec![0; 4096.min(length - body.len())];
            let Ok(count @ 1..) = stream.read(&mut piece).await else {
                return;
            };
            let mut heard = heard.lock().unwrap();
            heard.plain.extend(&piece[..count]);
            body.extend(&piece[..count]);
            if let Some(name) = &name {
                heard
                    .objects
                    .entry(name.clone())
                    .or_default()
                    .extend(&piece[..count]);
            }
            let so_far: usize = heard.objects.values().map(Vec::len).sum();
            if heard.hangs_up_after.is_some_and(|most| most <= so_far) {
                heard.hangs_up_after = None;
                return;
            }
        }
        let answer = answer(&heard, &method, &path, name, field("content-range"), &body);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn answer(
    heard: &Mutex<Heard>,
    method: &str,
    path: &str,
    name: Option<String>,
    range: Option<String>,
    body: &[u8],
) -> Vec<u8> {
    let mut heard = heard.lock().unwrap();
    if let Some(name) = name {
        let held = heard.objects.get(&name).map_or(&[][..], Vec::as_slice);
        let whole = prepare::sha256_of(held) == name;
        let (status, length) = (if method == "HEAD" { 204 } else { 202 }, held.len());
        if let Some(range) = range {
            let range: barefoot_wire::images::ContentRange = range.parse().unwrap();
            assert!(range.end <= length as u64, "{range}: what was sent was appended");
        }
        let complete = if whole { "?1" } else { "?0" };
        let empty = if method == "HEAD" {
            ""
        } else {
            "content-length: 0\r\n"
        };
        return format!(
            "HTTP/1.1 {status} OK\r\nupload-offset: {length}\r\nupload-complete: {complete}\r\n{empty}\r\n"
        )
        .into_bytes();
    }
    let mut result = ImageSetResult {
        committed_at_ms: 1,
        ..ImageSetResult::default()
    };
    if path.ends_with("quick-look") {
        let look = decode_quick_look(body).unwrap();
        heard.pictures = look.pictures.len();
        if !heard.takes_no_heat_maps {
            let objects = look.heat_maps.iter().map(|map| map.object);
            let lacks = |object: &ObjectRef| !heard.objects.contains_key(&object.id.to_string());
            result.missing = objects.filter(lacks).collect();
            if result.missing.is_empty() {
                heard.heat_maps = look.heat_maps;
            }
        }
    } else {
        let set = decode_image_set(body).unwrap();
        let named =
            |one: &barefoot_wire::images::Instance| (one.sop_class_uid.clone(), one.sop_instance_uid.clone());
        result.referenced = set.instances.iter().map(named).collect();
        heard.committed = Some(set);
    }
    let body = encode_result_of_images(&result);
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(body);
    answer
}

/// A picture whose every text says the marker, of noise that does not compress.
fn image(number: u32) -> Vec<u8> {
    let mut set = DataSet::default();
    set.put_code(tags::SOP_CLASS, "1.2.840.10008.5.1.4.1.1.1.1");
    set.put_code(tags::SOP_INSTANCE, &format!("1.2.3.4.{number}"));
    set.put_code(tags::STUDY_UID, STUDY);
    set.put_code(tags::SERIES_UID, "1.2.3.5");
    set.put_code(tags::MODALITY, "DX");
    set.put_code(tags::PHOTOMETRIC, "MONOCHROME2");
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, 256),
        (tags::COLUMNS, 256),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        set.put_u16(tag, value);
    }
    for tag in [
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
        tags::STUDY_DESCRIPTION,
        tags::INSTITUTION,
    ] {
        set.put_text(tag, MARKER, Coding::Utf8);
    }
    let secret = Content::Value(MARKER.repeat(4).into_bytes());
    set.put(
        Tag(0x0011, 0x1001),
        Element {
            vr: Vr::UN,
            content: secret,
        },
    );
    let noise = (0..256 * 256u32)
        .map(|at| ((at + number).wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let content = Content::Value(noise);
    set.put(tags::PIXEL_DATA, Element { vr: Vr::OB, content });
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
    file.extend(data_set::write(&set, EXPLICIT).unwrap());
    file
}

struct Site {
    dir: tempfile::TempDir,
    state: StateDirectory,
    queue: Queue,
    status: Status,
    tls: TlsPaths,
    policy: PolicyHandle,
}

fn study() -> StudyKey {
    StudyKey::of(&StudyUid::new(STUDY).unwrap())
}

impl Site {
    fn new(images: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(&dir.path().join("state")).unwrap();
        let now = time::OffsetDateTime::now_utc();
        let authority = Authority::create(dir.path(), "Test region", now).unwrap();
        let clinic = barefoot_domain::ClinicId::new("c1").unwrap();
        let issued = authority
            .issue_clinic(&clinic, now, time::Duration::days(1))
            .unwrap();
        issued.save(dir.path(), "c1").unwrap();
        let tls = TlsPaths {
            authority: dir.path().join("authority.crt"),
            certificate: dir.path().join("c1.crt"),
            key: dir.path().join("c1.key"),
        };
        TlsIdentity::load(&tls).unwrap();
        let queue = Queue::open(&state.queue(), barefoot_queue::Config::default()).unwrap();
        let policy = PolicyHandle::open(state.root());
        let site = Self {
            status: Status::new(queue.clone()),
            queue,
            state,
            dir,
            tls,
            policy,
        };
        site.settle(1, images);
        site
    }

    /// Version `version` of the study has so many images.
    fn settle(&self, version: u32, images: u32) {
        let folder = self.state.instances(&study());
        std::fs::create_dir_all(&folder).unwrap();
        let mut instances = Vec::new();
        for number in 0..images {
            let name = format!("{number}.dcm");
            std::fs::write(folder.join(&name), image(number)).unwrap();
            instances.push(name);
        }
        let settled = Entry::Settled {
            version,
            at_ms: 1,
            received_at_ms: 1,
            study_uid: STUDY.to_owned(),
            instances,
            modality: "DX".to_owned(),
            patient: case_log::PatientText::default(),
            conflicts: 0,
            strangers: 0,
        };
        case_log::append(&self.state.case_log(&study()), &[settled]).unwrap();
    }

    fn key(&self) -> PseudonymKey {
        PseudonymKey::load_or_create(&self.dir.path().join("key")).unwrap()
    }

    fn uploads(&self, cases: &CaseIndex) -> ImageUploads {
        let config: Config = toml::from_str("hub = \"localhost:1\"").unwrap();
        let parts = Parts {
            state: self.state.clone(),
            queue: self.queue.clone(),
            status: self.status.clone(),
            pseudonyms: self.key(),
            character_sets: CharacterSets::default(),
            policy: self.policy.clone(),
            log: PeerLog::for_tests(self.state.root()),
        };
        ImageUploads::open(config, &TlsIdentity::load(&self.tls).unwrap(), parts, cases).unwrap()
    }
}

impl ImageUploads {
    /// The next turn finds itself connected.
    async fn connect(&self, heard: &Arc<Mutex<Heard>>) {
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(hub(far, Arc::clone(heard)));
        let line = Connection::over(near, &"hub".into()).await.unwrap();
        *self.0.sending.line.lock().await = Some((line, Instant::now()));
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn the_policy_that_holds_now_says_whose_images_leave() {
    let site = Site::new(2);
    let uploads = site.uploads(&CaseIndex::default());
    uploads.offer(&study(), 1, Urgency::Routine).unwrap();
    assert!(!uploads.is_waiting(&study()));
    uploads.offer(&study(), 1, Urgency::Review).unwrap();
    assert!(uploads.next().unwrap().is_some());
    let mut closed = crate::site_policy::SitePolicy::care_only();
    closed
        .hub
        .images_of
        .remove(&crate::site_policy::UrgencyWord::Review);
    let before = site.policy.fingerprint();
    site.policy.change(&before, closed).unwrap().unwrap();
    assert_eq!(uploads.next().unwrap(), None);
    assert!(!uploads.is_waiting(&study()));
    uploads.offer(&study(), 1, Urgency::Review).unwrap();
    assert!(!uploads.is_waiting(&study()));
    uploads.offer(&study(), 1, Urgency::Critical).unwrap();
    assert!(uploads.next().unwrap().is_some_and(|job| job.critical));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_goes_over_the_line_says_nobodys_name() {
    let site = Site::new(3);
    let uploads = site.uploads(&CaseIndex::default());
    uploads.offer(&study(), 1, Urgency::Review).unwrap();
    assert!(uploads.is_waiting(&study()));
    let heard = Arc::default();
    let job = uploads.next().unwrap().unwrap();
    uploads.connect(&heard).await;
    uploads.turn(&job).await.unwrap();
    assert_eq!(heard.lock().unwrap().pictures, 3, "small pictures first");
    assert!(heard.lock().unwrap().committed.is_none());
    uploads.turn(&job).await.unwrap();
    {
        let heard = heard.lock().unwrap();
        let set = heard.committed.as_ref().unwrap();
        assert_eq!((set.instances.len(), set.withheld.len()), (3, 0));
        assert!(
            !contains(&heard.plain, MARKER.as_bytes()),
            "a marker is on the line"
        );
        for uid in ["1.2.3.4.", "/1.2.3/", study().as_str()] {
            assert!(!contains(&heard.plain, uid.as_bytes()), "{uid} is on the line");
        }
        for instance in &set.instances {
            let object = &heard.objects[&instance.object.id.to_string()];
            let checked = deidentify::check(object).unwrap();
            assert_eq!(checked.study_uid, site.key().uid_of(STUDY));
        }
    }
    assert!(!uploads.is_waiting(&study()), "the hub's word is written down");
    assert_eq!(site.queue.depth().of(Lane::Images), 0);
    assert!(uploads.next().unwrap().is_none());
}

fn layer(file: &str) -> HeatLayer {
    HeatLayer {
        file: file.to_owned(),
        frame: 1,
        finding: "pneumonia".to_owned(),
        png: b"colours where the model looked".to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_model_looked_goes_up_with_the_quick_look_under_no_ones_name() {
    let site = Site::new(2);
    let kept = layer("1.dcm");
    kept.save(&site.state.pictures(&study(), 1)).unwrap();
    let uploads = site.uploads(&CaseIndex::default());
    uploads.offer(&study(), 1, Urgency::Critical).unwrap();
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let job = uploads.next().unwrap().unwrap();
    uploads.connect(&heard).await;
    uploads.turn(&job).await.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.pictures, 2);
    let [map] = heard.heat_maps.as_slice() else {
        panic!("{:?}", heard.heat_maps);
    };
    assert_eq!(map.sop_instance_uid, site.key().uid_of("1.2.3.4.1"));
    assert_eq!((map.frame, map.finding.as_str()), (1, "pneumonia"));
    assert_eq!(heard.objects[&map.object.id.to_string()], kept.png);
    assert!(!contains(&heard.plain, b"1.2.3.4."));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_hub_is_sent_no_heat_map_and_has_its_quick_look() {
    let site = Site::new(2);
    let kept = layer("1.dcm");
    kept.save(&site.state.pictures(&study(), 1)).unwrap();
    let uploads = site.uploads(&CaseIndex::default());
    uploads.offer(&study(), 1, Urgency::Critical).unwrap();
    let heard: Arc<Mutex<Heard>> = Arc::default();
    heard.lock().unwrap().takes_no_heat_maps = true;
    let job = uploads.next().unwrap().unwrap();
    for _ in 0..2 {
        uploads.connect(&heard).await;
        uploads.turn(&job).await.unwrap();
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard.pictures, 2);
    assert!(!heard.objects.contains_key(&prepare::sha256_of(&kept.png)));
    assert_eq!(heard.committed.as_ref().unwrap().instances.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_an_image_that_stays() {
    let site = Site::new(2);
    let folder = site.state.instances(&study());
    std::fs::write(folder.join("0.dcm"), b"no image").unwrap();
    layer("0.dcm").save(&site.state.pictures(&study(), 1)).unwrap();
    let uploads = site.uploads(&CaseIndex::default());
    uploads.offer(&study(), 1, Urgency::Critical).unwrap();
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let job = uploads.next().unwrap().unwrap();
    uploads.connect(&heard).await;
    uploads.turn(&job).await.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!((heard.pictures, heard.heat_maps.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_for_a_while_withholds_nothing() {
    let site = Site::new(2);
    let uploads = site.uploads(&CaseIndex::default());
    uploads.offer(&study(), 1, Urgency::Review).unwrap();
    let job = uploads.next().unwrap().unwrap();
    let heard: Arc<Mutex<Heard>> = Arc::default();
    // A folder in the image's place opens and cannot be read.
    let image = site.state.instances(&study()).join("1.dcm");
    let kept = std::fs::read(&image).unwrap();
    std::fs::remove_file(&image).unwrap();
    std::fs::create_dir(&image).unwrap();
    for _ in 0..2 * MOST_FAULTS {
        uploads.connect(&heard).await;
        let error = uploads.turn(&job).await.unwrap_err();
        uploads.fault(&job, &error).await;
    }
    assert_eq!(site.queue.depth().set_aside, 0, "no person is needed");
    std::fs::remove_dir(&image).unwrap();
    std::fs::write(&image, kept).unwrap();
    while uploads.next().unwrap().is_some() {
        uploads.connect(&heard).await;
        uploads.turn(&job).await.unwrap();
    }
    let heard = heard.lock().unwrap();
    let set = heard.committed.as_ref().unwrap();
    assert_eq!((set.instances.len(), set.withheld.len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_upload_goes_on_from_where_it_was() {
    let site = Site::new(4);
    let uploads = site.uploads(&CaseIndex::default());
    uploads.offer(&study(), 1, Urgency::Critical).unwrap();
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let job = uploads.next().unwrap().unwrap();
    let mut breaks = 0;
    while uploads.next().unwrap().is_some() {
        let held: usize = heard.lock().unwrap().objects.values().map(Vec::len).sum();
        heard.lock().unwrap().hangs_up_after = Some(held + 50_000);
        uploads.connect(&heard).await;
        if uploads.turn(&job).await.is_err() {
            breaks += 1;
        }
        assert!(breaks < 50);
    }
    let heard = heard.lock().unwrap();
    assert!(3 < breaks, "{breaks}");
    assert_eq!(heard.committed.as_ref().unwrap().instances.len(), 4);
    let stored: usize = heard.objects.values().map(Vec::len).sum();
    let sum: u64 = heard
        .committed
        .as_ref()
        .unwrap()
        .instances
        .iter()
        .map(|one| one.object.bytes)
        .sum();
    assert!(sum <= stored as u64, "no byte is held twice: {sum} {stored}");
    assert!(
        heard.plain.len() < stored + 64 * 1024,
        "{} for {stored}",
        heard.plain.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn critical_cases_and_small_pictures_go_first_and_a_new_version_replaces_the_old() {
    let site = Site::new(1);
    let uploads = site.uploads(&CaseIndex::default());
    let other = StudyKey::of(&StudyUid::new("1.9").unwrap());
    uploads.offer(&study(), 1, Urgency::Review).unwrap();
    uploads.offer(&other, 1, Urgency::Critical).unwrap();
    uploads
        .offer(&StudyKey::of(&StudyUid::new("1.8").unwrap()), 1, Urgency::Routine)
        .unwrap();
    assert_eq!(site.queue.depth().of(Lane::Images), 2, "routine ones stay");
    assert_eq!(uploads.next().unwrap().unwrap().study, other.as_str());
    uploads.looked_at().insert(format!("{other}-1"));
    assert_eq!(uploads.next().unwrap().unwrap().study, study().as_str());
    uploads.offer(&study(), 2, Urgency::Review).unwrap();
    assert_eq!(site.queue.depth().of(Lane::Images), 2);
    let next = uploads.next().unwrap().unwrap();
    assert_eq!((next.study.as_str(), next.version), (study().as_str(), 2));
}

#[test]
fn a_start_owes_what_was_assessed_since_and_not_committed() {
    let site = Site::new(1);
    let cases = CaseIndex::default();
    let case = |uid: &str, assessed_at_ms: i64| {
        let mut view = crate::case_index::samples::assessed(uid);
        view.study = StudyKey::of(&StudyUid::new(uid).unwrap());
        view.version = 1;
        view.instances = 1;
        view.state = crate::case_index::CaseState::Assessed;
        view.assessed_at_ms = Some(assessed_at_ms);
        if let Some(assessment) = &mut view.assessment {
            assessment.urgency = Urgency::Review;
        }
        cases.put(view);
    };
    case("1.1", now_ms() - 10_000);
    drop(site.uploads(&cases));
    assert_eq!(
        site.queue.depth().of(Lane::Images),
        0,
        "what was there before is not owed"
    );
    case("1.2", now_ms() + 10_000);
    case("1.3", now_ms() + 10_000);
    let uploads = site.uploads(&cases);
    assert_eq!(site.queue.depth().of(Lane::Images), 2);
    let committed = SentLine::Committed {
        study: StudyKey::of(&StudyUid::new("1.2").unwrap()).to_string(),
        version: 1,
        at_ms: 1,
        images: 1,
        refused: 0,
    };
    checked_lines::append(&uploads.sent_log(), &[committed]).unwrap();
    let folder = site.state.images().join("leftover-1");
    Progress::open(folder.clone()).unwrap();
    let uploads = site.uploads(&cases);
    assert_eq!(site.queue.depth().of(Lane::Images), 1);
    assert_eq!(
        uploads.next().unwrap().unwrap().study,
        StudyKey::of(&StudyUid::new("1.3").unwrap()).as_str()
    );
    assert!(!folder.exists());
    // The hub went on from a backup: what it took since then, or what it may have lost the result of.
    let taken = |uid: &str, at_ms: i64| SentLine::Committed {
        study: StudyKey::of(&StudyUid::new(uid).unwrap()).to_string(),
        version: 1,
        at_ms,
        images: 1,
        refused: 0,
    };
    case("1.4", now_ms() + 10_000);
    case("1.5", now_ms() + 10_000);
    let lines = [taken("1.4", 500), taken("1.5", 400)];
    checked_lines::append(&uploads.sent_log(), &lines).unwrap();
    let uploads = site.uploads(&cases);
    assert_eq!(
        (site.queue.depth().of(Lane::Images), uploads.so_far()),
        (1, (3, 3))
    );
    let none = HashSet::new();
    assert_eq!(uploads.owe_again(&none, 501, &cases).unwrap(), 0);
    assert_eq!(uploads.owe_again(&none, 500, &cases).unwrap(), 1);
    assert_eq!(
        uploads.owe_again(&none, 500, &cases).unwrap(),
        0,
        "it is owed already"
    );
    let lost = HashSet::from([StudyKey::of(&StudyUid::new("1.2").unwrap())]);
    assert_eq!(uploads.owe_again(&lost, 500, &cases).unwrap(), 1);
    assert_eq!(site.queue.depth().of(Lane::Images), 3);
    let uploads = site.uploads(&cases);
    assert_eq!(
        (site.queue.depth().of(Lane::Images), uploads.so_far()),
        (3, (1, 1)),
        "also after a restart"
    );
}
