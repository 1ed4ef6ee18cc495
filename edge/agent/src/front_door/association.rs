//! One association from request to end: who may come in, and which service answers what.

use std::sync::{Arc, OnceLock};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::refusals::Refusals;
use super::registry::Place;
use super::{Config, LAST_WORD, Origin};
use crate::audit::{Actor, Acts, PeerLog};
use crate::clock::now_ms;
use crate::dicom_tls::is_shown;
use crate::dimse::{Call, Caller, Message, Service, Session, status};
use crate::handoff::AssociationId;
use crate::scanners::Scanners;
use crate::upper_layer::{
    AbortReason, Asked, Ended, Offered, Offers, Refusal, Stream, await_request, is_ae_title,
};

/// What all associations share.
pub(super) struct House {
    pub(super) config: Config,
    pub(super) scanners: Scanners,
    pub(super) services: Vec<Arc<dyn Service>>,
    pub(super) log: PeerLog,
    pub(super) refusals: Refusals,
}

impl Offers for House {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        self.services
            .iter()
            .find_map(|service| service.offer(abstract_syntax))
    }
}

/// Serves one connection until release, abort or error.
pub(super) async fn serve(
    stream: Box<dyn Stream>,
    from: Origin,
    id: AssociationId,
    house: &House,
    place: &Place,
    done: &OnceLock<Acts>,
    shutdown: &CancellationToken,
) -> Result<(), Ended> {
    let config = &house.config;
    let asked = tokio::select! {
        asked = await_request(stream, config.max_pdu_bytes, config.establish_timeout()) => asked?,
        () = place.cut().cancelled() => return Ok(()),
    };
    if let Err((refusal, why)) = house.admit(&asked, from, place) {
        let calling = printable(asked.calling_ae_title());
        house.refusals.note(&calling, from.address, why).await;
        // Kept until the caller closes, so that the refusal is not lost to a reset.
        asked.refuse(refusal).await?.close(LAST_WORD).await;
        return Ok(());
    }
    let ae_title = asked.calling_ae_title().to_owned();
    let address = from.address.to_string();
    let node = Actor::node(&printable(&ae_title), &address, from.certificate.as_ref());
    let acts = done.get_or_init(|| house.log.acts_of(node)).clone();
    let caller = Caller {
        association: id,
        ae_title,
        acts,
    };
    let (connection, contexts) = asked
        .accept(house, config.max_pdu_bytes, config.idle_timeout())
        .await?;
    let mut session = Session::new(connection, contexts);
    let ended = messages(&mut session, &caller, house, place, shutdown).await;
    let mut connection = session.into_connection();
    if !matches!(ended, Ended::Released) {
        connection.abort(AbortReason::ReasonNotSpecified, "").await;
    }
    connection.close(LAST_WORD).await;
    match ended {
        Ended::Released => Ok(()),
        ended => Err(ended),
    }
}

async fn messages(
    session: &mut Session,
    caller: &Caller,
    house: &House,
    place: &Place,
    shutdown: &CancellationToken,
) -> Ended {
    loop {
        place.set_idle(Some(Instant::now()));
        let message = tokio::select! {
            message = session.next() => message,
            () = place.cut().cancelled() => return Ended::Violation("it was idle and its place was needed"),
            () = shutdown.cancelled() => return Ended::Violation("the daemon stops"),
        };
        place.set_idle(None);
        let outcome = match message {
            Ok(message) => house.answer(session, caller, message).await,
            Err(ended) => Err(ended),
        };
        if let Err(ended) = outcome {
            return ended;
        }
        caller.acts.write_if_due().await;
    }
}

impl House {
    /// Why not is said for the audit log too.
    fn admit(&self, asked: &Asked, from: Origin, place: &Place) -> Result<(), (Refusal, &'static str)> {
        asked
            .check()
            .map_err(|refusal| (refusal, "what it asks for is no association of DICOM"))?;
        let address = from.address;
        let (calling, called) = (asked.calling_ae_title(), asked.called_ae_title());
        if called != self.config.ae_title {
            tracing::warn!(
                scanner = %printable(calling),
                called = %printable(called),
                ours = self.config.ae_title,
                %address,
                "An association for another AE title was refused; correct the scanner's settings."
            );
            return Err((Refusal::CalledAeTitle, "it called another AE title"));
        }
        if !is_ae_title(calling) || !self.scanners.admit(calling, address, now_ms()) {
            tracing::warn!(
                scanner = %printable(calling),
                %address,
                "An unknown scanner was refused; allow it on the clinic page or in the site file."
            );
            return Err((Refusal::CallingAeTitle, "it is not known here"));
        }
        let scanner = self
            .config
            .scanners
            .iter()
            .find(|scanner| scanner.ae_title == calling);
        let demanded = scanner.and_then(|scanner| scanner.certificate_sha256.as_ref());
        if !is_shown(demanded, from.certificate.as_ref()) {
            tracing::warn!(
                scanner = %printable(calling),
                %address,
                "A scanner did not come with its own certificate and was refused; correct its certificate_sha256 if it has a new one."
            );
            return Err((
                Refusal::CallingAeTitle,
                "it did not come with its own certificate",
            ));
        }
        if !place.establish(&format!("{address} {calling}"), Instant::now()) {
            tracing::warn!(scanner = %printable(calling), %address, "A scanner has too many associations at once.");
            return Err((Refusal::LimitExceeded, "it has too many associations at once"));
        }
        Ok(())
    }

    async fn answer(&self, session: &mut Session, caller: &Caller, message: Message) -> Result<(), Ended> {
        let Message { context: id, command } = message;
        let Some(context) = session.contexts().get(&id).cloned() else {
            return Err(Ended::Violation("a presentation context that was not agreed on"));
        };
        // Taken back too late, or what was never asked: the standard wants no answer.
        if command.field() == crate::dimse::field::C_CANCEL {
            return Ok(());
        }
        let service = self.services.iter().find(|service| {
            service.offer(&context.abstract_syntax).is_some() && service.answers(command.field())
        });
        match service {
            Some(service) => {
                service
                    .call(Call::new(caller, id, context, command, session))
                    .await
            }
            None if command.field() & crate::dimse::field::RESPONSE != 0 => {
                Err(Ended::Violation("an answer that nobody waits for"))
            }
            None => {
                let response = command
                    .response(status::UNRECOGNIZED_OPERATION)
                    .with_comment("This SOP class has no such operation here");
                session.send(id, &response, None).await
            }
        }
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(16)
        .collect()
}
