//! The confined program while it runs: fed, read, and ended where it must be.

use std::io::{self, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::Error;
use super::listing::{self, Listing};
use super::stream::Stream;

/// How often it is asked whether whoever waits for it ends.
const PULSE: Duration = Duration::from_millis(100);
const CHUNK: usize = 64 * 1024;

pub(super) struct Running {
    child: Mutex<Child>,
    frames: ChildStdout,
    list: ChildStderr,
    input: Option<Input>,
}

/// What is still to be given to the program.
struct Input {
    stdin: ChildStdin,
    head: Vec<u8>,
    stream: Stream,
}

/// How long the program may take, and what else ends it.
#[derive(Clone, Copy)]
pub(super) struct Until<'a> {
    pub(super) time: Duration,
    pub(super) ended: &'a AtomicBool,
    /// Frames it may list.
    pub(super) frames: u32,
}

/// Ends the program, and remembers why: the first reason counts.
struct Ender<'a> {
    child: &'a Mutex<Child>,
    why: Mutex<Option<Error>>,
}

impl Running {
    pub(super) fn start(mut command: Command) -> Result<Self, Error> {
        let mut child = command.spawn().map_err(|source| Error::Start { source })?;
        match (child.stdout.take(), child.stderr.take()) {
            (Some(frames), Some(list)) => Ok(Self {
                child: Mutex::new(child),
                frames,
                list,
                input: None,
            }),
            _ => Err(Error::Damaged),
        }
    }

    /// Gives it this by its pipe, from now on.
    pub(super) fn feed(&mut self, head: Vec<u8>, stream: Stream) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.input = child.stdin.take().map(|stdin| Input { stdin, head, stream });
    }

    /// Waits for its end. What it writes is taken on this thread.
    pub(super) fn follow(
        self,
        until: Until<'_>,
        take: &mut dyn FnMut(&mut BufReader<ChildStdout>) -> Result<(), Error>,
    ) -> Result<Listing, Error> {
        let Self {
            child,
            frames,
            list,
            input,
        } = self;
        let ender = Ender {
            child: &child,
            why: Mutex::default(),
        };
        let (over, is_over) = mpsc::sync_channel::<()>(0);
        let deadline = Instant::now() + until.time;
        let listing = thread::scope(|scope| {
            let ender = &ender;
            scope.spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = is_over.recv_timeout(PULSE) {
                    if until.ended.load(Ordering::Relaxed) {
                        ender.end(Error::Ended);
                    } else if deadline <= Instant::now() {
                        ender.end(Error::TooSlow);
                    }
                }
            });
            if let Some(input) = input {
                scope.spawn(move || {
                    if let Err(source) = input.feed() {
                        ender.end(Error::Read { source });
                    }
                });
            }
            let listed = scope.spawn(move || {
                let listing = listing::read(&mut BufReader::new(list), until.frames);
                match listing {
                    None => ender.end(Error::Damaged),
                    Some(listing) if until.frames < listing.frames => ender.end(Error::OTHER_NUMBER),
                    Some(_) => {}
                }
                listing
            });
            if let Err(error) = take(&mut BufReader::with_capacity(CHUNK, frames)) {
                ender.end(error);
            }
            let well = loop {
                match ender.has_ended_well() {
                    Some(well) => break well,
                    None => thread::sleep(PULSE / 10),
                }
            };
            drop(over);
            listed.join().ok().flatten().filter(|_| well)
        });
        let why = ender.why.into_inner().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => Err(why),
            None => listing.ok_or(Error::Damaged),
        }
    }
}

impl Ender<'_> {
    fn end(&self, why: Error) {
        let mut known = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert(why);
        drop(known);
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Once it was waited for, its number may be another's.
        if let Ok(None) = child.try_wait() {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        }
    }

    /// `None` while it runs.
    fn has_ended_well(&self) -> Option<bool> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        match child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.success()),
            Err(_) => Some(false),
        }
    }
}

impl Input {
    /// # Errors
    /// When the film cannot be read. A program that takes no more is none.
    fn feed(mut self) -> io::Result<()> {
        let mut chunk = self.head;
        loop {
            if self.stdin.write_all(&chunk).is_err() {
                return Ok(());
            }
            chunk.resize(CHUNK, 0);
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            chunk.truncate(count);
        }
    }
}
