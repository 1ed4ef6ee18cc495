//! One film at a time through the decoding program.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};

use super::coding::{self, Coding, Container};
use super::confined::{self, Limits};
use super::listing::Listing;
use super::running::{Running, Until};
use super::stream::Stream;
use super::{Error, frames};
use crate::header::Header;
use crate::pixels::{self, ColourImage, PIXEL_LIMIT, squared};
use crate::stored::Stored;
use crate::tags;

/// For saying its version.
const ASKED_FOR: Duration = Duration::from_secs(20);
/// What it says then.
const ANSWER: u64 = 16 * 1024;
const VERSION_LENGTH: usize = 64;
const THREADS: &str = "2";
/// Decoders add to a frame's sides what their blocks and filters need.
const MARGIN: u64 = 256;
/// Frames taken out of one film.
const MOST_FRAMES: usize = 64;
/// Headers round the time of a frame to whole milliseconds.
const TIMES_AGREE: f64 = 0.03;

/// The program, asked once who it is. Films are decoded one after the other, whoever asks.
#[derive(Debug)]
pub struct Decoder {
    program: PathBuf,
    version: String,
    limits: Limits,
    turn: Mutex<()>,
    ended: AtomicBool,
}

/// What the header says of a film.
#[derive(Debug, Clone, Copy)]
struct Film {
    width: u32,
    height: u32,
    frames: u32,
}

impl Decoder {
    /// # Errors
    /// When the program is not there, or is not what was expected.
    pub fn find(program: &Path, limits: Limits) -> Result<Self, Error> {
        if !program.is_absolute() || !program.is_file() {
            return Err(Error::NoProgram);
        }
        if !confined::is_possible() {
            return Err(Error::Program {
                reason: "setpriv or prlimit (util-linux) is missing in /usr/bin",
            });
        }
        Ok(Self {
            version: version(program, limits)?,
            program: program.to_owned(),
            limits,
            turn: Mutex::default(),
            ended: AtomicBool::new(false),
        })
    }

    /// What the program calls its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Ends what is being decoded, and decodes no more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to end.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Hands out the wanted frames, counted from nought, in the film's order and their pixels made square. One frame is in
    /// memory at a time. After [`Error::Differs`] of the number of frames or their time, those handed out are good.
    ///
    /// # Errors
    /// When the film cannot be decoded within the limits, or is not what its header says.
    pub fn decode(
        &self,
        stored: &(impl Stored + ?Sized),
        header: &Header,
        wanted: &[u32],
        mut each: impl FnMut(u32, ColourImage),
    ) -> Result<(), Error> {
        let coding = coding::coding(header.transfer_syntax()).ok_or(pixels::Error::NoPixels)?;
        let film = Film::of(header)?;
        let mut wanted: Vec<u32> = wanted
            .iter()
            .copied()
            .filter(|frame| *frame < film.frames)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.truncate(MOST_FRAMES);
        let mut stream = Stream::open(stored, header)?;
        let mut head = Vec::new();
        let read = |source| Error::Read { source };
        Read::by_ref(&mut stream)
            .take(coding::HEAD as u64)
            .read_to_end(&mut head)
            .map_err(read)?;
        let container = coding.container(&head)?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_ended() {
            return Err(Error::Ended);
        }
        let mut command = confined::command(&self.program, &self.limits);
        ask_for_frames(&mut command, film, (coding, container), &wanted);
        let running = if container.seeks {
            command.stdin(Stdio::from(self.hold(&head, &mut stream)?));
            Running::start(command)?
        } else {
            command.stdin(Stdio::piped());
            let mut running = Running::start(command)?;
            running.feed(head, stream);
            running
        };
        let until = Until {
            time: self.limits.time,
            ended: &self.ended,
            frames: film.frames,
        };
        let mut wanted = wanted.into_iter();
        let listing = running.follow(until, &mut |reader| {
            while let Some(frame) = frames::next(reader, (film.width, film.height))? {
                let number = wanted.next().ok_or(Error::Damaged)?;
                each(number, squared(frame, header)?);
            }
            Ok(())
        })?;
        film.agrees(header, &listing)
    }

    /// The film in memory that no other process sees and no disk holds.
    fn hold(&self, head: &[u8], stream: &mut Stream) -> Result<File, Error> {
        if self.limits.held < stream.length() + head.len() as u64 {
            return Err(Error::TooLong);
        }
        let failed = |source: io::Error| Error::Read { source };
        let memory = memfd_create("film", MemfdFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
        let mut memory = File::from(memory);
        memory.write_all(head).map_err(failed)?;
        io::copy(stream, &mut memory).map_err(failed)?;
        Ok(memory)
    }
}

impl Film {
    fn of(header: &Header) -> Result<Self, pixels::Error> {
        let present = |value: Option<u16>, name| {
            value
                .filter(|value| *value != 0)
                .map(u32::from)
                .ok_or(pixels::Error::MissingAttribute { name })
        };
        let film = Self {
            width: present(header.columns(), "Columns")?,
            height: present(header.rows(), "Rows")?,
            frames: header.frames(),
        };
        let pixels = u64::from(film.width) * u64::from(film.height);
        if PIXEL_LIMIT < pixels {
            return Err(pixels::Error::TooLarge {
                pixels,
                limit: PIXEL_LIMIT,
            });
        }
        if film.frames == 0 {
            return Err(pixels::Error::MissingAttribute {
                name: "Number of Frames",
            });
        }
        Ok(film)
    }

    fn agrees(self, header: &Header, listing: &Listing) -> Result<(), Error> {
        if listing.frames != self.frames {
            return Err(Error::OTHER_NUMBER);
        }
        let said = header.decimal(tags::FRAME_TIME, tags::FRAME_TIME).or_else(|| {
            let rate = header.decimal(tags::CINE_RATE, tags::CINE_RATE);
            rate.filter(|rate| 0.0 < *rate).map(|rate| 1000.0 / rate)
        });
        match (said.filter(|said| 0.0 < *said), listing.frame_time_ms()) {
            (Some(said), Some(found)) if TIMES_AGREE * said < (said - found).abs() => Err(Error::Differs {
                what: "the time of a frame",
            }),
            _ => Ok(()),
        }
    }
}

/// Every frame is listed, the wanted ones are written. Of demuxers, decoders and protocols only those that are needed may be
/// opened, whatever the stream names.
fn ask_for_frames(
    command: &mut Command,
    film: Film,
    (coding, container): (Coding, Container),
    wanted: &[u32],
) {
    let most_pixels = (u64::from(film.width) + MARGIN) * (u64::from(film.height) + MARGIN);
    let (input, protocols) = match container.seeks {
        // By this name the program opens the memory it was given, and can move in it.
        true => ("/proc/self/fd/0", "file,pipe"),
        false => ("pipe:0", "pipe"),
    };
    command
        .args([
            "-nostdin",
            "-hide_banner",
            "-nostats",
            "-loglevel",
            "quiet",
            "-xerror",
        ])
        .args(["-protocol_whitelist", protocols])
        .args(["-format_whitelist", container.name])
        .args(["-codec_whitelist", coding.name()])
        .args(["-max_pixels", &most_pixels.to_string()])
        .args(["-max_streams", "16", "-threads", THREADS])
        .args(["-err_detect", "explode", "-noautorotate"])
        .args(["-f", container.name, "-c:v", coding.name(), "-i", input])
        .args(["-map", "0:V:0", "-vf", &filter(wanted)])
        .args(["-fps_mode", "passthrough", "-c:v", "ppm"])
        .args(["-f", "image2pipe", "pipe:1"])
        .args(["-map", "0:V:0", "-fps_mode", "passthrough"])
        .args(["-c:v", "wrapped_avframe", "-f", "framecrc", "pipe:2"]);
}

/// The wanted frames in red, green and blue by the colours the stream names (BT.601 where it names none), the same on every
/// machine.
fn filter(wanted: &[u32]) -> String {
    let wanted: Vec<String> = wanted.iter().map(|frame| format!("eq(n\\,{frame})")).collect();
    let select = match wanted.is_empty() {
        true => "0".to_owned(),
        false => wanted.join("+"),
    };
    format!(
        "select={select},scale=flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact,format=rgb24"
    )
}

fn version(program: &Path, limits: Limits) -> Result<String, Error> {
    let mut command = confined::command(program, &limits);
    command.arg("-version").stdin(Stdio::null());
    let until = Until {
        time: ASKED_FOR,
        ended: &AtomicBool::new(false),
        frames: 0,
    };
    let mut said = Vec::new();
    let unknown = Error::Program {
        reason: "it does not say the version of an ffmpeg",
    };
    let asked = Running::start(command)?.follow(until, &mut |reader: &mut BufReader<_>| {
        let read = reader.take(ANSWER).read_to_end(&mut said);
        read.map(drop).map_err(|source| Error::Read { source })
    });
    let first = said.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let version = first
        .strip_prefix(b"ffmpeg version ")
        .and_then(|rest| rest.split(|byte| *byte == b' ').next())
        .and_then(|version| str::from_utf8(version).ok());
    let printable = |version: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".+~:-_".contains(c);
        (1..=VERSION_LENGTH).contains(&version.len()) && version.chars().all(plain)
    };
    match (asked, version.filter(printable)) {
        (Ok(_), Some(version)) => Ok(version.to_owned()),
        _ => Err(unknown),
    }
}
