//! What breaks or blocks other receivers, against the box: each gets its answer, nobody else waits for it, and memory
//! stays below 100 MB. The box has no model here, so that its memory is the intake's.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use barefoot_test_support::CT_IMAGE;
use barefoot_test_support::daemons::{Edge, EdgeOptions, Region};
use barefoot_test_support::processes::memory_mib;
use barefoot_test_support::scanner::raw::{Error, Proposal, RawAssociation};
use barefoot_test_support::wait::wait_for;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::intake::{Sample, lone_box};
use crate::story::SOON;

const MOST_MIB: f64 = 100.0 * 1e6 / 1_048_576.0;

const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// What an attacker saw of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Aborted, rejected, or the connection closed.
    End,
    Status(u16),
    Silence,
}

impl From<Result<u16, Error>> for Heard {
    fn from(outcome: Result<u16, Error>) -> Self {
        match outcome {
            Ok(status) => Self::Status(status),
            Err(Error::Silent) => Self::Silence,
            Err(_) => Self::End,
        }
    }
}

fn proposal(calling: &str, transfer_syntax: &str) -> Proposal {
    let mut proposal = Proposal::new("BAREFOOT", calling).with(CT_IMAGE, transfer_syntax);
    proposal.timeout = SOON;
    proposal
}

fn store(
    address: &str,
    calling: &str,
    transfer_syntax: &str,
    sop_instance: &str,
    data_set: &[u8],
) -> Result<u16, Error> {
    let mut association = RawAssociation::open(address, &proposal(calling, transfer_syntax))?;
    let status = association.store(0, CT_IMAGE, sop_instance, data_set)?.status;
    association.release()?;
    Ok(status)
}

/// What comes back on a connection of which nothing more is expected but its end.
fn until_the_end(mut socket: TcpStream) -> Heard {
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut bytes = [0; 256];
    loop {
        match socket.read(&mut bytes) {
            Ok(0) => return Heard::End,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Heard::Silence,
            Err(_) => return Heard::End,
        }
    }
}

/// Writes raw bytes as the first words of a connection.
fn say(address: &str, bytes: &[u8]) -> Heard {
    let mut socket = TcpStream::connect(address).unwrap();
    // The box may have heard enough before the end.
    let _ = socket.write_all(bytes);
    until_the_end(socket)
}

struct Siege {
    edge: Edge,
    region: Region,
    honest: u32,
}

impl Siege {
    /// With timers of two seconds, so that their end is seen.
    async fn begin() -> Self {
        Self::with_timers("establish_timeout_s = 2\nidle_timeout_s = 2\n").await
    }

    async fn with_timers(timers: &str) -> Self {
        let region = Region::new().unwrap();
        let options = EdgeOptions {
            scanners: ["SIM_DR1", "HOSTILE", "IDLE_1", "IDLE_2", "IDLE_3", "IDLE_4"]
                .map(str::to_owned)
                .to_vec(),
            ..EdgeOptions::default()
        };
        let mut edge = lone_box(&region, options);
        let text = fs::read_to_string(edge.config()).unwrap();
        let title = "ae_title = \"BAREFOOT\"\n";
        assert!(text.contains(title));
        let patient = text.replacen(title, &format!("{title}{timers}"), 1);
        fs::write(edge.config(), patient).unwrap();
        edge.start().await.unwrap();
        Self {
            edge,
            region,
            honest: 0,
        }
    }

    fn address(&self) -> String {
        self.edge.address("dicom").unwrap().to_owned()
    }

    /// Another scanner's image is taken at once.
    async fn nobody_is_blocked(&mut self) {
        self.honest += 1;
        let sample = Sample::slice("honest", self.honest, 64, 0);
        let address = self.address();
        let stored = tokio::task::spawn_blocking(move || {
            store(
                &address,
                "SIM_DR1",
                EXPLICIT,
                &sample.sop_instance,
                &sample.data_set,
            )
        });
        assert_eq!(stored.await.unwrap().unwrap(), 0, "{}", self.edge.log());
    }

    /// Attacks while an honest scanner stores, and after.
    async fn attack(
        &mut self,
        name: &str,
        expected: &[Heard],
        attack: impl FnOnce(&str) -> Heard + Send + 'static,
    ) {
        let address = self.address();
        let attacking = tokio::task::spawn_blocking(move || attack(&address));
        self.nobody_is_blocked().await;
        let heard = attacking.await.unwrap();
        self.edge.check().unwrap();
        self.nobody_is_blocked().await;
        let peak = memory_mib(self.edge.pid().unwrap(), "VmHWM").unwrap();
        println!("{name}: {heard:?}, peak {peak:.1} MiB");
        assert!(
            expected.contains(&heard),
            "{name}: {heard:?}\n{}",
            self.edge.log()
        );
        assert!(peak < MOST_MIB, "{name}: {peak:.1} MiB");
    }

    /// Files whose data sets honest scanners did not send.
    fn kept(&self, folder: &str) -> usize {
        let all = count(&self.edge.state().join(folder), &|name| name.ends_with(".dcm"));
        if folder == "studies" {
            all - self.honest as usize
        } else {
            all
        }
    }
}

fn count(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let here = usize::from(wanted(&entry.file_name().to_string_lossy()));
            here + count(&entry.path(), wanted)
        })
        .sum()
}

/// The data set with another SOP Instance UID.
fn renamed(data_set: &[u8], uid: &str) -> Vec<u8> {
    let tag = b"\x08\x00\x18\x00UI";
    let at = data_set.windows(6).position(|bytes| bytes == tag).unwrap();
    let old = usize::from(u16::from_le_bytes([data_set[at + 6], data_set[at + 7]]));
    let mut value = uid.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(0);
    }
    let mut bytes = data_set[..at + 6].to_vec();
    bytes.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
    bytes.extend(value);
    bytes.extend_from_slice(&data_set[at + 8 + old..]);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_slowness_end_and_block_nobody() {
    let mut siege = Siege::begin().await;
    siege
        .attack("a silent connection", &[Heard::End], |address| {
            until_the_end(TcpStream::connect(address).unwrap())
        })
        .await;
    siege
        .attack(
            "an association asked for byte by byte",
            &[Heard::End],
            |address| {
                let mut socket = TcpStream::connect(address).unwrap();
                let mut request = vec![0x01, 0, 0, 0, 0, 200];
                request.resize(206, b' ');
                for byte in request {
                    // The attack is the pause.
                    std::thread::sleep(Duration::from_millis(100));
                    if socket.write_all(&[byte]).is_err() {
                        return Heard::End;
                    }
                }
                until_the_end(socket)
            },
        )
        .await;
    siege
        .attack("an association that says nothing", &[Heard::End], |address| {
            let mut association = RawAssociation::open(address, &proposal("HOSTILE", EXPLICIT)).unwrap();
            Heard::from(association.answer().map(|answer| answer.status))
        })
        .await;
    siege
        .attack(
            "a data set that stops in the middle of a PDU",
            &[Heard::End],
            |address| {
                let sample = Sample::slice("slow", 1, 512, 0);
                let mut association = RawAssociation::open(address, &proposal("HOSTILE", EXPLICIT)).unwrap();
                let message = association.prepare(0, CT_IMAGE, &sample.sop_instance, &sample.data_set);
                let half = message.bytes().len() / 2;
                association.write(&message.bytes()[..half]).unwrap();
                Heard::from(association.answer().map(|answer| answer.status))
            },
        )
        .await;
    assert_eq!(siege.kept("studies"), 0);
    let cleared = wait_for("the intake to be empty", SOON, async || {
        match count(&siege.edge.state().join("intake"), &|_| true) {
            0 => Ok(()),
            left => Err(left),
        }
    });
    cleared.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_wild_lengths_end_the_connection_only() {
    let mut siege = Siege::begin().await;
    siege
        .attack("a browser", &[Heard::End], |address| {
            say(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        })
        .await;
    siege
        .attack("4 KB of noise", &[Heard::End], |address| {
            say(address, &[0xFF; 4096])
        })
        .await;
    siege
        .attack("64 MB of a request of 4 GiB", &[Heard::End], |address| {
            let mut bytes = vec![0x01, 0, 0xFF, 0xFF, 0xFF, 0xFF];
            bytes.resize(64 << 20, 0);
            say(address, &bytes)
        })
        .await;
    siege
        .attack("64 MB of a P-DATA of 4 GiB", &[Heard::End], |address| {
            let mut association = RawAssociation::open(address, &proposal("HOSTILE", EXPLICIT)).unwrap();
            let mut bytes = vec![0x04, 0, 0xFF, 0xFF, 0xFF, 0xFF];
            bytes.resize(64 << 20, 0);
            let _ = association.write(&bytes);
            Heard::from(association.answer().map(|answer| answer.status))
        })
        .await;
    siege
        .attack("a value longer than its PDU", &[Heard::End], |address| {
            let mut association = RawAssociation::open(address, &proposal("HOSTILE", EXPLICIT)).unwrap();
            let _ = association.write(&[0x04, 0, 0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xF0, 1, 3, 0, 0]);
            Heard::from(association.answer().map(|answer| answer.status))
        })
        .await;
    siege
        .attack("noise inside an association", &[Heard::End], |address| {
            let mut association = RawAssociation::open(address, &proposal("HOSTILE", EXPLICIT)).unwrap();
            let mut random = StdRng::seed_from_u64(7);
            let noise: Vec<u8> = (0..100_000).map(|_| random.random()).collect();
            let _ = association.write(&noise);
            Heard::from(association.answer().map(|answer| answer.status))
        })
        .await;
    assert_eq!(siege.kept("studies"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_sets_that_cannot_be_read_are_quarantined() {
    let mut siege = Siege::begin().await;
    let understood = [Heard::Status(0xC000)];
    siege
        .attack("20 KB of junk as a data set", &understood, |address| {
            let mut random = StdRng::seed_from_u64(1);
            let junk: Vec<u8> = (0..20_000).map(|_| random.random()).collect();
            store(address, "HOSTILE", EXPLICIT, "1.2.3", &junk).into()
        })
        .await;
    for (what, syntax) in [
        ("implicit", IMPLICIT),
        ("big endian", BIG_ENDIAN),
        ("deflated", DEFLATED),
    ] {
        let name = format!("explicit little endian sent as {what}");
        siege
            .attack(&name, &understood, move |address| {
                let sample = Sample::slice("misencoded", 1, 40, 0);
                store(address, "HOSTILE", syntax, &sample.sop_instance, &sample.data_set).into()
            })
            .await;
    }
    siege
        .attack("values longer than all that follows", &understood, |address| {
            // A deep sequence of undefined length, then an element of 4 GiB.
            let mut bytes = [
                &b"\x08\x00\x40\x11SQ\0\0\xFF\xFF\xFF\xFF"[..],
                b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF",
            ]
            .concat()
            .repeat(5_000);
            bytes.extend_from_slice(b"\x10\x00\x10\x00UN\0\0\xFE\xFF\xFF\xFFABCD");
            store(address, "HOSTILE", EXPLICIT, "1.2.4", &bytes).into()
        })
        .await;
    assert_eq!(siege.kept("studies"), 0);
    assert_eq!(
        siege.kept("quarantine"),
        5,
        "each is there for a person to look at"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lie_or_climb_do_no_harm() {
    let mut siege = Siege::begin().await;
    let sample = Sample::slice("names", 1, 64, 0);
    for uid in ["../pwned", "../../../../pwned", "/pwned", "pwned\u{1}"] {
        let data_set = renamed(&sample.data_set, uid);
        // Kept under a hash or refused: both do.
        let expected = [0x0000, 0xA900, 0xC000].map(Heard::Status);
        let name = format!("an instance called {uid:?}");
        siege
            .attack(&name, &expected, move |address| {
                store(address, "HOSTILE", EXPLICIT, uid, &data_set).into()
            })
            .await;
    }
    assert_eq!(count(siege.region.folder(), &|name| name.contains("pwned")), 0);
    assert!(!Path::new("/pwned").exists());
    let before = siege.kept("studies");

    let data_set = sample.data_set.clone();
    siege
        .attack(
            "a request for another instance than its data set's",
            &[Heard::Status(0xA900)],
            {
                let data_set = data_set.clone();
                move |address| store(address, "HOSTILE", EXPLICIT, "1.2.3.4", &data_set).into()
            },
        )
        .await;
    assert_eq!(siege.kept("studies"), before, "what lies is not kept");

    let other = Sample::slice("names", 1, 64, 1);
    assert_eq!(other.sop_instance, sample.sop_instance);
    for (version, kept) in [(&sample, 1), (&other, 2), (&other, 2), (&sample, 2)] {
        let (name, data_set) = (version.sop_instance.clone(), version.data_set.clone());
        siege
            .attack(
                "the same identifier, other pixels",
                &[Heard::Status(0)],
                move |address| store(address, "HOSTILE", EXPLICIT, &name, &data_set).into(),
            )
            .await;
        assert_eq!(siege.kept("studies"), before + kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_idle_associations_stop_no_scanner() {
    let mut siege = Siege::with_timers("").await;
    let address = siege.address();
    let idle = tokio::task::spawn_blocking(move || {
        let connections: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(&address).unwrap()).collect();
        let associations: Vec<RawAssociation> = (0..500)
            .map(|number| {
                let calling = format!("IDLE_{}", number % 4 + 1);
                RawAssociation::open(&address, &proposal(&calling, EXPLICIT)).unwrap()
            })
            .collect();
        (connections, associations)
    });
    let held = idle.await.unwrap();
    for _ in 0..20 {
        siege.nobody_is_blocked().await;
    }
    let peak = memory_mib(siege.edge.pid().unwrap(), "VmHWM").unwrap();
    println!("500 idle associations and 200 silent connections: peak {peak:.1} MiB");
    assert!(peak < MOST_MIB, "{peak:.1} MiB");
    drop(held);
}
