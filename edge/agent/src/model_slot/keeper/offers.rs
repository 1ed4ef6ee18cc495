use std::time::Instant;

use barefoot_trust::release::{Release, ReleaseError, Targets};

use super::super::fetching;
use super::super::ledger::{Candidate, Origin, Signed, is_higher};
use super::super::life::{Life, Problem};
use super::super::shelf::Shelf;
use super::{Arc, Keeper, Trouble, name_of};

impl Keeper {
    /// The signed list was read, or not. True when the ledger has changed.
    pub(in super::super) fn consulted(
        &mut self,
        origin: Origin,
        result: Result<&Targets, &fetching::Error>,
        now: Instant,
        now_ms: i64,
    ) -> bool {
        self.refreshed_at = Some(now);
        if origin == Origin::Usb {
            self.stick_due = false;
            self.stick_trouble = None;
        }
        match (result, self.ledger.candidate.clone()) {
            (Ok(targets), Some(candidate)) => self.listed(&candidate, targets, now, now_ms),
            (Ok(targets), None) if origin == Origin::Usb => self.offered_by_stick(targets),
            (Ok(_), None) => false,
            (Err(error), Some(candidate)) if candidate.life == Life::Downloading => {
                self.hindered(Trouble::of(error), now);
                false
            }
            // What is here already was signed when it came; the list is asked for again later.
            (Err(_), Some(_)) => false,
            (Err(error), None) => {
                if origin == Origin::Usb {
                    self.stick_trouble = Some(error.code());
                }
                false
            }
        }
    }

    fn listed(&mut self, candidate: &Candidate, targets: &Targets, now: Instant, now_ms: i64) -> bool {
        let release = match targets.release(&candidate.name.id, &candidate.name.version) {
            Ok(release) => release,
            Err(error) => {
                let gone =
                    matches!(error, ReleaseError::Withdrawn { .. }) || candidate.life != Life::Downloading;
                if gone {
                    return self.failed(Problem::Withdrawn, now_ms);
                }
                self.hindered(Trouble::refusal(&error), now);
                return false;
            }
        };
        let signed = signed(release);
        if candidate.life != Life::Downloading {
            if candidate.signed.as_ref() == Some(&signed) {
                return false;
            }
            return self.failed(Problem::Withdrawn, now_ms);
        }
        if let Err(code) = self.may_follow(release, targets) {
            self.hindered(Trouble { code, refusing: true }, now);
            return false;
        }
        if let Some(ended) = self.ledger.end_of(&candidate.name, Some(&signed))
            && !ended.life.problem().is_some_and(Problem::may_be_tried_again)
        {
            self.drop_candidate();
            return true;
        }
        self.calm();
        self.release = Some(Arc::new(release.clone()));
        if let Some(it) = &mut self.ledger.candidate {
            it.signed = Some(signed);
        }
        true
    }

    /// Whether the good one may give way to `release`, or the code of why not: another model, or an older one.
    fn may_follow(&self, release: &Release, targets: &Targets) -> Result<(), &'static str> {
        let Some(good) = self.ledger.good_name() else {
            return Ok(());
        };
        if release.details.model != good.id {
            return Err("other_model");
        }
        let installed = self.ledger.good.as_ref().and_then(|good| good.signed.as_ref());
        let listed = || targets.release(&good.id, &good.version).ok();
        let sequence = installed
            .map(|signed| signed.sequence)
            .or_else(|| listed().map(|it| it.details.sequence));
        let newer = match sequence {
            Some(sequence) => release.check_newer_than(Some(sequence)).is_ok(),
            // The site file's bundle was never listed: its number decides.
            None => is_higher(&release.details.version, &good.version),
        };
        if newer { Ok(()) } else { Err("downgrade") }
    }

    /// The newest release of the model that answers, when it is newer than that and never ended here.
    fn offered_by_stick(&mut self, targets: &Targets) -> bool {
        let Some(good) = self.ledger.good_name().cloned() else {
            return false;
        };
        let newest = targets
            .releases
            .iter()
            .rev()
            .find(|it| it.details.model == good.id);
        let Some(newest) = newest else { return false };
        let name = name_of(newest);
        let signed = signed(newest);
        if self.may_follow(newest, targets).is_err()
            || name == good
            || self.ledger.end_of(&name, Some(&signed)).is_some()
        {
            return false;
        }
        tracing::info!(model = %name, "The stick has a newer release.");
        self.calm();
        self.release = Some(Arc::new(newest.clone()));
        self.ledger.candidate = Some(Candidate {
            name,
            signed: Some(signed),
            origin: Origin::Usb,
            life: Life::Downloading,
            shadow_studies: self.stick_terms.0,
            trial_studies: self.stick_terms.1,
            deaths: 0,
            before_p95_ms: None,
        });
        true
    }
}

fn signed(release: &Release) -> Signed {
    Signed {
        sequence: release.details.sequence,
        digest: Shelf::digest_of(release),
    }
}
