//! Which message tells of which entry: one table for the words of both logs.

use super::codes::{self, Code};

/// What was done, as the standard's messages say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Application,
    AuditLogUsed,
    /// Instances are about to leave for somebody.
    SendingBegins,
    ReceivingBegins,
    /// Instances left for somebody.
    Sent,
    /// Instances came from whoever acted.
    Received,
    Accessed,
    Deleted,
    Exported {
        onto: Code,
    },
    Imported,
    /// A box came to its region.
    Joined,
    Order,
    Patient,
    Procedure,
    /// What was asked has this SOP class; none where a person asked a page.
    Query {
        sop_class: &'static str,
    },
    Alert,
    Authentication,
}

impl Event {
    pub(super) fn id(self) -> Code {
        match self {
            Self::Application => codes::APPLICATION_ACTIVITY,
            Self::AuditLogUsed => codes::AUDIT_LOG_USED,
            Self::SendingBegins | Self::ReceivingBegins => codes::BEGIN_TRANSFERRING,
            Self::Sent | Self::Received => codes::INSTANCES_TRANSFERRED,
            Self::Accessed => codes::INSTANCES_ACCESSED,
            Self::Deleted => codes::STUDY_DELETED,
            Self::Exported { .. } => codes::EXPORT,
            Self::Imported => codes::IMPORT,
            Self::Joined => codes::NETWORK_ENTRY,
            Self::Order => codes::ORDER_RECORD,
            Self::Patient => codes::PATIENT_RECORD,
            Self::Procedure => codes::PROCEDURE_RECORD,
            Self::Query { .. } => codes::QUERY,
            Self::Alert => codes::SECURITY_ALERT,
            Self::Authentication => codes::USER_AUTHENTICATION,
        }
    }
}

/// How one kind of entry is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) event: Event,
    /// Beside our own word.
    pub(super) kind: Option<Code>,
    /// Create, Read, Update, Delete, Execute.
    pub(super) action: &'static str,
    /// `0` where it went well, `4` where somebody or something was refused, `8` where a person must act.
    pub(super) outcome: &'static str,
    /// The images have no identity any more.
    pub(super) is_anonymous: bool,
}

const fn kind(event: Event, action: &'static str) -> Kind {
    Kind {
        event,
        kind: None,
        action,
        outcome: "0",
        is_anonymous: false,
    }
}

impl Kind {
    const fn of(self, kind: Code) -> Self {
        Self {
            kind: Some(kind),
            ..self
        }
    }

    const fn outcome(self, outcome: &'static str) -> Self {
        Self { outcome, ..self }
    }

    const fn anonymous(self) -> Self {
        Self {
            is_anonymous: true,
            ..self
        }
    }
}

const fn alert(code: Code) -> Kind {
    kind(Event::Alert, "E").of(code)
}

const fn query(sop_class: &'static str) -> Kind {
    kind(Event::Query { sop_class }, "E")
}

const STUDY_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
const MODALITY_WORKLIST: &str = "1.2.840.10008.5.1.4.31";
const STORAGE_COMMITMENT: &str = "1.2.840.10008.1.20.1";

/// `None`: a word that is not known here, of another version of the daemons perhaps.
pub(super) fn of(word: &str) -> Option<Kind> {
    use Event as E;
    Some(match word {
        "start" => kind(E::Application, "E").of(codes::APPLICATION_START),
        "stop" => kind(E::Application, "E").of(codes::APPLICATION_STOP),
        "read_audit" => kind(E::AuditLogUsed, "R"),

        "sign_in" | "token_used" => kind(E::Authentication, "E").of(codes::LOGIN),
        "sign_in_failed" => kind(E::Authentication, "E").of(codes::LOGIN).outcome("4"),
        "sign_out" => kind(E::Authentication, "E").of(codes::LOGOUT),
        "denied" | "signature_refused" => alert(codes::RESTRICTED_FUNCTION).outcome("4"),
        "association_refused" => alert(codes::NODE_AUTHENTICATION).outcome("4"),

        "stored" | "store" => kind(E::Received, "C"),
        "store_begun" => kind(E::ReceivingBegins, "E"),
        "images_received" => kind(E::Received, "C").anonymous(),
        "retrieve_begun" | "delivery_begun" => kind(E::SendingBegins, "E"),
        "upload_begun" => kind(E::SendingBegins, "E").anonymous(),
        "retrieved" | "delivered" => kind(E::Sent, "R"),
        "uploaded" => kind(E::Sent, "R").anonymous(),
        "images_removed" => kind(E::Deleted, "D"),
        "queried" => query(STUDY_ROOT_FIND),
        "worklist_queried" => query(MODALITY_WORKLIST),
        "commitment_asked" => query(STORAGE_COMMITMENT),
        "list_cases" | "search" => query(""),
        "view_case" | "view_images" | "reveal_assessment" => kind(E::Accessed, "R"),

        "print" => kind(E::Exported { onto: codes::PAPER }, "R"),
        "fault_report" => kind(
            E::Exported {
                onto: codes::URI_MEDIA,
            },
            "R",
        ),
        "export" => kind(
            E::Exported {
                onto: codes::USB_DISK,
            },
            "R",
        ),
        "backup" => kind(
            E::Exported {
                onto: codes::URI_MEDIA,
            },
            "R",
        )
        .anonymous(),
        "restored" => kind(E::Imported, "C").anonymous(),
        "research_export" => kind(
            E::Exported {
                onto: codes::USB_DISK,
            },
            "R",
        )
        .anonymous(),
        "import" | "imported" | "import_receipts" => kind(E::Imported, "C"),
        "import_cancelled" => kind(E::Imported, "C").outcome("4"),

        "identify" => kind(E::Patient, "R"),
        "say_consent" => kind(E::Patient, "U"),
        "order_added" => kind(E::Order, "C"),
        "order_taken_back" => kind(E::Order, "D"),
        "sign_report" | "addendum" => kind(E::Procedure, "C"),
        "read_report" => kind(E::Procedure, "R"),
        "reports_cleared" | "withdraw" => kind(E::Procedure, "D"),
        "say_finding" | "message" | "opinion" | "claim" | "release" | "refer" | "escalate" | "edit_draft"
        | "deliver" | "teaching" | "procedure_step" => kind(E::Procedure, "U"),

        "account_added" | "account_set_up" | "account_changed" | "account_removed" => {
            alert(codes::ROLES_CHANGED)
        }
        "pin_changed" | "password_changed" | "token_made" | "token_revoked" => {
            alert(codes::USER_ATTRIBUTES_CHANGED)
        }
        "certificate_revoked"
        | "certificate_restored"
        | "certificate_renewed"
        | "own_certificate_replaced"
        | "box_restored"
        | "code_made"
        | "code_cancelled" => alert(codes::NODE_AUTHENTICATION),
        "box_copied" => alert(codes::NODE_AUTHENTICATION).outcome("8"),
        "box_enrolled" => kind(E::Joined, "E").of(codes::ATTACH),
        "scanner_allowed" => alert(codes::NETWORK_CONFIGURATION),
        "results_asked_again"
        | "clock_jumped"
        | "entries_removed"
        | "policy_holds"
        | "policy_changed"
        | "settings"
        | "roster" => alert(codes::SECURITY_CONFIGURATION),
        "entries_lost" => alert(codes::RECORDING_STOPPED).outcome("8"),
        "send" | "self_test" => alert(codes::LOCAL_SERVICE_STARTED),

        "model_refused" | "model_taken_back" => alert(codes::SOFTWARE_CONFIGURATION).outcome("4"),
        "model_answers"
        | "model_registered"
        | "test_set_registered"
        | "plan_registered"
        | "run_started"
        | "run_stopped"
        | "run_ended"
        | "candidate_judged"
        | "candidate_fetched"
        | "release_published"
        | "rollout_started"
        | "rollout_moved" => alert(codes::SOFTWARE_CONFIGURATION),
        _ => return None,
    })
}

/// What is not known is told all the same: whoever reads it sees our word.
pub(super) const UNKNOWN: Kind = alert(codes::LOCAL_SERVICE_STARTED);
