//! The door through its port: what passes it, and what a caller hears.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barefoot_domain::StudyUid;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::audit::PeerLog;
use crate::audit::tests_support::entries_in;
use crate::dimse::{Command, Session, element, field, status};
use crate::front_door::{Config, FrontDoor};
use crate::handoff::{InPlace, Incoming, Keeper, Kept, NotKept, Receiving, StudyInput, Verdict};
use crate::scanners::Scanners;
use crate::storage_scp::StorageScp;
use crate::upper_layer::{ConnectError, Ended, Proposal, Proposed, Roles, request};

const IMAGE: &str = "1.2.840.10008.5.1.4.1.1.7";
const VERIFICATION: &str = "1.2.840.10008.1.1";
const SYNTAX: &str = "1.2.840.10008.1.2.1";

/// Keeps data sets in memory, and refuses those that say so.
#[derive(Default, Clone)]
struct Shelf(Arc<Mutex<Vec<Vec<u8>>>>);

struct Coming {
    shelf: Shelf,
    bytes: Vec<u8>,
}

impl Receiving for Coming {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn finish(self: Box<Self>) -> Verdict {
        Box::pin(async move {
            if self.bytes.starts_with(b"full") {
                return Err(NotKept::OutOfSpace);
            }
            self.shelf.0.lock().unwrap().push(self.bytes);
            Ok(InPlace {
                kept: Kept::New,
                study: StudyUid::new("1.2.840.7").unwrap(),
            })
        })
    }
}

struct Site {
    address: SocketAddr,
    shelf: Shelf,
    inputs: mpsc::Receiver<StudyInput>,
    shutdown: CancellationToken,
    door: JoinHandle<()>,
    folder: TempDir,
}

async fn site(more: &str) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("listen = \"127.0.0.1:0\"\nae_title = \"BAREFOOT\"\n{more}");
    let config: Config = toml::from_str(&text).unwrap();
    config.check().unwrap();
    let scanners = Scanners::open(folder.path().join("s.json"), ["CT_1".to_owned()], false).unwrap();
    let shelf = Shelf::default();
    let keeping = shelf.clone();
    let keeper: Keeper = Arc::new(move |_: Incoming| {
        Box::new(Coming {
            shelf: keeping.clone(),
            bytes: Vec::new(),
        })
    });
    let log = PeerLog::for_tests(folder.path());
    let (studies, inputs) = mpsc::channel(64);
    let storage = StorageScp::new(config.keeps_private_classes(), keeper);
    let door = FrontDoor::bind(config, scanners, vec![Arc::new(storage)], studies, log)
        .await
        .unwrap();
    let shutdown = CancellationToken::new();
    Site {
        address: door.plain_addr().unwrap(),
        shelf,
        inputs,
        door: tokio::spawn(door.run(shutdown.clone())),
        shutdown,
        folder,
    }
}

impl Site {
    async fn call(&self, calling: &str, called: &str) -> Result<Session, ConnectError> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.address.port()))
            .await
            .unwrap();
        let context = |class: &str| Proposed {
            abstract_syntax: class.to_owned(),
            transfer_syntaxes: vec![SYNTAX.to_owned()],
        };
        let proposal = Proposal {
            calling_ae_title: calling.to_owned(),
            called_ae_title: called.to_owned(),
            contexts: vec![
                context(IMAGE),
                context(VERIFICATION),
                context("1.2.840.113619.4.26"),
            ],
            roles: vec![(IMAGE.to_owned(), Roles { scu: true, scp: true })],
            max_pdu: 16_384,
            timeout: Duration::from_secs(20),
        };
        let (connection, contexts) = request(Box::new(stream), &proposal).await?;
        Ok(Session::new(connection, contexts))
    }

    async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.door.await.unwrap();
        self.folder
    }
}

fn store(class: &str, instance: &str) -> Command {
    Command::request(field::C_STORE, 1)
        .with_uid(element::AFFECTED_SOP_CLASS_UID, class)
        .with_uid(element::AFFECTED_SOP_INSTANCE_UID, instance)
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_kept_as_sent_and_the_verdict_is_heard() {
    let mut site = site("").await;
    let mut session = site.call("CT_1", "BAREFOOT").await.unwrap();
    let image: Vec<u8> = (0..200_000u32).map(|n| n.to_be_bytes()[3]).collect();
    let (answer, _) = session
        .ask(1, &store(IMAGE, "1.2.3"), Some(&image), 0)
        .await
        .unwrap();
    assert_eq!(answer.status(), Some(status::SUCCESS));
    assert_eq!(
        answer.text(element::AFFECTED_SOP_INSTANCE_UID).as_deref(),
        Some("1.2.3")
    );
    let answer = session
        .send_stored(1, &store(IMAGE, "1.2.4"), image.as_slice())
        .await
        .unwrap();
    assert_eq!(answer.status(), Some(status::SUCCESS));
    assert!(*site.shelf.0.lock().unwrap() == [image.clone(), image]);
    let (full, _) = session
        .ask(1, &store(IMAGE, "1.2.5"), Some(b"full"), 0)
        .await
        .unwrap();
    assert_eq!(full.status(), Some(0xA700));
    let (other, _) = session
        .ask(1, &store("1.2.840.10008.5.1.4.1.1.2", "1.2.6"), Some(b"x"), 0)
        .await
        .unwrap();
    assert_eq!(other.status(), Some(0xA900), "not the class of its context");
    session.release().await.unwrap();
    assert!(matches!(
        site.inputs.recv().await,
        Some(StudyInput::AssociationEnded(_))
    ));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_not_offered_is_answered_and_the_association_goes_on() {
    let site = site("").await;
    let mut session = site.call("CT_1", "BAREFOOT").await.unwrap();
    let find = Command::request(field::C_FIND, 4);
    let (answer, _) = session.ask(1, &find, Some(b"a query"), 0).await.unwrap();
    assert_eq!(answer.status(), Some(status::UNRECOGNIZED_OPERATION));
    let (echo, _) = session
        .ask(3, &Command::request(field::C_ECHO, 5), None, 0)
        .await
        .unwrap();
    assert_eq!(echo.status(), Some(status::SUCCESS));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_come_in_hears_why() {
    let site = site("").await;
    for (calling, called, reason) in [
        ("CT_1", "SOMEBODY", "called ae title not recognized (permanent)"),
        (
            "STRANGER",
            "BAREFOOT",
            "calling ae title not recognized (permanent)",
        ),
    ] {
        let Err(ConnectError::Refused(heard)) = site.call(calling, called).await else {
            panic!("{calling} was let in to {called}");
        };
        assert_eq!(heard, reason);
    }
    site.stop().await;
}

/// What scanners did and who was turned away stands in the audit log.
#[tokio::test(flavor = "multi_thread")]
async fn each_association_and_each_refusal_is_an_entry() {
    let mut site = site("").await;
    let mut session = site.call("CT_1", "BAREFOOT").await.unwrap();
    for number in 0..5 {
        let request = store(IMAGE, &format!("1.2.{number}"));
        session.ask(1, &request, Some(b"image"), 0).await.unwrap();
    }
    session
        .ask(1, &store(IMAGE, "1.3"), Some(b"full"), 0)
        .await
        .unwrap();
    session.release().await.unwrap();
    assert!(matches!(
        site.inputs.recv().await,
        Some(StudyInput::AssociationEnded(_))
    ));
    for _ in 0..3 {
        assert!(site.call("STRANGER", "BAREFOOT").await.is_err());
    }
    let folder = site.stop().await;
    let said: Vec<_> = entries_in(folder.path())
        .into_iter()
        .map(|entry| (entry.actor, entry.action, entry.details))
        .collect();
    let expected = [
        ("CT_1@127.0.0.1", "store_begun", ""),
        ("CT_1@127.0.0.1", "stored", "5 images, 0 known before"),
        ("CT_1@127.0.0.1", "stored", "refused: 1 images"),
        (
            "STRANGER@127.0.0.1",
            "association_refused",
            "refused: it is not known here",
        ),
        (
            "@127.0.0.1",
            "association_refused",
            "refused: it is not known here, 2 times more since",
        ),
    ];
    let expected = expected.map(|(actor, action, details)| (actor.into(), action.into(), details.into()));
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn vendors_own_classes_are_kept_by_policy() {
    for (policy, contexts) in [("keep", 3), ("refuse", 2)] {
        let site = site(&format!("private_classes = \"{policy}\"")).await;
        let session = site.call("CT_1", "BAREFOOT").await.unwrap();
        assert_eq!(session.contexts().len(), contexts, "{policy}");
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_association_makes_room_and_a_stopping_door_says_goodbye() {
    let site = site("max_associations = 1").await;
    let mut forgotten = site.call("CT_1", "BAREFOOT").await.unwrap();
    // Until the first has rested long enough the second is turned away.
    let mut second = loop {
        if let Ok(session) = site.call("CT_1", "BAREFOOT").await {
            break session;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(matches!(forgotten.next().await, Err(Ended::Aborted)));
    site.shutdown.cancel();
    assert!(matches!(second.next().await, Err(Ended::Aborted)));
    site.stop().await;
}
