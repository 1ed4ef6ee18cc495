use std::convert::Infallible;
use std::io;
use std::sync::Mutex;

use barefoot_trust::{Authority, TlsPaths};
use time::OffsetDateTime;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

#[derive(Default)]
struct InMemory {
    entries: Mutex<Vec<Logged>>,
    mark: Mutex<Option<Mark>>,
}

impl InMemory {
    fn grow(&self, count: u64) {
        let mut entries = self.entries.lock().unwrap();
        let begin = entries.len() as u64;
        entries.extend((begin + 1..=begin + count).map(|number| Logged {
            entry: AuditEntry {
                number,
                actor_kind: "console".to_owned(),
                action: "search".to_owned(),
                ..AuditEntry::default()
            },
            hash: [1; 32],
        }));
    }
}

impl Log for Arc<InMemory> {
    type Error = Infallible;

    async fn behind(&self, number: u64, most: usize) -> Result<Vec<Logged>, Infallible> {
        let entries = self.entries.lock().unwrap();
        let new = entries.iter().filter(|logged| number < logged.entry.number);
        Ok(new.take(most).cloned().collect())
    }

    async fn newest(&self) -> Result<u64, Infallible> {
        Ok(self.entries.lock().unwrap().len() as u64)
    }

    async fn mark(&self) -> Result<Option<Mark>, Infallible> {
        Ok(*self.mark.lock().unwrap())
    }

    async fn keep(&self, mark: Mark) -> Result<(), Infallible> {
        *self.mark.lock().unwrap() = Some(mark);
        Ok(())
    }
}

struct Region {
    _folder: tempfile::TempDir,
    own: TlsIdentity,
    repository: TlsIdentity,
}

impl Region {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (path, now) = (folder.path(), OffsetDateTime::now_utc());
        let authority = Authority::create(path, "Test region", now).unwrap();
        let month = time::Duration::days(30);
        for name in ["own", "repository"] {
            let issued = authority.issue_hub(&["127.0.0.1".into()], now, month);
            issued.unwrap().save(path, name).unwrap();
        }
        let load = |name: &str| {
            TlsIdentity::load(&TlsPaths {
                authority: path.join("authority.crt"),
                certificate: path.join(format!("{name}.crt")),
                key: path.join(format!("{name}.key")),
            })
            .unwrap()
        };
        Self {
            own: load("own"),
            repository: load("repository"),
            _folder: folder,
        }
    }

    fn forwarding(&self, log: &Arc<InMemory>, port: u16) -> Forwarding<Arc<InMemory>> {
        let config = Config {
            address: format!("127.0.0.1:{port}"),
            authority: None,
            certificate: None,
            key: None,
            site: None,
            max_backoff_s: 1,
        };
        Forwarding::new(
            Arc::clone(log),
            config,
            Source::of_hub(),
            &self.own,
            Standing::default(),
        )
        .unwrap()
    }
}

/// Numbers of the entries in what came.
fn numbers(text: &str) -> Vec<u64> {
    let begin = "urn:barefoot:audit:hub:";
    let found = text.match_indices(begin);
    found
        .map(|(at, _)| {
            let rest = &text[at + begin.len()..];
            rest.split('"').next().unwrap().parse().unwrap()
        })
        .collect()
}

/// Reads everything of one connection; a broken one after so many bytes is dropped with what it had not read.
async fn take(listener: &TcpListener, tls: &TlsIdentity, breaks_after: Option<usize>) -> io::Result<String> {
    let (tcp, _) = listener.accept().await?;
    let acceptor = TlsAcceptor::from(tls.server_config().unwrap());
    let mut stream = acceptor.accept(tcp).await?;
    let (mut text, mut piece) = (Vec::new(), vec![0; 4096]);
    loop {
        let count = stream.read(&mut piece).await?;
        text.extend_from_slice(&piece[..count]);
        if count == 0 || breaks_after.is_some_and(|most| most <= text.len()) {
            return Ok(String::from_utf8(text).unwrap());
        }
    }
}

#[tokio::test]
async fn what_broke_off_is_told_again_and_nothing_is_left_out() {
    let region = Region::new();
    let log = Arc::new(InMemory::default());
    log.grow(2500);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let forwarding = region.forwarding(&log, listener.local_addr().unwrap().port());
    let standing = forwarding.standing.clone();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(forwarding.run(shutdown.clone()));
    let broken = take(&listener, &region.repository, Some(50_000)).await.unwrap();
    assert!(!numbers(&broken).is_empty());
    let mut all = Vec::new();
    while all.len() < 2500 {
        let came = numbers(&take(&listener, &region.repository, None).await.unwrap());
        assert!(came.len() <= MOST, "a connection carries {}", came.len());
        all.extend(came);
    }
    assert_eq!(
        all,
        (1..=2500).collect::<Vec<_>>(),
        "in order, from where the last one ended"
    );
    log.grow(1);
    let later = take(&listener, &region.repository, None).await.unwrap();
    assert_eq!(numbers(&later), [2501]);
    shutdown.cancel();
    running.await.unwrap();
    assert!(1 <= standing.view().failures);
}

#[tokio::test]
async fn a_repository_that_is_a_stranger_is_told_nothing() {
    let (region, stranger) = (Region::new(), Region::new());
    let log = Arc::new(InMemory::default());
    log.grow(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let forwarding = region.forwarding(&log, listener.local_addr().unwrap().port());
    let (told, came) = tokio::join!(forwarding.tell(), take(&listener, &stranger.repository, None));
    assert!(chain(&told.unwrap_err()).contains("handshake"));
    assert!(came.is_err());
    assert_eq!(*log.mark.lock().unwrap(), None);
}

#[test]
fn pauses_grow_and_end() {
    let seconds: Vec<u64> = [1, 2, 3, 10, 40]
        .iter()
        .map(|failures| pause_after(*failures, 300).as_secs())
        .collect();
    assert_eq!(seconds, [1, 2, 4, 300, 300]);
}
