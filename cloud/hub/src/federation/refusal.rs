use barefoot_domain::ClinicId;
use barefoot_federation::hygiene;
use barefoot_federation::round::Refused;
use barefoot_wire::v1;

use crate::archive::RefusalRow;

/// Why a reply is refused: for the clinic, the journal and the operator.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) reason: String,
    /// Whether the clinic is out of the attempt with it: what it sent is wrong, and sending again would not mend it.
    pub(super) out: bool,
}

impl Refusal {
    /// The content of a reply is wrong.
    pub(super) fn content(code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            out: true,
        }
    }

    /// The reply came at the wrong time or from the wrong clinic; it leaves the attempt as it was.
    pub(super) fn passing(code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            out: false,
        }
    }

    pub(super) fn row(&self, clinic: &ClinicId, at_ms: i64) -> RefusalRow {
        RefusalRow {
            clinic: clinic.clone(),
            code: self.code.to_owned(),
            reason: self.reason.clone(),
            at_ms,
        }
    }

    pub(super) fn answer(self) -> v1::Answer {
        v1::Answer {
            accepted: false,
            code: self.code.to_owned(),
            reason: self.reason,
        }
    }
}

impl From<hygiene::Refusal> for Refusal {
    fn from(refusal: hygiene::Refusal) -> Self {
        use hygiene::Refusal as R;
        let out = !matches!(
            refusal,
            R::UnknownClinic
                | R::UnknownRun
                | R::WrongRound { .. }
                | R::Late
                | R::DoubleSubmission
                | R::MissingChunk { .. }
        );
        Self {
            code: refusal.code(),
            reason: refusal.to_string(),
            out,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Late => return hygiene::Refusal::Late.into(),
            Refused::Done => return hygiene::Refusal::DoubleSubmission.into(),
            Refused::Stranger => return hygiene::Refusal::UnknownClinic.into(),
            Refused::Early => "wrong_stage",
            Refused::Gone => "left",
        };
        Self::passing(code, refused.to_string())
    }
}

pub(super) fn accepted() -> v1::Answer {
    v1::Answer {
        accepted: true,
        code: String::new(),
        reason: String::new(),
    }
}
