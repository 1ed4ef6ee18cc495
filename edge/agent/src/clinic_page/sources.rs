use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use barefoot_domain::{ClinicId, FindingCode, Report};

use crate::audit::Audit;
use crate::carrying::Carrying;
use crate::case_index::CaseIndex;
use crate::case_log::PatientText;
use crate::finding_names::FindingNames;
use crate::import_desk::ImportDesk;
use crate::labels::{ConsentFor, Giver};
use crate::learning_status::LearningStatus;
use crate::node_status::NodeView;
use crate::orders::Order;
use crate::picture_quality::PictureQuality;
use crate::reports_aside::ReportsAside;
use crate::research::ExportLine;
use crate::scanners::Scanners;
use crate::self_test;
use crate::site_policy::PolicyHandle;
use crate::speech::{NotKept, Speech};
use crate::status::Status;
use crate::study_folder::{StateDirectory, StudyKey};
use crate::users::Users;

/// What the page reads. All of it is shared with the parts that write it.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub clinic: ClinicId,
    pub cases: CaseIndex,
    pub scanners: Scanners,
    pub status: Status,
    pub state: StateDirectory,
    /// A call below this confidence, 0 to 1, is worded as uncertain.
    pub review_below: f32,
    pub finding_names: FindingNames,
    pub learning: LearningStatus,
    /// Where it goes what somebody says on a case's page.
    pub say: Say,
    /// Told to whoever sets up the first scanner.
    pub dicom: DicomAddress,
    /// `None`: the site file names no place for sticks with images.
    pub importer: Option<Arc<dyn ImportDesk>>,
    /// Results that go by hand. `None` in tests that have no hub.
    pub carrying: Option<Carrying>,
    pub deliveries: NodesDesk,
    pub orders: OrdersDesk,
    /// Reports that cannot stand beside a patient.
    pub aside: ReportsAside,
    /// How good pictures are as they come.
    pub picture_quality: PictureQuality,
    /// Turns the images' names into what they are called at the hub.
    pub hub_names: HubNames,
    /// Writes a report as PDF; `None` where this box cannot.
    pub paper: Option<Paper>,
    pub users: Users,
    pub audit: Audit,
    /// What may leave this clinic.
    pub policy: PolicyDesk,
    /// What of the site file may stand in a fault report.
    pub for_fault_reports: String,
    pub self_test: SelfTestDesk,
}

type Testing = Pin<Box<dyn Future<Output = self_test::Report> + Send>>;

/// Lets the box test itself.
#[derive(Clone)]
pub(crate) struct SelfTestDesk(Arc<dyn Fn() -> Testing + Send + Sync>);

impl fmt::Debug for SelfTestDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfTestDesk")
    }
}

impl SelfTestDesk {
    pub(crate) fn new(run: impl Fn() -> Testing + Send + Sync + 'static) -> Self {
        Self(Arc::new(run))
    }

    pub(super) async fn run(&self) -> self_test::Report {
        (self.0)().await
    }
}

type SoFar = dyn Fn() -> (usize, usize) + Send + Sync;
type Exports = dyn Fn() -> Vec<ExportLine> + Send + Sync;

/// The site's policy, and what left under it as far as it is counted.
#[derive(Clone)]
pub(crate) struct PolicyDesk {
    pub handle: PolicyHandle,
    /// Of the site file.
    pub nodes: Vec<String>,
    /// Whether the site file names a hub for images.
    pub sends_images: bool,
    /// Studies and images at the hub.
    pub images_so_far: Arc<SoFar>,
    /// To research. Reads a file.
    pub exports: Arc<Exports>,
}

impl fmt::Debug for PolicyDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyDesk")
    }
}

type NameOf = dyn Fn(&str) -> String + Send + Sync;

/// What an image of this clinic is called at the hub.
#[derive(Clone)]
pub(crate) struct HubNames(Arc<NameOf>);

impl fmt::Debug for HubNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubNames")
    }
}

impl HubNames {
    pub(crate) fn new(name_of: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(name_of))
    }

    pub(crate) fn of(&self, sop_instance_uid: &str) -> String {
        (self.0)(sop_instance_uid)
    }
}

/// A report to be written on paper, joined to its patient.
#[derive(Debug, Clone)]
pub(crate) struct PaperWish {
    /// Its images and its log say what else stands on paper.
    pub study: StudyKey,
    pub report: Arc<Report>,
    pub patient: PatientText,
    /// BCP 47.
    pub language: &'static str,
}

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPaper {
    #[error("there is no font to write a PDF with")]
    Fonts { source: barefoot_imaging::report::Error },
    #[error("the PDF cannot be written")]
    Failed { source: io::Error },
}

type Pdf = dyn Fn(&PaperWish) -> Result<Vec<u8>, NoPaper> + Send + Sync;

/// Writes a report as PDF.
#[derive(Clone)]
pub(crate) struct Paper(Arc<Pdf>);

impl fmt::Debug for Paper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Paper")
    }
}

impl Paper {
    pub(crate) fn new(pdf: impl Fn(&PaperWish) -> Result<Vec<u8>, NoPaper> + Send + Sync + 'static) -> Self {
        Self(Arc::new(pdf))
    }

    /// Blocking.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn pdf(&self, wish: &PaperWish) -> Result<Vec<u8>, NoPaper> {
        (self.0)(wish)
    }
}

type ViewNodes = dyn Fn() -> Vec<NodeView> + Send + Sync;
type TryAgain = dyn Fn(&str) -> Option<io::Result<usize>> + Send + Sync;

/// The nodes that images and results go to, and the wish to try again what one of them would not take.
#[derive(Clone)]
pub(crate) struct NodesDesk {
    view: Arc<ViewNodes>,
    try_again: Arc<TryAgain>,
}

impl fmt::Debug for NodesDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodesDesk")
    }
}

impl NodesDesk {
    pub(crate) fn new(
        view: impl Fn() -> Vec<NodeView> + Send + Sync + 'static,
        try_again: impl Fn(&str) -> Option<io::Result<usize>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            view: Arc::new(view),
            try_again: Arc::new(try_again),
        }
    }

    pub(super) fn view(&self) -> Vec<NodeView> {
        (self.view)()
    }

    /// How many files are tried again; `None` where no node has this name. Blocking.
    pub(super) fn try_again(&self, name: &str) -> Option<io::Result<usize>> {
        (self.try_again)(name)
    }
}

type Listed = dyn Fn() -> Vec<Order> + Send + Sync;
type Add = dyn Fn(Order) -> bool + Send + Sync;
type TakeBack = dyn Fn(&str) -> bool + Send + Sync;

/// The worklist, as the page reads and writes it. All of it may wait for the disk.
#[derive(Clone)]
pub(crate) struct OrdersDesk {
    listed: Arc<Listed>,
    add: Arc<Add>,
    take_back: Arc<TakeBack>,
}

impl fmt::Debug for OrdersDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrdersDesk")
    }
}

impl OrdersDesk {
    /// `add` and `take_back` answer whether it is written down.
    pub(crate) fn new(
        listed: impl Fn() -> Vec<Order> + Send + Sync + 'static,
        add: impl Fn(Order) -> bool + Send + Sync + 'static,
        take_back: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            listed: Arc::new(listed),
            add: Arc::new(add),
            take_back: Arc::new(take_back),
        }
    }

    /// By day and time.
    pub(super) fn listed(&self) -> Vec<Order> {
        (self.listed)()
    }

    pub(super) fn add(&self, order: Order) -> bool {
        (self.add)(order)
    }

    pub(super) fn take_back(&self, id: &str) -> bool {
        (self.take_back)(id)
    }
}

/// Where scanners send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DicomAddress {
    pub ae_title: String,
    /// Without TLS.
    pub plain: Option<SocketAddr>,
    pub tls: Option<SocketAddr>,
}

impl DicomAddress {
    pub(super) fn port(&self) -> u16 {
        self.plain.or(self.tls).map_or(0, |address| address.port())
    }
}

/// What somebody says about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// A finding of this version is there or not.
    Finding {
        version: u32,
        finding: FindingCode,
        present: bool,
    },
    /// A patient's or a guardian's word on what may be done with the study.
    Consent {
        for_what: ConsentFor,
        allowed: bool,
        giver: Giver,
    },
    /// A message or a question to the expert, or that a report was read.
    Speech(Speech),
    /// The expert's messages were seen.
    Seen,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Written down, now or before.
    Yes,
    Not(NotKept),
}

type WriteDown = dyn Fn(&StudyKey, &Word, &str) -> io::Result<Taken> + Send + Sync;

/// Writes down what people say; the page itself keeps nothing.
#[derive(Clone)]
pub(crate) struct Say(Arc<WriteDown>);

impl fmt::Debug for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Say")
    }
}

impl Say {
    pub(crate) fn new(
        write_down: impl Fn(&StudyKey, &Word, &str) -> io::Result<Taken> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(write_down))
    }

    /// `by`: who says it; empty where nobody signs in. Blocking.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn write_down(&self, study: &StudyKey, word: &Word, by: &str) -> io::Result<Taken> {
        (self.0)(study, word, by)
    }
}
