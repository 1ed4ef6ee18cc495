//! Films through the decoding program, held against what that program gives when nothing is between.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use barefoot_imaging::header::{Header, read_header};
use barefoot_imaging::pixels::ColourImage;
use barefoot_imaging::video::{Decoder, Error, Limits};
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};

use crate::files::{Made, number, object, text, written};

const FFMPEG: &str = "/usr/bin/ffmpeg";
const SIZE: (u16, u16) = (320, 240);
const FRAMES: u32 = 12;
const MIB: u64 = 1024 * 1024;
const LIMITS: Limits = Limits {
    time: Duration::from_secs(60),
    memory: 1024 * MIB,
    held: 64 * MIB,
};
/// How the module asks for colours.
const COLOURS: &str =
    "scale=flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact,format=rgb24";

fn decoder() -> Decoder {
    let found = Decoder::find(Path::new(FFMPEG), LIMITS);
    found.unwrap_or_else(|error| panic!("{error}: `cargo xtask test` installs the package ffmpeg"))
}

fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(FFMPEG);
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output.stdout
}

/// A moving pattern, or whatever `input` is, coded into a file with this ending.
fn coded(folder: &Path, input: &str, coding: &str, ending: &str) -> PathBuf {
    let path = folder.join(format!("film.{ending}"));
    let mut arguments: Vec<&str> = input.split(' ').chain(coding.split(' ')).collect();
    let to = path.to_str().unwrap();
    arguments.push(to);
    ffmpeg(&arguments);
    path
}

fn pattern() -> String {
    let (width, height) = SIZE;
    let seconds = f64::from(FRAMES) / 25.0;
    format!("-f lavfi -i testsrc2=size={width}x{height}:rate=25:duration={seconds}")
}

/// What the header says of a film.
struct Said {
    syntax: &'static str,
    size: (u16, u16),
    frames: u32,
    frame_time: &'static str,
    fragments: usize,
}

const SAID: Said = Said {
    syntax: uids::MPEG4HP41,
    size: SIZE,
    frames: FRAMES,
    frame_time: "40",
    fragments: 1,
};

fn wrapped(stream: &[u8], said: &Said) -> Made {
    let mut film = object();
    text(
        &mut film,
        tags::SOP_CLASS_UID,
        VR::UI,
        uids::ULTRASOUND_MULTI_FRAME_IMAGE_STORAGE,
    );
    text(&mut film, tags::MODALITY, VR::CS, "US");
    number(&mut film, tags::SAMPLES_PER_PIXEL, 3);
    text(
        &mut film,
        tags::PHOTOMETRIC_INTERPRETATION,
        VR::CS,
        "YBR_PARTIAL_420",
    );
    number(&mut film, tags::COLUMNS, said.size.0);
    number(&mut film, tags::ROWS, said.size.1);
    text(
        &mut film,
        tags::NUMBER_OF_FRAMES,
        VR::IS,
        &said.frames.to_string(),
    );
    text(&mut film, tags::FRAME_TIME, VR::DS, said.frame_time);
    number(&mut film, tags::BITS_ALLOCATED, 8);
    number(&mut film, tags::BITS_STORED, 8);
    number(&mut film, tags::HIGH_BIT, 7);
    number(&mut film, tags::PIXEL_REPRESENTATION, 0);
    number(&mut film, tags::PLANAR_CONFIGURATION, 0);
    let piece = stream.len().div_ceil(said.fragments).next_multiple_of(2);
    let fragments: Vec<Vec<u8>> = stream.chunks(piece).map(even).collect();
    let fragments = PixelFragmentSequence::new_fragments(fragments);
    film.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
    written(film, said.syntax)
}

fn even(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

fn decoded(decoder: &Decoder, made: &Made, wanted: &[u32]) -> Result<Vec<(u32, ColourImage)>, Error> {
    let mut frames = Vec::new();
    let header: Header = read_header(&made.path).unwrap();
    decoder.decode(&made.path, &header, wanted, |number, frame| {
        frames.push((number, frame));
    })?;
    Ok(frames)
}

/// Every frame as the program itself gives it.
fn own_frames(path: &Path) -> Vec<Vec<u8>> {
    let from = path.to_str().unwrap();
    let all = ffmpeg(&[
        "-i",
        from,
        "-map",
        "0:v:0",
        "-vf",
        COLOURS,
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-",
    ]);
    let frame = usize::from(SIZE.0) * usize::from(SIZE.1) * 3;
    all.chunks(frame).map(<[u8]>::to_vec).collect()
}

#[test]
fn every_film_of_the_standard_is_decoded_as_the_program_decodes_it() {
    const MPEG2: &str = "-c:v mpeg2video -bf 2 -q:v 3";
    const FIELDS: &str = "-c:v mpeg2video -flags +ildct+ilme -q:v 3";
    const AVC: &str = "-c:v libx264 -profile:v high -pix_fmt yuv420p -bf 2";
    const AVC_FIELDS: &str =
        "-c:v libx264 -profile:v high -pix_fmt yuv420p -flags +ildct+ilme -x264opts tff=1";
    const HEVC: &str = "-c:v libx265 -pix_fmt yuv420p -x265-params log-level=none:pools=none";
    const HEVC_10: &str = "-c:v libx265 -pix_fmt yuv420p10le -x265-params log-level=none:pools=none";
    const SOUND: &str = "-f lavfi -i sine=duration=0.4 -map 0:v -map 1:a -c:a mp2";
    let with_sound = |coding: &str| format!("{SOUND} {coding}");
    let decoder = decoder();
    assert!(!decoder.version().is_empty());
    for (syntax, coding, ending, fragments) in [
        (uids::MPEG2MPML, MPEG2.to_owned(), "m2v", 1),
        (uids::MPEG2MPML, MPEG2.to_owned(), "mpg", 1),
        (uids::MPEG2MPMLF, with_sound(MPEG2), "mpg", 7),
        (uids::MPEG2MPHL, MPEG2.to_owned(), "ts", 1),
        (uids::MPEG2MPHLF, FIELDS.to_owned(), "m2v", 3),
        (uids::MPEG4HP41, AVC.to_owned(), "mp4", 1),
        (uids::MPEG4HP41F, with_sound(AVC), "mp4", 5),
        (uids::MPEG4HP41BD, AVC_FIELDS.to_owned(), "m2ts", 1),
        (uids::MPEG4HP41BDF, with_sound(AVC), "ts", 4),
        (uids::MPEG4HP422D, AVC.to_owned(), "ts", 1),
        (uids::MPEG4HP422DF, AVC.to_owned(), "264", 2),
        (uids::MPEG4HP423D, AVC.to_owned(), "ts", 1),
        (uids::MPEG4HP423DF, AVC.to_owned(), "mp4", 100),
        (uids::MPEG4HP42STEREO, AVC.to_owned(), "ts", 1),
        (uids::MPEG4HP42STEREOF, AVC.to_owned(), "ts", 2),
        (uids::HEVCMP51, HEVC.to_owned(), "mp4", 1),
        (uids::HEVCMP51, HEVC.to_owned(), "ts", 2),
        (uids::HEVCM10P51, HEVC_10.to_owned(), "mp4", 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = coded(folder.path(), &pattern(), &coding, ending);
        let said = Said {
            syntax,
            fragments,
            ..SAID
        };
        let made = wrapped(&fs::read(&path).unwrap(), &said);
        let own = own_frames(&path);
        assert_eq!(own.len(), FRAMES as usize, "{syntax} {ending}");
        let wanted = [11, 0, 5, 5, 99];
        let found = decoded(&decoder, &made, &wanted);
        let found = found.unwrap_or_else(|error| panic!("{syntax} {ending}: {error}"));
        let numbers: Vec<u32> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 5, 11], "{syntax} {ending}");
        for (frame, image) in found {
            assert_eq!((image.width, image.height), (320, 240));
            assert!(
                image.data == own[frame as usize],
                "{syntax} {ending}: frame {frame} is another"
            );
        }
        assert!(own[0] != own[5]);
    }
}

/// Red, green and blue by the standard's own numbers, for samples of eight bits.
fn by_formula(red_share: f64, blue_share: f64, full: bool, [level, blue, red]: [u8; 3]) -> [f64; 3] {
    let (level, blue, red) = (f64::from(level), f64::from(blue) - 128.0, f64::from(red) - 128.0);
    let (level, blue, red) = match full {
        true => (level, blue, red),
        false => (
            (level - 16.0) * 255.0 / 219.0,
            blue * 255.0 / 224.0,
            red * 255.0 / 224.0,
        ),
    };
    let r = level + 2.0 * (1.0 - red_share) * red;
    let b = level + 2.0 * (1.0 - blue_share) * blue;
    let g = (level - red_share * r - blue_share * b) / (1.0 - red_share - blue_share);
    [r, g, b].map(|sample| sample.clamp(0.0, 255.0))
}

#[test]
fn colours_are_those_the_stream_names() {
    const PATCHES: [[u8; 3]; 4] = [[120, 100, 160], [180, 150, 110], [60, 140, 120], [200, 128, 128]];
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("patches.yuv");
    let (width, height) = (usize::from(SIZE.0), usize::from(SIZE.1));
    let mut planes: [Vec<u8>; 3] = Default::default();
    for (plane, samples) in planes.iter_mut().enumerate() {
        let half = 1 + usize::from(plane != 0);
        for _ in 0..height / half {
            samples.extend((0..width / half).map(|column| PATCHES[column * half * 4 / width][plane]));
        }
    }
    let one = planes.concat();
    fs::write(&raw, one.repeat(FRAMES as usize)).unwrap();
    let input = format!(
        "-f rawvideo -pix_fmt yuv420p -video_size 320x240 -framerate 25 -i {}",
        raw.display()
    );
    let decoder = decoder();
    for (named, red_share, blue_share, full) in [
        ("", 0.299, 0.114, false),
        (
            "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m",
            0.299,
            0.114,
            false,
        ),
        (
            "colorprim=bt709:transfer=bt709:colormatrix=bt709",
            0.2126,
            0.0722,
            false,
        ),
        (
            "colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=on",
            0.2126,
            0.0722,
            true,
        ),
    ] {
        let options = match named.is_empty() {
            true => "-c:v libx264 -qp 1".to_owned(),
            false => format!("-c:v libx264 -qp 1 -x264opts {named}"),
        };
        let path = coded(folder.path(), &input, &options, "mp4");
        let made = wrapped(&fs::read(&path).unwrap(), &SAID);
        let (_, image) = decoded(&decoder, &made, &[3]).unwrap().remove(0);
        for (number, patch) in PATCHES.into_iter().enumerate() {
            let at = (120 * width + number * 80 + 40) * 3;
            let expected = by_formula(red_share, blue_share, full, patch);
            for (found, expected) in image.data[at..at + 3].iter().zip(expected) {
                let off = (f64::from(*found) - expected).abs();
                assert!(off <= 2.0, "{named}: {patch:?} is off by {off}");
            }
        }
    }
}

#[test]
fn a_film_that_is_not_as_its_header_says_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let avc = "-c:v libx264 -pix_fmt yuv420p";
    let stream = fs::read(coded(folder.path(), &pattern(), avc, "ts")).unwrap();
    let decoder = decoder();
    let told = |said: &Said| match decoded(&decoder, &wrapped(&stream, said), &[0, 5]) {
        Ok(frames) => format!("{} frames", frames.len()),
        Err(Error::Differs { what }) => what.to_owned(),
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(told(&SAID), "2 frames");
    for frame_time in ["41", "0", "", "39.2"] {
        assert_eq!(told(&Said { frame_time, ..SAID }), "2 frames", "{frame_time}");
    }
    for frames in [1, FRAMES - 1, FRAMES + 1, 70_000] {
        assert_eq!(told(&Said { frames, ..SAID }), "the number of frames", "{frames}");
    }
    for size in [(319, 240), (240, 320), (640, 480)] {
        assert_eq!(told(&Said { size, ..SAID }), "the size", "{size:?}");
    }
    for frame_time in ["33", "20", "80"] {
        assert_eq!(told(&Said { frame_time, ..SAID }), "the time of a frame");
    }
}

#[test]
fn hostile_streams_end_soon_and_as_errors() {
    let folder = tempfile::tempdir().unwrap();
    let avc = "-c:v libx264 -pix_fmt yuv420p -g 4";
    let ts = fs::read(coded(folder.path(), &pattern(), avc, "ts")).unwrap();
    let mp4 = fs::read(coded(folder.path(), &pattern(), avc, "mp4")).unwrap();
    let m2v = fs::read(coded(folder.path(), &pattern(), "-c:v mpeg2video -q:v 2", "m2v")).unwrap();
    let large = "-f lavfi -i testsrc2=size=4096x2304:rate=25:duration=0.48";
    let huge = fs::read(coded(folder.path(), large, avc, "ts")).unwrap();
    let mut noise = ts[..376].to_vec();
    noise.extend((0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8));
    let damaged = |stream: &[u8]| {
        let mut stream = stream.to_vec();
        let middle = stream.len() / 2;
        for byte in stream.iter_mut().skip(middle).take(600) {
            *byte ^= 0x5A;
        }
        stream
    };
    let decoder = decoder();
    let other = |stream: &[u8], syntax| decoded(&decoder, &wrapped(stream, &Said { syntax, ..SAID }), &[0]);
    let h264 = uids::MPEG4HP41;
    for (what, stream, syntax) in [
        ("cut short", ts[..ts.len() / 2].to_vec(), h264),
        ("without its index", mp4[..mp4.len() / 2].to_vec(), h264),
        ("damaged", damaged(&ts), h264),
        ("damaged MPEG-2", damaged(&m2v), uids::MPEG2MPML),
        ("noise", noise, h264),
        ("huge", huge, h264),
        ("another coding", ts.clone(), uids::HEVCMP51),
        ("another coding than MPEG-2", ts.clone(), uids::MPEG2MPHL),
    ] {
        let found = other(&stream, syntax);
        let told = matches!(found, Err(Error::Damaged | Error::Differs { .. }));
        assert!(told, "{what}: {:?}", found.map(|frames| frames.len()));
    }
    for stream in [
        &b"#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/x.ts\n"[..],
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\0\0",
        &mp4,
    ] {
        assert!(matches!(other(stream, uids::MPEG2MPML), Err(Error::Container)));
    }
    let small = Limits { held: 1000, ..LIMITS };
    let decoder = Decoder::find(Path::new(FFMPEG), small).unwrap();
    let held = decoded(&decoder, &wrapped(&mp4, &SAID), &[0]);
    assert!(matches!(held, Err(Error::TooLong)));
}

/// A program that says it is what is wanted, and then does this.
fn fake(folder: &Path, does: &str) -> PathBuf {
    let path = folder.join("fake");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = -version ] && echo 'ffmpeg version 9.9 and so on' && exit 0\n{does}\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn runs(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| {
        line.windows(argument.len())
            .any(|part| part == argument.as_bytes())
    })
}

#[test]
fn a_program_that_misbehaves_is_ended_with_all_it_started() {
    let made = wrapped(&[0x47; 4000], &SAID);
    let limits = |wanted: &str| Limits {
        time: Duration::from_secs(if wanted == "TooSlow" { 2 } else { 60 }),
        memory: 512 * MIB,
        ..LIMITS
    };
    let folder = tempfile::tempdir().unwrap();
    let seconds = format!("{}.25", 90_000 + std::process::id());
    for (does, wanted) in [
        (format!("sleep {seconds} & sleep {seconds}"), "TooSlow"),
        ("while :; do :; done".to_owned(), "TooSlow"),
        ("exec yes".to_owned(), "Damaged"),
        ("exec yes noise 1>&2".to_owned(), "Damaged"),
        ("exec cat /dev/zero".to_owned(), "Damaged"),
        ("kill -SEGV $$".to_owned(), "Damaged"),
        ("exit 0".to_owned(), "Differs { what: \"the number of frames\" }"),
        (
            "echo text > /tmp/film-was-here && exit 0; exit 1".to_owned(),
            "Damaged",
        ),
        (
            "head -c 700M /dev/zero | tail -n 1 && exit 0; exit 1".to_owned(),
            "Damaged",
        ),
        (
            "while :; do echo '0, 1, 1, 1, 472, 0x1' 1>&2; done".to_owned(),
            "Differs { what: \"the number of frames\" }",
        ),
    ] {
        let decoder = Decoder::find(&fake(folder.path(), &does), limits(wanted)).unwrap();
        assert_eq!(decoder.version(), "9.9");
        let found = decoded(&decoder, &made, &[0]).unwrap_err();
        assert_eq!(format!("{found:?}"), wanted, "{does}");
    }
    assert!(!runs(&seconds), "what it started is gone too");
    assert!(
        !Path::new("/tmp/film-was-here")
            .metadata()
            .is_ok_and(|file| file.len() != 0)
    );
}

#[test]
fn whoever_ends_waits_for_no_film() {
    let made = wrapped(&[0x47; 4000], &SAID);
    let folder = tempfile::tempdir().unwrap();
    let seconds = format!("{}.75", 90_000 + std::process::id());
    let decoder = Decoder::find(&fake(folder.path(), &format!("sleep {seconds}")), LIMITS).unwrap();
    std::thread::scope(|scope| {
        let decoding = scope.spawn(|| decoded(&decoder, &made, &[0]));
        while !runs(&seconds) {
            std::thread::yield_now();
        }
        decoder.end();
        assert!(matches!(decoding.join().unwrap(), Err(Error::Ended)));
    });
    assert!(matches!(decoded(&decoder, &made, &[0]), Err(Error::Ended)));
    assert!(!runs(&seconds));
}

#[test]
fn only_a_program_that_says_what_it_is_decodes_films() {
    let none = Decoder::find(Path::new("/usr/bin/no-such-program"), LIMITS).unwrap_err();
    assert!(matches!(none, Error::NoProgram) && none.lacks_a_program());
    let relative = Decoder::find(Path::new("ffmpeg"), LIMITS).unwrap_err();
    assert!(matches!(relative, Error::NoProgram));
    for other in ["/usr/bin/true", "/usr/bin/false", "/etc/passwd"] {
        let other = Decoder::find(Path::new(other), LIMITS).unwrap_err();
        assert!(other.lacks_a_program(), "{other:?}");
    }
}
