//! A series of a thousand slices, one instance of half a gigabyte, large radiographs one after the other: kept as sent, in
//! bounded memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use barefoot_test_support::daemons::{Edge, EdgeOptions, Region};
use barefoot_test_support::http::get_json;
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::processes::memory_mib;
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::scanner::raw::{Proposal, RawAssociation};
use barefoot_test_support::wait::wait_for;
use barefoot_test_support::{CT_IMAGE, DX_FOR_PRESENTATION, Instance, Radiograph};
use ring::digest::{Context, SHA256};

use crate::kept::{clear, unlock};
use crate::story::{CLINIC, SOON};

const MOST_MIB: f64 = 150.0 * 1e6 / 1_048_576.0;

const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
const MULTI_FRAME_GRAYSCALE_WORD: &str = "1.2.840.10008.5.1.4.1.1.7.3";

/// A decoded radiograph has thirty; what was freed must not add up.
const MOST_MIB_OF_RADIOGRAPHS: f64 = 250.0;
const RADIOGRAPHS: u64 = 6;

const SLICES: u32 = 1000;
const SIDE: u16 = 512;
/// 500 MB of 16-bit frames.
const FRAMES: u32 = 954;

fn slice(study: &str, number: u32) -> Instance {
    // Cheap, but no two slices are equal.
    let samples = (0..u32::from(SIDE) * u32::from(SIDE)).map(|at| ((at ^ (number * 97)) % 2000) as i16);
    Instance::filler_slice(study, number, SIDE, samples.collect())
}

/// With the model as shipped: the limit is for the whole daemon.
async fn shipped() -> (Edge, Region) {
    let region = Region::new().unwrap();
    let options = EdgeOptions {
        precision: "int8",
        ..EdgeOptions::default()
    };
    let mut edge = region.edge(CLINIC, "127.0.0.1:9", &options).unwrap();
    edge.start().await.unwrap();
    (edge, region)
}

async fn assessed_in_bounds(edge: &Edge, images: u32) {
    let assessed = wait_for("the study to be assessed", SOON, async || {
        let answer = get_json(edge.address("page").unwrap(), "/api/cases")
            .await
            .map_err(|error| error.to_string())?;
        let case = answer["cases"][0].clone();
        if case["state"] == "assessed" && case["instances"] == images {
            Ok(())
        } else {
            Err(case.to_string())
        }
    });
    assessed
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", edge.log()));
    let peak = memory_mib(edge.pid().unwrap(), "VmHWM").unwrap();
    println!("{images} instances, peak {peak:.1} MiB");
    assert!(peak < MOST_MIB, "{peak:.1} MiB");
}

fn digest(mut input: impl Read) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    let mut block = vec![0; 1 << 20];
    loop {
        match input.read(&mut block).unwrap() {
            0 => return context.finish().as_ref().to_vec(),
            count => context.update(&block[..count]),
        }
    }
}

fn stored(state: &Path) -> Vec<PathBuf> {
    unlock(state);
    let study = fs::read_dir(state.join("studies"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let files = fs::read_dir(study.path().join("instances")).unwrap();
    files.map(|entry| entry.unwrap().path()).collect()
}

fn stored_digest(path: &Path) -> (String, Vec<u8>) {
    let clear = clear(path);
    let file = DicomFile::open(clear.path()).unwrap();
    let mut input = File::open(clear.path()).unwrap();
    io::Seek::seek(&mut input, io::SeekFrom::Start(file.data_set_at)).unwrap();
    (file.sop_instance, digest(input))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slices_are_kept_in_bounded_memory() {
    let (edge, _region) = shipped().await;
    let address = edge.address("dicom").unwrap().to_owned();
    let sending = tokio::task::spawn_blocking(move || {
        let proposal = Proposal::new("BAREFOOT", "SIM_DR1").with(CT_IMAGE, EXPLICIT_LITTLE_ENDIAN);
        let mut association = RawAssociation::open(&address, &proposal).unwrap();
        let mut sent = Vec::new();
        for number in 1..=SLICES {
            let instance = slice("thousand", number);
            let data_set = instance.data_set().unwrap();
            let answer = association.store(0, CT_IMAGE, &instance.sop_instance_uid, &data_set);
            assert_eq!(answer.unwrap().status, 0);
            sent.push((instance.sop_instance_uid, digest(data_set.as_slice())));
        }
        association.release().unwrap();
        sent
    });
    let mut sent = sending.await.unwrap();
    assessed_in_bounds(&edge, SLICES).await;
    let mut kept: Vec<_> = stored(edge.state())
        .iter()
        .map(|path| stored_digest(path))
        .collect();
    sent.sort();
    kept.sort();
    assert!(sent == kept, "every slice is there as it was sent");
}

/// The header of a slice with another class, many frames and another length of pixels.
fn multi_frame_header(instance: &Instance, pixels: u32) -> Vec<u8> {
    let mut bytes = instance.data_set().unwrap();
    let frame_bytes = usize::from(SIDE) * usize::from(SIDE) * 2;
    bytes.truncate(bytes.len() - frame_bytes - 4);
    bytes.extend(pixels.to_le_bytes());
    let old = [&b"\x08\x00\x16\x00UI\x1a\x00"[..], CT_IMAGE.as_bytes(), b"\0"].concat();
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    let class = MULTI_FRAME_GRAYSCALE_WORD;
    let padded = if class.len() % 2 == 1 {
        format!("{class}\0")
    } else {
        class.to_owned()
    };
    let length = u16::try_from(padded.len()).unwrap().to_le_bytes();
    let new = [&b"\x08\x00\x16\x00UI"[..], &length, padded.as_bytes()].concat();
    bytes.splice(at..at + old.len(), new);
    // Number of Frames comes before Rows.
    let rows = b"\x28\x00\x10\x00US";
    let at = bytes
        .windows(rows.len())
        .position(|window| window == rows)
        .unwrap();
    let mut frames = FRAMES.to_string();
    if frames.len() % 2 == 1 {
        frames.push(' ');
    }
    let length = u16::try_from(frames.len()).unwrap().to_le_bytes();
    let element = [&b"\x28\x00\x08\x00IS"[..], &length, frames.as_bytes()].concat();
    bytes.splice(at..at, element);
    bytes
}

/// Pixels that are made while they are sent.
struct Frames {
    left: u64,
    at: u64,
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.left).unwrap().min(into.len());
        for byte in &mut into[..count] {
            *byte = (self.at.wrapping_mul(0x9E37_79B9) >> 16) as u8;
            self.at += 1;
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_gigabyte_in_one_instance_is_kept_in_bounded_memory() {
    let (edge, _region) = shipped().await;
    let instance = slice("multi-frame", 1);
    let pixels = u64::from(FRAMES) * u64::from(SIDE) * u64::from(SIDE) * 2;
    let header = multi_frame_header(&instance, u32::try_from(pixels).unwrap());
    let data_set = move || io::Cursor::new(header.clone()).chain(Frames { left: pixels, at: 0 });
    let (address, uid) = (
        edge.address("dicom").unwrap().to_owned(),
        instance.sop_instance_uid.clone(),
    );
    let sent = data_set();
    let sending = tokio::task::spawn_blocking(move || {
        let proposal =
            Proposal::new("BAREFOOT", "SIM_DR1").with(MULTI_FRAME_GRAYSCALE_WORD, EXPLICIT_LITTLE_ENDIAN);
        let mut association = RawAssociation::open(&address, &proposal).unwrap();
        let answer = association.store_from(0, MULTI_FRAME_GRAYSCALE_WORD, &uid, sent);
        association.release().unwrap();
        answer.unwrap()
    });
    assert_eq!(sending.await.unwrap().status, 0, "{}", edge.log());
    assessed_in_bounds(&edge, 1).await;
    let kept = stored(edge.state());
    assert_eq!(kept.len(), 1);
    let (name, kept) = stored_digest(&kept[0]);
    assert_eq!(name, instance.sop_instance_uid);
    assert!(
        kept == digest(data_set()),
        "half a gigabyte is there as it was sent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn radiographs_one_after_the_other_take_no_more_memory_than_a_few() {
    let (edge, _region) = shipped().await;
    for seed in 0..RADIOGRAPHS {
        let address = edge.address("dicom").unwrap().to_owned();
        let sending = tokio::task::spawn_blocking(move || {
            let instance = Chest::varied(seed, Size::Full, Radiograph::Dx).instance();
            let proposal =
                Proposal::new("BAREFOOT", "SIM_DR1").with(DX_FOR_PRESENTATION, EXPLICIT_LITTLE_ENDIAN);
            let mut association = RawAssociation::open(&address, &proposal).unwrap();
            let data_set = instance.data_set().unwrap();
            let answer = association.store(0, DX_FOR_PRESENTATION, &instance.sop_instance_uid, &data_set);
            assert_eq!(answer.unwrap().status, 0);
            association.release().unwrap();
        });
        sending.await.unwrap();
        let assessed = wait_for("the radiograph to be assessed", SOON, async || {
            let answer = get_json(edge.address("page").unwrap(), "/api/cases")
                .await
                .map_err(|error| error.to_string())?;
            let cases = answer["cases"].as_array().cloned().unwrap_or_default();
            let assessed = cases.iter().filter(|case| case["state"] == "assessed").count() as u64;
            if assessed == seed + 1 {
                Ok(())
            } else {
                Err(answer.to_string())
            }
        });
        assessed
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", edge.log()));
    }
    let pid = edge.pid().unwrap();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let told = b"MALLOC_MMAP_THRESHOLD_=";
    assert!(environment.windows(told.len()).any(|at| at == told));
    let peak = memory_mib(pid, "VmHWM").unwrap();
    println!("{RADIOGRAPHS} radiographs, peak {peak:.1} MiB");
    assert!(peak < MOST_MIB_OF_RADIOGRAPHS, "{peak:.1} MiB");
}
