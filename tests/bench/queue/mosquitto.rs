//! Mosquitto's own queue for a bridge whose other side is away: how much of what it acknowledged it has after a `kill -9`.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::{Figures, id, payload};
use crate::process::free_port;

const PROGRAMS: [&str; 3] = [
    "/usr/sbin/mosquitto",
    "/usr/bin/mosquitto",
    "/usr/local/sbin/mosquitto",
];
const PATIENCE: Duration = Duration::from_secs(20);
/// Nothing more came for so long: that was all.
const QUIET: Duration = Duration::from_secs(8);
/// What autosaving is given before the kill.
const AUTOSAVE: Duration = Duration::from_secs(3);
const IN_FLIGHT: usize = 100;

/// Killed when it goes out of use.
struct Broker(Child);

impl Broker {
    fn start(folder: &Path, config: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("mosquitto.conf");
        std::fs::write(&path, config)?;
        let program = PROGRAMS.iter().map(PathBuf::from).find(|path| path.is_file());
        let child = Command::new(program.context("Mosquitto is not installed")?)
            .arg("-c")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    fn kill9(mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn kill(folder: &Path, messages: usize, autosaves: bool) -> anyhow::Result<Figures> {
    let place = folder.join("mosquitto");
    let (near, far) = (free_port()?, free_port()?);
    let store = place.join("near");
    let autosave = match autosaves {
        true => "autosave_on_changes true\nautosave_interval 1\n",
        false => "",
    };
    let bridged = format!(
        "listener {near} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\npersistence_location {}/\n\
         max_queued_messages 0\nmax_inflight_messages 0\n{autosave}\
         connection region\naddress 127.0.0.1:{far}\ntopic # out 1\ncleansession false\nrestart_timeout 1\n",
        store.display()
    );
    let broker = Broker::start(&store, &bridged)?;
    publish(near, messages)?;
    if autosaves {
        std::thread::sleep(AUTOSAVE);
    }
    broker.kill9()?;

    let plain = format!("listener {far} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 0\n");
    let other_side = Broker::start(&place.join("far"), &plain)?;
    let mut listener = Client::connect(far, "listener")?;
    listener.subscribe()?;
    let broker = Broker::start(&store, &bridged)?;
    let arrived = listener.topics()?;
    drop((broker, other_side));
    std::fs::remove_dir_all(&place)?;
    let lost = messages - arrived.len().min(messages);
    Ok(Figures::from([("lost_after_kill".to_owned(), lost as f64)]))
}

/// Returns when each message has its PUBACK.
fn publish(port: u16, messages: usize) -> anyhow::Result<()> {
    let mut client = Client::connect(port, "publisher")?;
    let mut acknowledged = 0;
    for number in 0..messages {
        let identifier = u16::try_from(number % 60_000 + 1)?;
        client.publish(&id(number), identifier, &payload(number))?;
        if IN_FLIGHT <= number + 1 - acknowledged {
            client.expect(0x40)?;
            acknowledged += 1;
        }
    }
    while acknowledged < messages {
        client.expect(0x40)?;
        acknowledged += 1;
    }
    Ok(())
}

/// As much of MQTT 3.1.1 as this takes.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn connect(port: u16, name: &str) -> anyhow::Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
                Err(error) => return Err(error).context("Mosquitto does not listen"),
            }
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0];
        body.extend(text(name)?);
        client.send(0x10, &body)?;
        client.expect(0x20)?;
        Ok(client)
    }

    fn publish(&mut self, topic: &str, identifier: u16, payload: &[u8]) -> anyhow::Result<()> {
        let mut body = text(topic)?;
        body.extend(identifier.to_be_bytes());
        body.extend_from_slice(payload);
        // QoS 1.
        self.send(0x32, &body)
    }

    fn subscribe(&mut self) -> anyhow::Result<()> {
        let mut body = vec![0, 1];
        body.extend(text("#")?);
        body.push(0);
        self.send(0x82, &body)?;
        self.expect(0x90)
    }

    /// The topics of everything that comes until it is quiet. At QoS 0 nothing need be answered.
    fn topics(&mut self) -> anyhow::Result<HashSet<Vec<u8>>> {
        let mut topics = HashSet::new();
        self.stream.set_read_timeout(Some(QUIET))?;
        loop {
            let (kind, body) = match self.receive() {
                Ok(packet) => packet,
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    return Ok(topics);
                }
                Err(error) => return Err(error.into()),
            };
            if kind & 0xF0 == 0x30
                && let Some((length, rest)) = body.split_first_chunk::<2>()
            {
                let topic = rest
                    .get(..usize::from(u16::from_be_bytes(*length)))
                    .unwrap_or_default();
                // The bridge tells of itself, too.
                if topic.starts_with(b"01JD") {
                    topics.insert(topic.to_vec());
                }
            }
        }
    }

    fn expect(&mut self, wanted: u8) -> anyhow::Result<()> {
        match self.receive()?.0 & 0xF0 {
            kind if kind == wanted => Ok(()),
            other => bail!("Mosquitto sent {other:#x} where {wanted:#x} was due"),
        }
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> anyhow::Result<()> {
        let mut packet = vec![kind];
        let mut left = body.len();
        loop {
            let seven = u8::try_from(left % 128)?;
            left /= 128;
            packet.push(if left == 0 { seven } else { seven | 128 });
            if left == 0 {
                break;
            }
        }
        packet.extend_from_slice(body);
        Ok(self.stream.write_all(&packet)?)
    }

    fn receive(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut one = [0];
        self.stream.read_exact(&mut one)?;
        let [kind] = one;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            self.stream.read_exact(&mut one)?;
            let [byte] = one;
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 || 28 <= shift {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

fn text(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = u16::try_from(text.len())?.to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    Ok(bytes)
}
