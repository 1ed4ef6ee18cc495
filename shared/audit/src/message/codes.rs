//! The coded values of DICOM audit messages (PS3.16 CID 400 to 405) and of RFC 3881, as far as they are used.

/// A coded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) code: &'static str,
    pub(super) system: &'static str,
    pub(super) text: &'static str,
}

const fn dcm(code: &'static str, text: &'static str) -> Code {
    Code {
        code,
        system: "DCM",
        text,
    }
}

const fn rfc3881(code: &'static str, text: &'static str) -> Code {
    Code {
        code,
        system: "RFC-3881",
        text,
    }
}

/// Our own words, as they stand in the logs. Schemes that begin with 99 are private (PS3.3 section 8.2).
pub(super) const OWN_SCHEME: &str = "99BAREFOOT";

// CID 400: what happened.
pub(super) const APPLICATION_ACTIVITY: Code = dcm("110100", "Application Activity");
pub(super) const AUDIT_LOG_USED: Code = dcm("110101", "Audit Log Used");
pub(super) const BEGIN_TRANSFERRING: Code = dcm("110102", "Begin Transferring DICOM Instances");
pub(super) const INSTANCES_ACCESSED: Code = dcm("110103", "DICOM Instances Accessed");
pub(super) const INSTANCES_TRANSFERRED: Code = dcm("110104", "DICOM Instances Transferred");
pub(super) const STUDY_DELETED: Code = dcm("110105", "DICOM Study Deleted");
pub(super) const EXPORT: Code = dcm("110106", "Export");
pub(super) const IMPORT: Code = dcm("110107", "Import");
pub(super) const NETWORK_ENTRY: Code = dcm("110108", "Network Entry");
pub(super) const ORDER_RECORD: Code = dcm("110109", "Order Record");
pub(super) const PATIENT_RECORD: Code = dcm("110110", "Patient Record");
pub(super) const PROCEDURE_RECORD: Code = dcm("110111", "Procedure Record");
pub(super) const QUERY: Code = dcm("110112", "Query");
pub(super) const SECURITY_ALERT: Code = dcm("110113", "Security Alert");
pub(super) const USER_AUTHENTICATION: Code = dcm("110114", "User Authentication");

// CID 401 and 403: what kind of it.
pub(super) const APPLICATION_START: Code = dcm("110120", "Application Start");
pub(super) const APPLICATION_STOP: Code = dcm("110121", "Application Stop");
pub(super) const LOGIN: Code = dcm("110122", "Login");
pub(super) const LOGOUT: Code = dcm("110123", "Logout");
pub(super) const ATTACH: Code = dcm("110124", "Attach");
pub(super) const NODE_AUTHENTICATION: Code = dcm("110126", "Node Authentication");
pub(super) const NETWORK_CONFIGURATION: Code = dcm("110128", "Network Configuration");
pub(super) const SECURITY_CONFIGURATION: Code = dcm("110129", "Security Configuration");
pub(super) const SOFTWARE_CONFIGURATION: Code = dcm("110131", "Software Configuration");
pub(super) const RESTRICTED_FUNCTION: Code = dcm("110132", "Use of Restricted Function");
pub(super) const RECORDING_STOPPED: Code = dcm("110133", "Audit Recording Stopped");
pub(super) const ROLES_CHANGED: Code = dcm("110136", "Security Roles Changed");
pub(super) const USER_ATTRIBUTES_CHANGED: Code = dcm("110137", "User Security Attributes Changed");
pub(super) const LOCAL_SERVICE_STARTED: Code = dcm("110141", "Local Service Operation Started");

// CID 402: as what somebody took part.
pub(super) const APPLICATION: Code = dcm("110150", "Application");
pub(super) const LAUNCHER: Code = dcm("110151", "Application Launcher");
pub(super) const DESTINATION: Code = dcm("110152", "Destination Role ID");
pub(super) const SOURCE: Code = dcm("110153", "Source Role ID");
pub(super) const DESTINATION_MEDIA: Code = dcm("110154", "Destination Media");
pub(super) const SOURCE_MEDIA: Code = dcm("110155", "Source Media");

// CID 405: on what it was carried.
pub(super) const USB_DISK: Code = dcm("110030", "USB Disk Emulation");
pub(super) const URI_MEDIA: Code = dcm("110037", "URI");
pub(super) const PAPER: Code = dcm("110038", "Paper Document");

// CID 404 and RFC 3881: what kind of name an object has.
pub(super) const STUDY_UID: Code = dcm("110180", "Study Instance UID");
pub(super) const SOP_CLASS_UID: Code = dcm("110181", "SOP Class UID");
pub(super) const NODE_ID: Code = dcm("110182", "Node ID");
pub(super) const PATIENT_NUMBER: Code = rfc3881("2", "Patient Number");
pub(super) const USER_IDENTIFIER: Code = rfc3881("11", "User Identifier");
pub(super) const URI: Code = rfc3881("12", "URI");
