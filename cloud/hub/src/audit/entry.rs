use barefoot_domain::{CaseId, ClinicId};
use barefoot_trust::Person;

/// Details are short: what did not fit in ids.
const MAX_DETAILS_CHARS: usize = 500;

/// Something that happened, on its way into the log. It never holds a patient's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    pub(crate) object: Object,
    pub(crate) details: String,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Actor {
    Person {
        id: String,
        name: String,
    },
    /// One with a token.
    Program {
        id: String,
        name: String,
    },
    /// A part of the hub, by itself.
    Hub(&'static str),
    /// Whoever ran a command on the hub's machine.
    Console,
    /// A clinic's box.
    Clinic(ClinicId),
}

/// To what it was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) clinic: Option<ClinicId>,
    pub(crate) case: Option<CaseId>,
    /// The id of the report, account, token, …
    pub(crate) subject: String,
}

macro_rules! actions {
    ($($variant:ident = $word:literal,)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Action { $($variant,)* }

        impl Action {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it stands in the log. A word is never given another meaning.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

actions! {
    SignIn = "sign_in",
    SignInFailed = "sign_in_failed",
    SignOut = "sign_out",
    AccountSetUp = "account_set_up",
    AccountChanged = "account_changed",
    PasswordChanged = "password_changed",
    TokenMade = "token_made",
    TokenRevoked = "token_revoked",
    TokenUsed = "token_used",
    ViewCase = "view_case",
    ViewImages = "view_images",
    RevealAssessment = "reveal_assessment",
    Claim = "claim",
    Release = "release",
    Refer = "refer",
    Escalate = "escalate",
    EditDraft = "edit_draft",
    SignReport = "sign_report",
    SignatureRefused = "signature_refused",
    Addendum = "addendum",
    Withdraw = "withdraw",
    Message = "message",
    Opinion = "opinion",
    Deliver = "deliver",
    Export = "export",
    Store = "store",
    Settings = "settings",
    Roster = "roster",
    Teaching = "teaching",
    ReadAudit = "read_audit",
    CertificateRevoked = "certificate_revoked",
    CertificateRestored = "certificate_restored",
    CodeMade = "code_made",
    CodeCancelled = "code_cancelled",
    BoxEnrolled = "box_enrolled",
    CertificateRenewed = "certificate_renewed",
    BoxCopied = "box_copied",
    BoxRestored = "box_restored",
    OwnCertificateReplaced = "own_certificate_replaced",
    Backup = "backup",
    Restored = "restored",
    ResultsAskedAgain = "results_asked_again",
    Start = "start",
    Stop = "stop",
    ImagesReceived = "images_received",
    ModelRegistered = "model_registered",
    TestSetRegistered = "test_set_registered",
    PlanRegistered = "plan_registered",
    RunStarted = "run_started",
    RunStopped = "run_stopped",
    RunEnded = "run_ended",
    CandidateJudged = "candidate_judged",
    CandidateFetched = "candidate_fetched",
    ReleasePublished = "release_published",
    RolloutStarted = "rollout_started",
    RolloutMoved = "rollout_moved",
}

impl Actor {
    pub(crate) fn person(id: &str, name: &str) -> Self {
        Self::Person {
            id: id.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Somebody with a certificate.
    pub(crate) fn certified(person: &Person) -> Self {
        Self::person(&format!("{} {}", person.role.unit(), person.name), &person.name)
    }

    /// Kind, id and name, as they stand in the log.
    pub(crate) fn words(&self) -> (&'static str, &str, &str) {
        match self {
            Self::Person { id, name } => ("person", id, name),
            Self::Program { id, name } => ("program", id, name),
            Self::Hub(part) => ("hub", part, ""),
            Self::Console => ("console", "", ""),
            Self::Clinic(clinic) => ("clinic", clinic.as_str(), ""),
        }
    }
}

impl Object {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn case(clinic: &ClinicId, case: &CaseId) -> Self {
        Self {
            clinic: Some(clinic.clone()),
            case: Some(case.clone()),
            subject: String::new(),
        }
    }

    /// Of an account, a token, …
    pub(crate) fn subject(id: &str) -> Self {
        Self {
            subject: id.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn and_subject(mut self, id: &str) -> Self {
        id.clone_into(&mut self.subject);
        self
    }
}

impl Entry {
    pub(crate) fn new(actor: Actor, action: Action, object: Object) -> Self {
        Self {
            actor,
            action,
            object,
            details: String::new(),
        }
    }

    /// Control characters become spaces; what is too long is cut.
    pub(crate) fn details(mut self, details: &str) -> Self {
        self.details = details
            .chars()
            .take(MAX_DETAILS_CHARS)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Action::ALL.iter().map(|action| action.word()).collect();
        assert_eq!(words.len(), Action::ALL.len());
        for word in words {
            assert!(
                barefoot_audit::is_known(word),
                "no DICOM audit message tells of {word}"
            );
        }
    }

    #[test]
    fn details_are_one_short_line() {
        let entry = Entry::new(Actor::Console, Action::Settings, Object::none());
        let said = entry.details(&format!("a\nb{}", "x".repeat(600))).details;
        assert!(
            said.starts_with("a bxxx") && said.chars().count() == MAX_DETAILS_CHARS,
            "{said}"
        );
    }
}
