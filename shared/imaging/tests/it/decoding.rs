//! `docs/DECODING.md`: pictures of other projects' files, sample by sample beside pydicom. Written by the test that checks it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use barefoot_imaging::header::{Header, read_header};
use barefoot_imaging::pixels::{decoded_frame, load_gray};

use crate::corpus::corpus;

const HEAD: &str = "\
# Pictures decoded, beside pydicom

Made and checked by the test `decoding` of `shared/imaging`, which writes what it finds to `target/DECODING.md`. It reads
public test files of 18 projects, broken ones among them; they are not part of this repository, and where they or pydicom are
missing the test says so and passes.

Of each object with pixels the middle frame is decoded. **Stored**: its samples against `pixel_array` of pydicom 3 with
pylibjpeg, gdcm and pillow, bits above Bits Stored left out. **Seen**: its grey levels after Modality LUT or rescale, VOI LUT or
window, MONOCHROME1 and Presentation LUT Shape, against pydicom's `apply_modality_lut` and `apply_voi_lut`, and where pixels
are not square made so by pillow; colours and functional groups are left out, pydicom's functions do not reach into them. Equal to within one of 256 levels counts as
equal. JPEG of twelve bits is held against gdcm itself: pydicom's plugins refuse most of it.

Lossy streams may differ by rounding: decoders of the standards are allowed it. Sequential JPEG comes out as gdcm's, sample for
sample, but for YBR that pydicom turns into RGB, which it rounds in another way. Single bits in run lengths and deflated frames, which
pydicom does not read, are held against the same segmentation in JPEG 2000. JPEG XL and what DICOM retired (JPEG of
process 10 and 12) are not decoded; an object in them is kept, sent on and shown by whoever can.

Films are decoded by the program ffmpeg where it is installed (the tests `films`). Each of the frames asked for is compared with
what ffmpeg gives when it reads the same stream by itself, byte by byte:

| transfer syntax | streams in the test | equal |
|---|---|---|
| 1.2.840.10008.1.2.4.100, .100.1 MPEG-2 MP@ML | elementary and program stream, with and without sound | all |
| 1.2.840.10008.1.2.4.101, .101.1 MPEG-2 MP@HL | transport stream; elementary stream of fields | all |
| 1.2.840.10008.1.2.4.102, .102.1 H.264 High 4.1 | MP4, with and without sound | all |
| 1.2.840.10008.1.2.4.103, .103.1 H.264 BD | disc's transport stream of fields; transport stream with sound | all |
| 1.2.840.10008.1.2.4.104 to .106, .1 of each, H.264 4.2 | transport stream, MP4, byte stream; of stereo the base view | all |
| 1.2.840.10008.1.2.4.107 HEVC Main | MP4, transport stream | all |
| 1.2.840.10008.1.2.4.108 HEVC Main 10 | MP4 | all |

Colours follow the stream's own words: BT.601 or BT.709, of the narrow or the full range, to within two levels of the standard's
formula; BT.601 of the narrow range (YBR_PARTIAL_420) where it has none.

Presentation states are compared with dcmtk's `dcmp2pgm` (the tests `presented`): rescale, window, VOI LUT, presentation LUT and
shape, MONOCHROME1, signed samples, rotation and flip, all pixels to within one level, which is dcmtk's rounding. Shutters, which
that program does not draw, are held against PS3.3 section C.7.6.11.

";

/// What `decode.py` ends with then.
const PLUGINS_MISSING: i32 = 3;

struct Row {
    file: String,
    transfer_syntax: String,
    ours: Result<(), String>,
    stored: String,
    seen: String,
}

#[test]
fn decoding() {
    let Some(root) = corpus() else {
        println!("no corpus beside the workspace: skipped");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    let mut lines = String::new();
    for path in files(&root) {
        let Ok(header) = read_header(&path) else { continue };
        if !header.has_pixels() {
            continue;
        }
        let frame = header.frames() / 2;
        let ours = decode(&path, &header, frame, &folder.path().join(rows.len().to_string()));
        let word = if ours.is_ok() { "ok" } else { "no" };
        lines.push_str(&format!("{}\t{frame}\t{word}\t{}\n", rows.len(), path.display()));
        rows.push(Row {
            file: path
                .strip_prefix(root.join("files"))
                .unwrap_or(&path)
                .display()
                .to_string(),
            transfer_syntax: header.transfer_syntax().to_owned(),
            ours,
            stored: String::new(),
            seen: String::new(),
        });
    }
    let Some(said) = pydicom(folder.path(), &lines) else {
        println!("no Python with pydicom in target/test-venv: skipped");
        return;
    };
    for line in said.lines() {
        let [number, stored, seen] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let row: &mut Row = &mut rows[number.parse::<usize>().unwrap()];
        (row.stored, row.seen) = (stored.to_owned(), seen.to_owned());
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/DECODING.md");
    let text = table(&rows);
    std::fs::write(target, &text).unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/DECODING.md");
    let committed = std::fs::read_to_string(committed).unwrap_or_default();
    assert!(
        committed == text,
        "docs/DECODING.md is not what was found: see target/DECODING.md"
    );
}

/// pydicom reads one of them only, and that as we do.
#[test]
fn a_segmentation_is_the_same_in_every_compressed_form() {
    let Some(root) = corpus() else {
        println!("no corpus beside the workspace: skipped");
        return;
    };
    let folder = root.join("files/pydicom+pydicom-data/data_store/data");
    let frames = |name: &str| -> Vec<Vec<u8>> {
        let path = folder.join(name);
        let header = read_header(&path).unwrap();
        let frames = 0..header.frames();
        frames
            .map(|frame| decoded_frame(&path, &header, frame).unwrap())
            .collect()
    };
    assert_eq!(frames("liver_rle.dcm"), frames("liver_j2k.dcm"));
    let unaligned = frames("liver_nonbyte_aligned_j2k.dcm");
    assert_eq!(frames("liver_nonbyte_aligned_rle.dcm"), unaligned);
    assert_eq!(frames("liver_nonbyte_aligned_deflate.dcm"), unaligned);
}

fn files(root: &Path) -> Vec<PathBuf> {
    let manifest = std::fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let mut files: Vec<PathBuf> = manifest
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .map(|file| root.join(file))
        .collect();
    files.sort();
    files
}

/// Both forms of the frame, beside each other.
fn decode(path: &Path, header: &Header, frame: u32, to: &Path) -> Result<(), String> {
    let text = |error: barefoot_imaging::pixels::Error| error.to_string();
    match decoded_frame(path, header, frame) {
        Ok(samples) => std::fs::write(to.with_extension("raw"), samples).unwrap(),
        // A picture that cannot be given as samples may still be seen.
        Err(error) if load_gray(path, header).is_err() => return Err(text(error)),
        Err(_) => {}
    }
    let image = load_gray(path, header).map_err(text)?;
    let levels: Vec<u8> = image.data.iter().flat_map(|level| level.to_le_bytes()).collect();
    std::fs::write(to.with_extension("levels"), levels).unwrap();
    Ok(())
}

fn pydicom(folder: &Path, lines: &str) -> Option<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../target/test-venv/bin/python");
    if !python.is_file() {
        assert!(
            std::env::var_os("CI").is_none(),
            "target/test-venv must be there in CI: `cargo xtask test` makes it"
        );
        return None;
    }
    let mut child = Command::new(python)
        .arg(here.join("tests/peers/decode.py"))
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = lines.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let written = writing.join().unwrap();
    if output.status.code() == Some(PLUGINS_MISSING) {
        assert!(
            std::env::var_os("CI").is_none(),
            "pydicom's plugins must be there in CI: `cargo xtask test` installs them"
        );
        return None;
    }
    written.unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

/// One line of the table: how many objects of a transfer syntax came out how.
#[derive(Default)]
struct Count {
    objects: usize,
    equal: usize,
    within: BTreeMap<u32, usize>,
    seen: usize,
    seen_equal: usize,
    not_ours: usize,
    not_theirs: usize,
}

fn table(rows: &[Row]) -> String {
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut remarks = Vec::new();
    for row in rows {
        let count = counts.entry(&row.transfer_syntax).or_default();
        count.objects += 1;
        let mut remark =
            |what: String| remarks.push(format!("| {} | {} | {what} |", row.file, row.transfer_syntax));
        if let Err(error) = &row.ours {
            count.not_ours += 1;
            let readable = if row.stored == "readable" {
                "pydicom reads it"
            } else {
                "nor does pydicom read it"
            };
            remark(format!("not decoded: {error}; {readable}"));
            continue;
        }
        match row.stored.parse::<u32>() {
            Ok(0) => count.equal += 1,
            Ok(apart) => {
                *count.within.entry(apart).or_default() += 1;
                if 2 < apart {
                    remark(format!("stored samples differ by up to {apart}"));
                }
            }
            Err(_) => {
                count.not_theirs += 1;
                if !row.stored.starts_with("theirs") {
                    remark(format!("stored samples not compared: {}", row.stored));
                }
            }
        }
        if let Ok(apart) = row.seen.parse::<f64>() {
            count.seen += 1;
            if apart <= 1.0 {
                count.seen_equal += 1;
            } else {
                remark(format!("grey levels differ by up to {apart} of 255"));
            }
        }
    }
    let mut text = HEAD.to_owned();
    text.push_str(
        "| transfer syntax | objects | stored equal | within N (objects) | not compared (pydicom cannot, or no samples) | \
         not decoded here | seen equal |\n|---|---|---|---|---|---|---|\n",
    );
    for (syntax, count) in &counts {
        let within: Vec<String> = count
            .within
            .iter()
            .map(|(apart, objects)| format!("{apart} ({objects})"))
            .collect();
        text.push_str(&format!(
            "| {syntax} | {} | {} | {} | {} | {} | {} of {} |\n",
            count.objects,
            count.equal,
            within.join(", "),
            count.not_theirs,
            count.not_ours,
            count.seen_equal,
            count.seen
        ));
    }
    text.push_str("\nEvery object that was not decoded, or differs by more than two:\n\n| file | transfer syntax | what |\n|---|---|---|\n");
    for remark in remarks {
        text.push_str(&remark);
        text.push('\n');
    }
    text
}
