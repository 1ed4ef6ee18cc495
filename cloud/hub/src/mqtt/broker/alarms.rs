//! Alarms to the broker, in a session of their own: what the broker says to a message is heard by whoever sent it.

use std::time::Duration;

use barefoot_wire::topics;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use tokio::time::timeout;

use crate::Shutdown;
use crate::archive::Error;
use crate::worklist::alarms::{AlarmFeed, Published};

pub(super) const CLIENT_ID: &str = "_hub-alarms";

/// A broker that does not answer in this time is asked again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// After a failure, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Without news, in case another hub wrote one.
const LOOK: Duration = Duration::from_secs(30);

/// Connects when there is an alarm that nobody has taken, and leaves when all are.
#[derive(Debug)]
pub(super) struct AlarmPublisher {
    pub(super) options: MqttOptions,
    pub(super) feed: AlarmFeed,
}

/// Why an alarm was not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("the archive did not do it")]
    Archive(#[from] Error),
    #[error("the connection failed")]
    Connection { source: Box<ConnectionError> },
    #[error("the broker did not answer in time")]
    Silent,
    #[error("the broker refused it ({reason:?}): its rules must let _hub write on {topic}")]
    Refused { reason: PubAckReason, topic: String },
    #[error("nobody listens at the broker on {topic}")]
    Nobody { topic: String },
}

impl AlarmPublisher {
    pub(super) async fn run(&self, shutdown: &Shutdown) {
        let mut changes = self.feed.changed();
        let mut pause = FIRST_PAUSE;
        loop {
            changes.borrow_and_update();
            let published = tokio::select! {
                () = shutdown.triggered() => return,
                published = self.publish() => published,
            };
            if let Err(error) = &published {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, cause, "Nobody was told by MQTT of a critical case that is late; it is tried again.");
            }
            let failed = published.is_err();
            let wait = if failed { pause } else { LOOK };
            pause = if failed {
                (pause * 2).min(LONGEST_PAUSE)
            } else {
                FIRST_PAUSE
            };
            tokio::select! {
                () = shutdown.triggered() => return,
                // News do not shorten the pause after a failure: a broker that is down stays down.
                _ = changes.changed(), if !failed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn publish(&self) -> Result<(), NotTaken> {
        let mut untaken = self.feed.untaken().await?;
        if untaken.is_empty() {
            return Ok(());
        }
        let (client, mut events) = AsyncClient::new(self.options.clone(), 4);
        while !untaken.is_empty() {
            for alarm in &untaken {
                let handed_over = hand_over(&client, &mut events, alarm);
                timeout(PATIENCE, handed_over)
                    .await
                    .map_err(|_| NotTaken::Silent)??;
                self.feed.taken(alarm.number).await?;
            }
            untaken = self.feed.untaken().await?;
        }
        let farewell = async {
            if client.disconnect().await.is_ok() {
                while events.poll().await.is_ok() {}
            }
        };
        let _ = timeout(PATIENCE, farewell).await;
        Ok(())
    }
}

/// Returns when the broker has it, and somebody listens there.
async fn hand_over(client: &AsyncClient, events: &mut EventLoop, alarm: &Published) -> Result<(), NotTaken> {
    let topic = topics::region_alarm();
    let sent = client
        .publish(topic.as_str(), QoS::AtLeastOnce, false, alarm.payload.clone())
        .await;
    if sent.is_err() {
        return Err(NotTaken::Silent);
    }
    loop {
        let event = events.poll().await.map_err(|source| NotTaken::Connection {
            source: Box::new(source),
        })?;
        // One is on its way at a time.
        if let Event::Incoming(Packet::PubAck(ack)) = event {
            return match ack.reason {
                PubAckReason::Success => Ok(()),
                PubAckReason::NoMatchingSubscribers => Err(NotTaken::Nobody { topic }),
                reason => Err(NotTaken::Refused { reason, topic }),
            };
        }
    }
}
