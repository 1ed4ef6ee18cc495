//! Films from the front door to the clinic page, sent by other people's programs; and films nobody can decode.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use barefoot_test_support::daemons::{EdgeOptions, workspace};
use barefoot_test_support::http::{get, get_json};
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::wait::wait_for;
use serde_json::{Value, json};

use crate::peers::{peer, python, run, text};
use crate::story::{SOON, Story, chests};

const LIVE: &str = "testsrc2=size=320x240:rate=25:duration=0.8,noise=c0s=20:c0f=t";
const FROZEN: &str =
    "mandelbrot=size=320x240:rate=25:end_scale=3,trim=end_frame=1,loop=loop=19:size=1,setpts=N/25/TB";
const BLACK: &str = "color=black:size=320x240:rate=25:duration=0.8";
const MPEG2: &str = "-c:v mpeg2video -q:v 3";
const AVC: &str = "-c:v libx264 -pix_fmt yuv420p";
const HEVC: &str = "-c:v libx265 -pix_fmt yuv420p10le -x265-params log-level=none:pools=none";

const ULTRASOUND: &str = "1.2.840.10008.5.1.4.1.1.3.1";
const ENDOSCOPY: &str = "1.2.840.10008.5.1.4.1.1.77.1.1.1";
const PHOTOGRAPHY: &str = "1.2.840.10008.5.1.4.1.1.77.1.4.1";

struct Film {
    name: &'static str,
    pattern: &'static str,
    coding: &'static str,
    ending: &'static str,
    syntax: &'static str,
    class: &'static str,
    modality: &'static str,
    frames: u32,
    fragments: u32,
    /// What becomes of the stream before it is wrapped.
    change: fn(Vec<u8>) -> Vec<u8>,
}

const FILM: Film = Film {
    name: "live",
    pattern: LIVE,
    coding: AVC,
    ending: "mp4",
    syntax: "1.2.840.10008.1.2.4.102",
    class: ULTRASOUND,
    modality: "US",
    frames: 20,
    fragments: 1,
    change: |stream| stream,
};

impl Film {
    /// Coded by ffmpeg, wrapped by pydicom.
    async fn make(&self, folder: &Path, number: usize) -> DicomFile {
        let stream = folder.join(format!("{number}.{}", self.ending));
        let mut ffmpeg = Command::new(peer("ffmpeg", "ffmpeg"));
        ffmpeg
            .args([
                "-nostdin",
                "-loglevel",
                "error",
                "-f",
                "lavfi",
                "-i",
                self.pattern,
            ])
            .args(self.coding.split(' '))
            .arg(&stream);
        let made = run(ffmpeg).await;
        assert!(made.status.success(), "{}: {}", self.name, text(&made));
        fs::write(&stream, (self.change)(fs::read(&stream).unwrap())).unwrap();
        let to = folder.join(format!("{number}.dcm"));
        let wish = json!({
            "stream": stream, "to": to, "syntax": self.syntax, "class": self.class, "modality": self.modality,
            "columns": 320, "rows": 240, "frames": self.frames, "frame_time": 40, "fragments": self.fragments,
            "study": format!("1.2.826.0.1.3680043.9.77.{number}"), "name": format!("Film^{}", self.name),
        });
        let mut wrap = Command::new(python())
            .arg(workspace().join("tests/e2e/peers/wrap_film.py"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(wrap.stdin.take().unwrap(), "{wish}").unwrap();
        assert!(wrap.wait().unwrap().success(), "{}", self.name);
        DicomFile::open(&to).unwrap()
    }
}

/// Each file over an association of its own, by pynetdicom.
async fn send(story: &Story, files: &[DicomFile]) {
    let door = story.edge.address("dicom").unwrap().to_owned();
    let (host, port) = door.rsplit_once(':').unwrap();
    let mut paths = String::new();
    for file in files {
        paths.push_str(&format!("{}\n", file.path.display()));
    }
    let mut sender = Command::new(python());
    sender
        .arg(workspace().join("tests/interop/send_corpus.py"))
        .args([host, port, "SIM_DR1", "BAREFOOT"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || {
        let mut sender = sender.spawn().unwrap();
        sender.stdin.take().unwrap().write_all(paths.as_bytes()).unwrap();
        sender.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), files.len());
    assert!(answers.iter().all(|answer| answer["status"] == 0), "{answers:?}");
}

fn options(more: &str) -> EdgeOptions {
    EdgeOptions {
        more: more.to_owned(),
        ..EdgeOptions::default()
    }
}

const AT_ONCE: &str = "[study.by_modality_ms]\nUS = 300\n";

async fn page_of(story: &Story, case: &Value) -> String {
    let page = story.edge.address("page").unwrap();
    let key = case["study"].as_str().unwrap();
    let shown = get(page, &format!("/case/{key}?lang=en")).await.unwrap();
    String::from_utf8(shown).unwrap()
}

/// Brightness of the case's picture, row by row.
async fn picture_of(story: &Story, case: &Value) -> image::GrayImage {
    let page = story.edge.address("page").unwrap();
    let key = case["study"].as_str().unwrap();
    let shown = get(page, &format!("/case/{key}/preview.jpg")).await.unwrap();
    image::load_from_memory(&shown).unwrap().to_luma8()
}

/// The middle frame as ffmpeg gives it.
async fn middle_of(stream: PathBuf) -> image::GrayImage {
    let mut ffmpeg = Command::new(peer("ffmpeg", "ffmpeg"));
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-i"]).arg(stream);
    ffmpeg.args([
        "-vf",
        "select=eq(n\\,10)",
        "-frames:v",
        "1",
        "-c:v",
        "png",
        "-f",
        "image2pipe",
        "-",
    ]);
    let output = run(ffmpeg).await;
    let colours = image::load_from_memory(&output.stdout).unwrap().to_rgb8();
    image::GrayImage::from_fn(colours.width(), colours.height(), |x, y| {
        let [red, green, blue] = colours.get_pixel(x, y).0.map(f32::from);
        // The page's brightness is BT.601's.
        image::Luma([(0.299 * red + 0.587 * green + 0.114 * blue) as u8])
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn films_of_every_kind_are_shown_and_what_is_wrong_with_them_is_said() {
    let story = Story::begin(&options(AT_ONCE)).await;
    let status = story.edge_status().await;
    assert!(status["video_decoder"].is_string(), "{status}");
    let still = "The clip stands still.";
    let no_picture = "Some frames hold no picture.";
    let unread = "The image data cannot be read.";
    let differs = "The film is not as its description says";
    let films: [(Film, Option<&str>); 12] = [
        (FILM, None),
        (
            Film {
                name: "fragments",
                fragments: 6,
                syntax: "1.2.840.10008.1.2.4.102.1",
                ..FILM
            },
            None,
        ),
        (
            Film {
                coding: MPEG2,
                ending: "mpg",
                syntax: "1.2.840.10008.1.2.4.100",
                ..FILM
            },
            None,
        ),
        (
            Film {
                coding: MPEG2,
                ending: "ts",
                syntax: "1.2.840.10008.1.2.4.101",
                class: PHOTOGRAPHY,
                modality: "XC",
                ..FILM
            },
            None,
        ),
        (
            Film {
                ending: "ts",
                syntax: "1.2.840.10008.1.2.4.103",
                class: ENDOSCOPY,
                modality: "ES",
                ..FILM
            },
            None,
        ),
        (
            Film {
                coding: HEVC,
                syntax: "1.2.840.10008.1.2.4.108",
                class: ENDOSCOPY,
                modality: "ES",
                ..FILM
            },
            None,
        ),
        (
            Film {
                name: "frozen",
                pattern: FROZEN,
                ..FILM
            },
            Some(still),
        ),
        (
            Film {
                name: "frozen",
                pattern: FROZEN,
                coding: MPEG2,
                ending: "mpg",
                syntax: "1.2.840.10008.1.2.4.100",
                ..FILM
            },
            Some(still),
        ),
        (
            Film {
                name: "black",
                pattern: BLACK,
                ..FILM
            },
            Some(no_picture),
        ),
        (
            Film {
                name: "short",
                ending: "ts",
                change: |stream| stream[..stream.len() / 2 / 188 * 188].to_vec(),
                ..FILM
            },
            Some(""),
        ),
        (
            Film {
                name: "noise",
                change: |stream| {
                    stream
                        .iter()
                        .enumerate()
                        .map(|(at, byte)| if at < 64 { *byte } else { (at * 193) as u8 })
                        .collect()
                },
                ..FILM
            },
            Some(unread),
        ),
        (
            Film {
                name: "counted",
                frames: 21,
                class: ENDOSCOPY,
                modality: "ES",
                ..FILM
            },
            Some(differs),
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, (film, _)) in films.iter().enumerate() {
        files.push(film.make(folder.path(), number).await);
    }
    send(&story, &files).await;
    story.all_assessed(films.len()).await;
    for (number, (film, said)) in films.iter().enumerate() {
        let case = story.case_of(&files[number]).await.unwrap();
        let about = format!("{number} {}: {case}", film.name);
        assert_eq!(case["urgency"], "review", "{about}");
        let page = page_of(&story, &case).await;
        match said {
            None => assert_eq!(case["quality"], "A", "{about}"),
            Some("") => assert!(page.contains(unread) || page.contains(differs), "{about}\n{page}"),
            Some(said) => assert!(page.contains(said), "{about}\n{page}"),
        }
        if said.is_some_and(|said| said.is_empty() || said == unread) {
            assert_eq!(case["quality"], "C", "{about}");
            continue;
        }
        let shown = picture_of(&story, &case).await;
        assert_eq!(shown.dimensions(), (320, 240), "{about}");
        let own = middle_of(folder.path().join(format!("{number}.{}", film.ending))).await;
        let off: u64 = shown
            .pixels()
            .zip(own.pixels())
            .map(|(one, other)| u64::from(one.0[0].abs_diff(other.0[0])))
            .sum();
        // Of the page's own JPEG.
        assert!(off / (320 * 240) < 7, "{about}: off by {off}");
    }
    let figures = get_json(story.edge.address("page").unwrap(), "/api/quality")
        .await
        .unwrap();
    let counted = |problem: &str| -> u64 {
        let days = figures["days"].as_array().unwrap().iter();
        days.filter_map(|day| day["problems"][problem].as_u64()).sum()
    };
    assert_eq!(
        (
            counted("frames_frozen"),
            counted("frames_black"),
            counted("video_differs")
        ),
        (2, 1, counted("video_differs").max(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoder_that_hangs_delays_no_other_study() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("hangs");
    let hangs =
        "#!/bin/sh\n[ \"$1\" = -version ] && echo 'ffmpeg version 0.1 fake' && exit 0\nexec sleep 86417\n";
    fs::write(&program, hangs).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let video = format!(
        "{AT_ONCE}[video]\nprogram = \"{}\"\ndeadline_s = 3600\n",
        program.display()
    );
    let mut story = Story::begin(&options(&video)).await;
    let film = FILM.make(folder.path(), 0).await;
    send(&story, std::slice::from_ref(&film)).await;
    let chests = chests(&folder, 1..3);
    story.store(&chests).await;
    for chest in &chests {
        assessed(&story, chest).await;
    }
    let waiting = story.case_of(&film).await.unwrap();
    assert_eq!(waiting["state"], "assessing", "{waiting}");
    assert!(runs("86417"), "it hangs still");
    // The box ends at once all the same, and the film is there at the next start, which has no program.
    story.edge.stop().await.unwrap();
    assert!(!runs("86417"));
    fs::remove_file(&program).unwrap();
    story.edge.start().await.unwrap();
    assessed(&story, &film).await;
    let case = story.case_of(&film).await.unwrap();
    assert_eq!(
        (&case["urgency"], &case["quality"]),
        (&json!("review"), &json!("C")),
        "{case}"
    );
    let page = page_of(&story, &case).await;
    assert!(page.contains("must install the package ffmpeg"), "{page}");
    assert_eq!(story.edge_status().await["video_decoder"], Value::Null);
}

async fn assessed(story: &Story, file: &DicomFile) {
    let waited = wait_for("the case to be assessed", SOON, async || {
        match story.case_of(file).await {
            Some(case) if case["state"] == "assessed" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let waited = waited.await;
    waited.unwrap_or_else(|error| panic!("{error}\n{}", story.logs()));
}

fn runs(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| {
        line.windows(argument.len())
            .any(|part| part == argument.as_bytes())
    })
}
