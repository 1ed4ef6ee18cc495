//! What a clinic is told to do next.

use barefoot_domain::ClinicId;
use barefoot_federation::round::{Duty, Progress};
use barefoot_wire::v1;
use barefoot_wire::v1::task::Task as Kind;
use prost::Message;

use super::Error;
use super::run::ActiveRun;
use super::secure;
use crate::archive::Archive;

/// A clinic is back this soon while something is going on; the more clinics, the later, so that asking stays cheap.
const SOON_MS: u32 = 200;
const SOON_MS_PER_CLINIC: u32 = 2;
/// And this late when nothing is.
const LATER_MS: u32 = 30_000;

/// Nothing to do now. `busy` is the number of clinics in rounds this clinic might still be needed in.
pub(super) fn idle(busy: Option<usize>) -> v1::Task {
    let retry_after_ms = busy.map_or(LATER_MS, |clinics| {
        let clinics = u32::try_from(clinics).unwrap_or(u32::MAX);
        SOON_MS
            .saturating_add(clinics.saturating_mul(SOON_MS_PER_CLINIC))
            .min(LATER_MS)
    });
    task(Kind::Idle(v1::Idle { retry_after_ms }))
}

/// What `duty` looks like for this clinic.
pub(super) async fn of(
    archive: &Archive,
    run: &mut ActiveRun,
    clinic: &ClinicId,
    duty: Duty,
    now_ms: i64,
) -> Result<v1::Task, Error> {
    let terms = Some(run.terms(now_ms));
    let kind = match duty {
        Duty::Keys => Kind::Keys(v1::KeysTask { terms }),
        Duty::Shares => {
            let replies = archive.replies(&run.attempt.key, Duty::Keys).await?;
            let members = run.attempt.round.members();
            let in_roster = |id: &ClinicId| {
                members
                    .get(id)
                    .is_some_and(|member| Progress::Keyed <= member.progress)
            };
            let roster = replies.iter().filter(|reply| in_roster(&reply.clinic));
            let roster = roster.map(|reply| v1::Advert::decode(reply.body.as_slice()));
            Kind::Shares(v1::SharesTask {
                terms,
                roster: roster
                    .collect::<Result<_, _>>()
                    .map_err(|_| Error::Stored { what: "advert" })?,
                threshold: run.setup.rules.quorum,
            })
        }
        Duty::Fit if run.setup.rules.secure => {
            let server = secure::server(archive, run).await?;
            let inbox = server.inbox(clinic).map_err(Error::settings)?;
            let inbox = inbox.into_iter().map(|(from, envelope)| v1::SealedShare {
                from: from.as_str().to_owned(),
                to: clinic.as_str().to_owned(),
                ciphertext: envelope.0.to_vec(),
                mask_commitment: Vec::new(),
                seed_commitment: Vec::new(),
            });
            Kind::Fit(v1::FitTask {
                terms,
                inbox: inbox.collect(),
            })
        }
        Duty::Fit => Kind::Fit(v1::FitTask {
            terms,
            inbox: Vec::new(),
        }),
        Duty::Unmask => Kind::Unmask(v1::UnmaskTask {
            id: terms.and_then(|terms| terms.id),
            survivors: run
                .contributors()
                .iter()
                .map(|clinic| clinic.as_str().to_owned())
                .collect(),
        }),
        Duty::Evaluate => Kind::Evaluate(v1::EvaluateTask { terms }),
    };
    Ok(task(kind))
}

fn task(kind: Kind) -> v1::Task {
    v1::Task { task: Some(kind) }
}
