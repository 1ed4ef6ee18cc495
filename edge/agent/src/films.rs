//! Films (MPEG-2, H.264, HEVC): the program that decodes them, as the site chose it, and what a film is looked at for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::{QualityProblem, QualityVerdict};
use barefoot_imaging::header::Header;
use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::quality::{self, FrameLook, Kind};
use barefoot_imaging::video::{self, Decoder, Limits};
use serde::Deserialize;

use crate::at_rest;
use crate::error_chain::chain;

const MIB: u64 = 1024 * 1024;

/// How films are decoded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The program ffmpeg, version 5.1 or later; an absolute path. Default /usr/bin/ffmpeg. Where it is missing, studies with
    /// films go to review, and the page says what to install.
    #[serde(default = "default_program")]
    pub program: PathBuf,
    /// Seconds one film may take, 1 to 3600. Default 120. Other studies do not wait for it.
    #[serde(default = "default_deadline_s")]
    pub deadline_s: u64,
    /// MiB of address space the program may use, 256 to 65536. Default 1024.
    #[serde(default = "default_memory_mib")]
    pub memory_mib: u64,
    /// MiB a film may have that must lie in memory whole while it is decoded (MP4), 1 to 65536. Default 512.
    #[serde(default = "default_held_mib")]
    pub held_mib: u64,
}

fn default_program() -> PathBuf {
    PathBuf::from("/usr/bin/ffmpeg")
}

fn default_deadline_s() -> u64 {
    120
}

fn default_memory_mib() -> u64 {
    1024
}

fn default_held_mib() -> u64 {
    512
}

impl Default for Config {
    fn default() -> Self {
        Self {
            program: default_program(),
            deadline_s: default_deadline_s(),
            memory_mib: default_memory_mib(),
            held_mib: default_held_mib(),
        }
    }
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if !self.program.is_absolute() {
            return Err("[video] program must be an absolute path".to_owned());
        }
        let within = [
            ("deadline_s", self.deadline_s, 1..=3600),
            ("memory_mib", self.memory_mib, 256..=65536),
            ("held_mib", self.held_mib, 1..=65536),
        ];
        for (key, value, range) in within {
            if !range.contains(&value) {
                let (least, most) = (range.start(), range.end());
                return Err(format!("[video] {key} must lie between {least} and {most}"));
            }
        }
        Ok(())
    }
}

/// What decodes films here, or nothing. Cheap to clone; all clones decode one film at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Films {
    decoder: Option<Arc<Decoder>>,
}

/// What was seen of a film.
#[derive(Debug)]
pub(crate) struct Film {
    /// Its middle frame, or in words why there is none.
    pub(crate) image: Result<Arc<GrayImage>, String>,
    pub(crate) verdict: QualityVerdict,
}

impl Films {
    /// Asks the program who it is, and says what came of it. Blocking.
    pub(crate) fn open(config: &Config) -> Self {
        let limits = Limits {
            time: Duration::from_secs(config.deadline_s),
            memory: config.memory_mib * MIB,
            held: config.held_mib * MIB,
        };
        match Decoder::find(&config.program, limits) {
            Ok(decoder) => {
                tracing::info!(version = decoder.version(), "Films are decoded by ffmpeg.");
                Self {
                    decoder: Some(Arc::new(decoder)),
                }
            }
            Err(error) => {
                tracing::warn!(
                    program = %config.program.display(),
                    error = chain(&error),
                    "Films (MPEG-2, H.264, HEVC) cannot be decoded: install the package ffmpeg. Studies with films go to review."
                );
                Self::default()
            }
        }
    }

    /// Of the program; `None` where there is none.
    pub(crate) fn version(&self) -> Option<&str> {
        self.decoder.as_ref().map(|decoder| decoder.version())
    }

    /// Ends what is being decoded.
    pub(crate) fn end(&self) {
        if let Some(decoder) = &self.decoder {
            decoder.end();
        }
    }

    /// Whether it was ended: what came of a film then says nothing of it.
    pub(crate) fn is_ended(&self) -> bool {
        self.decoder.as_ref().is_some_and(|decoder| decoder.is_ended())
    }

    /// Decodes a film once for all that is asked of it. Blocking, for as long as one film may take and those before it.
    pub(crate) fn look(&self, path: &Path, header: &Header) -> Film {
        let frames = header.frames();
        let middle = frames / 2;
        let looked_at = quality::frames_to_look_at(frames);
        let mut wanted = looked_at.clone();
        wanted.push(middle);
        let (mut image, mut looks) = (None, Vec::new());
        let decoder = self.decoder.as_ref().ok_or(video::Error::NoProgram);
        let decoded = decoder.and_then(|decoder| {
            decoder.decode(&at_rest::stored(path), header, &wanted, |number, frame| {
                if looked_at.contains(&number) {
                    looks.push(FrameLook::of_film(&frame));
                }
                if number == middle {
                    image = Some(frame.brightness(frames));
                }
            })
        });
        let verdict = match &decoded {
            Ok(()) if Kind::of(header) == Kind::Ultrasound => quality::frames(&looks),
            Ok(()) => quality::frames(&[]),
            Err(error) => {
                tracing::warn!(error = chain(error), "A film was not decoded as it should be.");
                quality::unusable(problem(error))
            }
        };
        let image = match (decoded, image) {
            (Ok(()) | Err(video::Error::Differs { .. }), Some(image)) => Ok(Arc::new(image)),
            (Err(error), _) => Err(chain(&error)),
            (Ok(()), None) => Err("the film has no middle frame".to_owned()),
        };
        Film { image, verdict }
    }
}

fn problem(error: &video::Error) -> QualityProblem {
    match error {
        error if error.lacks_a_program() => QualityProblem::NoVideoDecoder,
        video::Error::Differs { .. } => QualityProblem::VideoDiffers,
        _ => QualityProblem::Undecodable,
    }
}

impl Film {
    /// One there is no time for.
    pub(crate) fn left_out() -> Self {
        Self {
            image: Err("too many films wait to be decoded".to_owned()),
            verdict: quality::undecodable(),
        }
    }
}
