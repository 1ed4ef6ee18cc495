use barefoot_domain::ClinicId;
use tokio::task::JoinHandle;

use super::*;
use crate::archive::Archive;
use crate::changes::Changes;
use crate::ingest::Committer;
use crate::presence::Connection;

struct Hub {
    broker: Broker,
    committer: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

async fn hub() -> Hub {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open_with_keys(&dir.path().join("hub.sqlite"))
        .await
        .unwrap();
    let presence = Presence::new(Changes::new(), Connection::Unseen, [], []);
    let dispatch = Dispatch::new(archive.clone());
    let revocations = Revocations::open(archive.clone()).await.unwrap();
    let (ingest, committer) = Committer::new(archive, Changes::new(), dispatch.clone(), presence.clone());
    // Nothing is answered before `answer` asks for it, so places fill up.
    let broker = Broker {
        options: MqttOptions::new(CLIENT_ID, "localhost", 1),
        shown: String::new(),
        ingest,
        dispatch,
        presence,
        revocations,
        certificate: OwnCertificate::new(Vec::new),
        foreign: Seldom::default(),
        revoked: Seldom::default(),
        dropped: Seldom::default(),
        alarms: None,
        shutdown: Shutdown::new(),
    };
    Hub {
        broker,
        committer: tokio::spawn(committer.run()),
        _dir: dir,
    }
}

fn message(topic: &str, qos: QoS) -> Publish {
    let mut publish = Publish::new(topic, qos, "x", None);
    publish.pkid = u16::from(qos != QoS::AtMostOnce);
    publish
}

/// What the broker may send before it sees an acknowledgement, on whatever topics, and what anybody may flood it with.
#[tokio::test]
async fn no_clinic_gets_the_hub_off_the_line() {
    let hub = hub().await;
    let clinic = ClinicId::new("clinic-7").unwrap();
    let (result, foreign) = (topics::up_result(&clinic), "barefoot/v1/clinic-7/up/a/b");
    for topic in [foreign, &result] {
        let (taken, mut answering) = mpsc::channel(TAKEN);
        for _ in 0..3 * TAKEN {
            hub.broker
                .take(message(topic, QoS::AtMostOnce), &taken)
                .await
                .unwrap();
        }
        for _ in 0..IN_FLIGHT {
            hub.broker
                .take(message(topic, QoS::AtLeastOnce), &taken)
                .await
                .unwrap();
        }
        let mut to_acknowledge = 0;
        while let Ok(message) = answering.try_recv() {
            let (Taken::Foreign(publish) | Taken::Submitted { publish, .. }) = message;
            to_acknowledge += usize::from(publish.qos == QoS::AtLeastOnce);
        }
        assert_eq!(to_acknowledge, usize::from(IN_FLIGHT), "{topic}");
    }
    drop(hub.broker);
    hub.committer.await.unwrap();
}

#[tokio::test]
async fn a_broker_that_does_not_wait_for_acknowledgements_is_left() {
    let hub = hub().await;
    let (taken, _answering) = mpsc::channel(TAKEN);
    let mut ended = Ok(());
    for _ in 0..=TAKEN {
        ended = hub
            .broker
            .take(message("elsewhere", QoS::AtLeastOnce), &taken)
            .await;
    }
    assert!(matches!(ended, Err(Broken::Overrun)));
}
