use barefoot_domain::CaseId;
use barefoot_trust::dicom::Fingerprint;

/// Details are short: what did not fit in ids.
const MAX_DETAILS_CHARS: usize = 500;

/// Something that happened, on its way into the log. It never holds a name, neither of a patient nor of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    /// As the hub knows it.
    pub(crate) case: Option<CaseId>,
    /// The id of the account, report, … that it was done to.
    pub(crate) subject: String,
    pub(crate) details: String,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    /// By the account's id.
    Person(String),
    /// The site asks nobody who they are.
    Anybody,
    /// Nobody who signed in.
    Nobody,
    /// One on the box that calls the page's addresses for programs.
    Program,
    /// A part of the daemon, by itself.
    Daemon(&'static str),
    /// Whoever ran a command on the box.
    Console,
    /// A scanner, an archive, a workstation.
    Node {
        /// `AE title@address`.
        name: String,
        /// What it proved to be within TLS; empty where it showed none.
        certificate: String,
    },
}

impl Actor {
    /// What calls itself `ae_title`, from `address`.
    pub(crate) fn node(ae_title: &str, address: &str, certificate: Option<&Fingerprint>) -> Self {
        Self::Node {
            name: one_line(&format!("{ae_title}@{address}")),
            certificate: certificate.map_or_else(String::new, |shown| format!("sha256 {shown}")),
        }
    }

    /// Kind, id and name, as they stand in the log.
    pub(super) fn words(&self) -> (&'static str, &str, &str) {
        match self {
            Self::Person(id) => ("person", id, ""),
            Self::Anybody => ("anybody", "", ""),
            Self::Nobody => ("nobody", "", ""),
            Self::Program => ("program", "", ""),
            Self::Daemon(part) => ("box", part, ""),
            Self::Console => ("console", "", ""),
            Self::Node { name, certificate } => ("node", name, certificate),
        }
    }
}

macro_rules! actions {
    ($($variant:ident = $word:literal,)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Action { $($variant,)* }

        impl Action {
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it stands in the log. A word is never given another meaning.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

actions! {
    Start = "start",
    Stop = "stop",
    ClockJumped = "clock_jumped",
    EntriesLost = "entries_lost",
    EntriesRemoved = "entries_removed",
    SignIn = "sign_in",
    SignInFailed = "sign_in_failed",
    SignOut = "sign_out",
    Denied = "denied",
    AccountAdded = "account_added",
    AccountChanged = "account_changed",
    AccountRemoved = "account_removed",
    PinChanged = "pin_changed",
    ListCases = "list_cases",
    Search = "search",
    ViewCase = "view_case",
    Identify = "identify",
    Print = "print",
    Export = "export",
    Send = "send",
    SayFinding = "say_finding",
    SayConsent = "say_consent",
    Message = "message",
    ReadReport = "read_report",
    ReportsCleared = "reports_cleared",
    ScannerAllowed = "scanner_allowed",
    OrderAdded = "order_added",
    OrderTakenBack = "order_taken_back",
    Import = "import",
    ImportCancelled = "import_cancelled",
    ImportReceipts = "import_receipts",
    FaultReport = "fault_report",
    SelfTest = "self_test",
    ImagesRemoved = "images_removed",
    ModelAnswers = "model_answers",
    ModelRefused = "model_refused",
    ModelTakenBack = "model_taken_back",
    ReadAudit = "read_audit",
    PolicyHolds = "policy_holds",
    PolicyChanged = "policy_changed",
    ResearchExport = "research_export",
    StoreBegun = "store_begun",
    Stored = "stored",
    Queried = "queried",
    WorklistQueried = "worklist_queried",
    CommitmentAsked = "commitment_asked",
    ProcedureStep = "procedure_step",
    RetrieveBegun = "retrieve_begun",
    Retrieved = "retrieved",
    DeliveryBegun = "delivery_begun",
    Delivered = "delivered",
    UploadBegun = "upload_begun",
    Uploaded = "uploaded",
    Imported = "imported",
    AssociationRefused = "association_refused",
}

impl Entry {
    pub(crate) fn new(actor: Actor, action: Action) -> Self {
        Self {
            actor,
            action,
            case: None,
            subject: String::new(),
            details: String::new(),
        }
    }

    pub(crate) fn of_case(mut self, case: Option<CaseId>) -> Self {
        self.case = case;
        self
    }

    pub(crate) fn subject(mut self, subject: &str) -> Self {
        self.subject = one_line(subject);
        self
    }

    pub(crate) fn details(mut self, details: &str) -> Self {
        self.details = one_line(details);
        self
    }
}

/// Control characters become spaces; what is too long is cut.
fn one_line(text: &str) -> String {
    text.chars()
        .take(MAX_DETAILS_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_word_of_its_own_and_what_is_said_is_one_short_line() {
        let words: std::collections::BTreeSet<_> = Action::ALL.iter().map(|action| action.word()).collect();
        assert_eq!(words.len(), Action::ALL.len());
        for word in words {
            assert!(
                barefoot_audit::is_known(word),
                "no DICOM audit message tells of {word}"
            );
        }
        let entry = Entry::new(Actor::Console, Action::Start).details(&format!("a\nb{}", "x".repeat(600)));
        assert!(entry.details.starts_with("a bx") && entry.details.chars().count() == MAX_DETAILS_CHARS);
    }
}
