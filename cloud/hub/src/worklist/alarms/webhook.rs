use std::time::Duration;

use super::body;
use crate::Shutdown;
use crate::archive::{Archive, Error};
use crate::changes::Changes;
use crate::clock::now_ms;

/// Told at once.
const MOST: u32 = 64;

/// An address that does not answer in this time is asked again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// After a failure, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Without news, in case another hub wrote one.
const LOOK: Duration = Duration::from_secs(30);

/// Tells the configured address of critical cases that were not read in time: each alarm until the address has taken it, so
/// once or, after a crash in between, twice; its number tells.
///
/// The pages show the same, and the clinic's box hears of it as the case's state.
#[derive(Debug)]
pub(crate) struct Webhook {
    archive: Archive,
    changes: Changes,
    address: String,
}

/// Why an alarm was not taken. The address may hold a secret, so it stands nowhere.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error("the archive did not do it")]
    Archive(#[from] Error),
    #[error("the address did not take it: {reason}")]
    Address { reason: String },
}

impl Webhook {
    pub(crate) fn new(archive: Archive, changes: Changes, address: String) -> Self {
        Self {
            archive,
            changes,
            address,
        }
    }

    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut changes = self.changes.subscribe();
        let mut pause = FIRST_PAUSE;
        loop {
            changes.borrow_and_update();
            let told = self.tell().await;
            if let Err(error) = &told {
                tracing::error!(%error, "Somebody was not told of a critical case that is late; it is tried again.");
            }
            let failed = told.is_err();
            let wait = if failed { pause } else { LOOK };
            pause = if failed {
                (pause * 2).min(LONGEST_PAUSE)
            } else {
                FIRST_PAUSE
            };
            tokio::select! {
                () = shutdown.triggered() => return,
                // News do not shorten the pause after a failure: an address that is down stays down.
                _ = changes.changed(), if !failed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn tell(&self) -> Result<(), NotTold> {
        for alarm in self.archive.untold_alarms(MOST).await? {
            let (address, body) = (self.address.clone(), body(&alarm));
            let posted = tokio::task::spawn_blocking(move || post(&address, &body)).await;
            match posted {
                Ok(Ok(())) => self.archive.alarm_told(alarm.number, now_ms()).await?,
                Ok(Err(reason)) => return Err(NotTold::Address { reason }),
                Err(_) => {
                    return Err(NotTold::Address {
                        reason: "the attempt was cut off".to_owned(),
                    });
                }
            }
        }
        Ok(())
    }
}

fn post(address: &str, body: &str) -> Result<(), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .build()
        .into();
    match agent
        .post(address)
        .header("content-type", "application/json")
        .send(body)
    {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status().as_u16())),
        Err(ureq::Error::StatusCode(code)) => Err(format!("it answered {code}")),
        Err(ureq::Error::Timeout(_)) => Err("it did not answer in time".to_owned()),
        Err(_) => Err("it could not be reached".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use barefoot_domain::Tier;

    use super::*;
    use crate::archive::Alarm;

    /// Answers one request with `status` and returns what was asked.
    fn answer(listener: &TcpListener, status: &str) -> String {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut part = [0; 1024];
        while !String::from_utf8_lossy(&asked).contains("\"tier\"") {
            let read = stream.read(&mut part).unwrap();
            assert_ne!(read, 0, "the request ended early");
            asked.extend_from_slice(&part[..read]);
        }
        let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(reply.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    }

    fn alarm() -> Alarm {
        Alarm {
            number: 3,
            clinic: "clinic-7".into(),
            case: 12,
            tier: Tier::City,
            held: false,
            at_ms: 5,
        }
    }

    #[test]
    fn an_address_hears_which_case_is_late_and_its_refusal_is_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/hook?secret=s3cret", listener.local_addr().unwrap());
        let said = body(&alarm());
        let (there, text) = (address.clone(), said.clone());
        let taken = std::thread::spawn(move || post(&there, &text));
        let asked = answer(&listener, "204 No Content");
        assert_eq!(taken.join().unwrap(), Ok(()));
        assert!(
            asked.starts_with("POST /hook") && asked.ends_with(&said),
            "{asked}"
        );
        assert!(
            said.contains("\"case\":12") && said.contains("\"tier\":\"city\""),
            "{said}"
        );
        let refused = std::thread::spawn(move || post(&address, &said));
        answer(&listener, "503 Service Unavailable");
        assert_eq!(refused.join().unwrap(), Err("it answered 503".to_owned()));
    }

    #[test]
    fn an_address_nobody_has_is_not_named_in_the_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/?secret=s3cret", listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(post(&address, "{}"), Err("it could not be reached".to_owned()));
    }
}
