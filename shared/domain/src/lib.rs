//! The words both ends of Barefoot share.
//!
//! Plain types without I/O, clocks, serialisation or dependencies: what travels between machines is `wire`'s
//! business, what lies on disk belongs to the store that wrote it. Types that hold identity redact
//! themselves in `Debug`, so a log line cannot leak them by accident.
//!
//! Modules in the order an image meets them.

mod ids;
pub use ids::{CaseId, ClinicId, InvalidId, StudyUid};

mod quality;
pub use quality::{QualityGrade, QualityProblem, QualityVerdict};

mod assessment;
pub use assessment::{
    Assessment, Call, EngineUse, FindingCode, FindingRegion, FindingResult, ModelVersion, OtherAnswer,
    Reason, Score, Urgency,
};

mod correction;
pub use correction::Correction;

mod report;
pub use report::{
    Author, CaseState, Message, Opinion, Part, Presence, Progress, Reader, Region, Report, ReportRead, Shape,
    Side, Statement, Subject, Tier,
};
