use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use barefoot_domain::ClinicId;
use barefoot_trust::{Authority, Role, TlsPaths};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use super::broker::Broker;
use super::{Daemon, Error};

/// Certificates of a region that lives as long as a test.
const VALID: Duration = Duration::days(2);

/// A developer's or CI's disk may be nearly full: a box under test is as content with little room as it needs.
const ROOM: &str = "min_free_mib = 64\nwarn_free_mib = 64\n";

/// The hub as its clinics' own MQTT endpoint.
const EMBEDDED: &str = "endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"";

/// A hub, its clinics and their authority in one temporary folder, which goes with it.
#[derive(Debug)]
pub struct Region {
    folder: TempDir,
    authority: Authority,
}

#[derive(Debug)]
pub struct Hub(Daemon);

#[derive(Debug)]
pub struct Edge(Daemon);

/// Ports of a hub that boxes are told of.
#[derive(Debug, Clone, Copy)]
pub struct HubPorts {
    pub mqtt: u16,
    pub grpc: u16,
    pub enrolment: u16,
}

/// What a clinic's site file says where tests want it different.
#[derive(Debug, Clone)]
pub struct EdgeOptions {
    pub language: &'static str,
    /// Refuse callers other than `scanners`.
    pub refuse_unknown: bool,
    pub scanners: Vec<String>,
    pub quiet_period_ms: u64,
    pub after_release_ms: u64,
    pub bundle: PathBuf,
    pub engine: &'static str,
    pub precision: &'static str,
    /// A `libonnxruntime.so` for the `ort` engine.
    pub onnxruntime: Option<PathBuf>,
    pub review_below: f32,
    /// Empty: no port without TLS.
    pub dicom_listen: String,
    pub page_listen: String,
    /// More lines of `[model]`.
    pub model: String,
    /// More lines of `[link]`.
    pub link: String,
    /// More tables of the site file: `[services]`, `[releases]`.
    pub more: String,
}

impl Default for EdgeOptions {
    fn default() -> Self {
        Self {
            language: "en",
            refuse_unknown: true,
            scanners: vec!["SIM_DR1".into()],
            quiet_period_ms: 3_000,
            after_release_ms: 300,
            bundle: workspace().join("edge/inference/bundles/cxr-pneumonia"),
            engine: "auto",
            precision: "auto",
            onnxruntime: None,
            review_below: 0.80,
            dicom_listen: "127.0.0.1:0".into(),
            page_listen: "127.0.0.1:0".into(),
            model: String::new(),
            link: String::new(),
            more: String::new(),
        }
    }
}

/// The repository this was built from.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

impl Region {
    /// # Errors
    /// When the folder or the certificates cannot be made.
    pub fn new() -> Result<Self, Error> {
        Self::for_hosts(&[])
    }

    /// The hub is known by these names too, besides those of this machine.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_hosts(more: &[String]) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("barefoot-")
            .tempdir()
            .map_err(|source| Error::Write {
                path: std::env::temp_dir().display().to_string(),
                source,
            })?;
        let pki = folder.path().join("pki");
        make_folder(&pki)?;
        let certificates = |source| Error::Certificates { source };
        let authority =
            Authority::create(&pki, "Throw-away region", OffsetDateTime::now_utc()).map_err(certificates)?;
        let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        hosts.extend_from_slice(more);
        authority
            .issue_hub(&hosts, OffsetDateTime::now_utc(), VALID)
            .and_then(|issued| issued.save(&pki, "hub"))
            .map_err(certificates)?;
        Ok(Self { folder, authority })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where `authority.crt`, `hub.crt`, `hub.key` and each clinic's pair lie.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.folder.path().join("pki")
    }

    /// A hub that is its clinics' own MQTT endpoint. Not started yet.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn hub(&self, language: &str, page_listen: &str) -> Result<Hub, Error> {
        self.configured_hub(language, page_listen, EMBEDDED, "")
    }

    /// A hub with its gRPC port open; it publishes what the keys of `root` (a trusted `root.json`) have signed. Not
    /// started yet.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn learning_hub(&self, root: Option<&Path>) -> Result<Hub, Error> {
        let mut more = "\n[grpc]\nlisten = \"127.0.0.1:0\"\n".to_owned();
        if let Some(root) = root {
            more.push_str(&format!("\n[releases]\nroot = {}\n", quoted(root)));
        }
        self.configured_hub("en", "127.0.0.1:0", EMBEDDED, &more)
    }

    /// A hub that takes images of hard cases too. Not started yet.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn imaging_hub(&self) -> Result<Hub, Error> {
        let more = "\n[images]\nlisten = \"127.0.0.1:0\"\n";
        self.configured_hub("en", "127.0.0.1:0", EMBEDDED, more)
    }

    /// A hub at which experts sign in and read cases. Its page keeps its address over restarts. Not started yet.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn reading_hub(&self, page_listen: &str) -> Result<Hub, Error> {
        let more = "\n[images]\nlisten = \"127.0.0.1:0\"\n\n[people]\n\n[worklist]\n\n[dicomweb]\n";
        self.configured_hub("zh", page_listen, EMBEDDED, more)
    }

    /// A hub at which people sign in; `people` goes into its `[people]`. Its page keeps its address. Not started yet.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn hub_of_people(&self, page_listen: &str, people: &str) -> Result<Hub, Error> {
        let more = format!("\n[people]\n{people}\n\n[worklist]\n");
        self.configured_hub("en", page_listen, EMBEDDED, &more)
    }

    /// A hub with more tables than it must have; `more` begins within `[page]`. Not started yet.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn hub_with(&self, more: &str) -> Result<Hub, Error> {
        self.configured_hub("en", "127.0.0.1:0", EMBEDDED, more)
    }

    /// A certificate for a clinic, `<clinic>.crt` and `<clinic>.key` in [`Self::pki`].
    ///
    /// # Errors
    /// When the id is none, or the clinic exists already.
    pub fn clinic(&self, clinic: &str) -> Result<(), Error> {
        let id = ClinicId::new(clinic).map_err(|source| Error::ClinicId {
            id: clinic.to_owned(),
            source,
        })?;
        self.authority
            .issue_clinic(&id, OffsetDateTime::now_utc(), VALID)
            .and_then(|issued| issued.save(&self.pki(), clinic))
            .map_err(|source| Error::Certificates { source })
    }

    /// Where the identity of somebody with a certificate of this region lies.
    #[must_use]
    pub fn tls_paths(&self, name: &str) -> TlsPaths {
        let pki = self.pki();
        TlsPaths {
            authority: pki.join("authority.crt"),
            certificate: pki.join(format!("{name}.crt")),
            key: pki.join(format!("{name}.key")),
        }
    }

    /// A certificate for a person, `<name>.crt` and `<name>.key` in [`Self::pki`].
    ///
    /// # Errors
    /// When it exists already or cannot be made.
    pub fn person(&self, role: Role, name: &str) -> Result<(), Error> {
        self.authority
            .issue_person(role, name, OffsetDateTime::now_utc(), VALID)
            .and_then(|issued| issued.save(&self.pki(), name))
            .map_err(|source| Error::Certificates { source })
    }

    /// The same behind a broker. Not started yet.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn imaging_hub_behind(&self, broker: &Broker) -> Result<Hub, Error> {
        let mqtt = format!("endpoint = \"broker\"\nbroker = \"{}\"", broker.address());
        self.configured_hub(
            "en",
            "127.0.0.1:0",
            &mqtt,
            "\n[images]\nlisten = \"127.0.0.1:0\"\n",
        )
    }

    /// A hub that gives boxes their certificates, as an authority below the region's root, on ports that stay. `more` are
    /// further lines of `[enrolment]`. Not started yet.
    ///
    /// # Errors
    /// When its certificates or its configuration cannot be written.
    pub fn enrolling_hub(&self, ports: HubPorts, more: &str) -> Result<Hub, Error> {
        let certificates = |source| Error::Certificates { source };
        let issuing = self.folder.path().join("issuing");
        make_folder(&issuing)?;
        let now = OffsetDateTime::now_utc();
        self.authority
            .create_below(&issuing, "Throw-away region, issuing", now)
            .map_err(certificates)?;
        self.issue_enrolling_hub(&self.authority, &issuing)?;
        self.write_enrolling_hub(ports, &issuing, more)
    }

    /// The certificate of such a hub, for years, and whom it trusts, in a folder.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn issue_enrolling_hub(&self, issuer: &Authority, folder: &Path) -> Result<(), Error> {
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        issuer
            .issue_hub(&hosts, OffsetDateTime::now_utc(), Duration::days(2000))
            .and_then(|issued| issued.save(folder, "hub"))
            .map_err(|source| Error::Certificates { source })
    }

    /// The same hub with the authority, the certificate and the trusted ones (`trusted.crt`, else `authority.crt`) that lie in
    /// `issuing`.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn write_enrolling_hub(&self, ports: HubPorts, issuing: &Path, more: &str) -> Result<Hub, Error> {
        let folder = self.folder.path().join("hub");
        make_folder(&folder)?;
        let hub = Daemon::new("barefoot-hub", &folder);
        let trusted = Some(issuing.join("trusted.crt")).filter(|file| file.exists());
        let HubPorts {
            mqtt,
            grpc,
            enrolment,
        } = ports;
        let text = format!(
            "[storage]\ndirectory = {storage}\n\n[mqtt]\nendpoint = \"embedded\"\nlisten = \"127.0.0.1:{mqtt}\"\n\n\
             [tls]\nauthority = {authority}\ncertificate = {certificate}\nkey = {key}\n\n\
             [page]\nlisten = \"127.0.0.1:0\"\nlanguage = \"en\"\n\n[grpc]\nlisten = \"127.0.0.1:{grpc}\"\n\n\
             [enrolment]\nlisten = \"127.0.0.1:{enrolment}\"\naddress = \"localhost:{enrolment}\"\n\
             mqtt = \"localhost:{mqtt}\"\nservices = \"localhost:{grpc}\"\nauthority = {issuing}\n{more}",
            storage = quoted(hub.state()),
            authority = quoted(&trusted.unwrap_or_else(|| issuing.join("authority.crt"))),
            certificate = quoted(&issuing.join("hub.crt")),
            key = quoted(&issuing.join("hub.key")),
            issuing = quoted(issuing),
        );
        write(hub.config(), &text)?;
        Ok(Hub(hub))
    }

    /// The region's root.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A box that belongs to no clinic yet, in a folder of its own. Not started yet.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn new_box(&self, name: &str, options: &EdgeOptions) -> Result<Edge, Error> {
        let folder = self.folder.path().join(name);
        make_folder(&folder)?;
        let edge = Daemon::new("barefoot-edge", &folder);
        write(edge.config(), &site_text("", "", options, edge.state(), ""))?;
        Ok(Edge(edge))
    }

    /// A hub behind a broker. Not started yet.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn hub_behind(&self, broker: &Broker) -> Result<Hub, Error> {
        let mqtt = format!("endpoint = \"broker\"\nbroker = \"{}\"", broker.address());
        self.configured_hub("en", "127.0.0.1:0", &mqtt, "")
    }

    fn configured_hub(
        &self,
        language: &str,
        page_listen: &str,
        mqtt: &str,
        more: &str,
    ) -> Result<Hub, Error> {
        let folder = self.folder.path().join("hub");
        make_folder(&folder)?;
        let hub = Daemon::new("barefoot-hub", &folder);
        let text = format!(
            "[storage]\ndirectory = {storage}\n\n[mqtt]\n{mqtt}\n\n[tls]\n{tls}\n\n[page]\nlisten = {page}\nlanguage = {language}\n{more}",
            storage = quoted(hub.state()),
            tls = self.tls("hub"),
            page = text(page_listen),
            language = text(language),
        );
        write(hub.config(), &text)?;
        Ok(Hub(hub))
    }

    /// A clinic's box with its own certificate, calling `hub` (`host:port`). Not started yet.
    ///
    /// # Errors
    /// When the id is none, the clinic exists already, or its files cannot be written.
    pub fn edge(&self, clinic: &str, hub: &str, options: &EdgeOptions) -> Result<Edge, Error> {
        self.clinic(clinic)?;
        let folder = self.folder.path().join(clinic);
        make_folder(&folder)?;
        let edge = Daemon::new("barefoot-edge", &folder);
        write(edge.config(), &self.site_file(clinic, hub, options, edge.state()))?;
        Ok(Edge(edge))
    }

    /// The text of a site file, for tests that write their own variant of it.
    #[must_use]
    pub fn site_file(&self, clinic: &str, hub: &str, options: &EdgeOptions, state: &Path) -> String {
        let tls = format!("[link.tls]\n{}\n", self.tls(clinic));
        site_text(
            &format!("clinic = {}\n", text(clinic)),
            &format!("hub = {}\n", text(hub)),
            options,
            state,
            &tls,
        )
    }

    fn tls(&self, name: &str) -> String {
        let pki = self.pki();
        format!(
            "authority = {}\ncertificate = {}\nkey = {}",
            quoted(&pki.join("authority.crt")),
            quoted(&pki.join(format!("{name}.crt"))),
            quoted(&pki.join(format!("{name}.key"))),
        )
    }
}

/// Of `clinic`, `hub` and `tls` each may be left out.
fn site_text(clinic: &str, hub: &str, options: &EdgeOptions, state: &Path, tls: &str) -> String {
    let scanners: String = options
        .scanners
        .iter()
        .map(|title| format!("[[dicom.scanner]]\nae_title = {}\n", text(title)))
        .collect();
    let onnxruntime = options
        .onnxruntime
        .as_ref()
        .map_or_else(String::new, |path| format!("onnxruntime = {}\n", quoted(path)));
    format!(
        "{clinic}\n[storage]\ndirectory = {storage}\n{ROOM}\n[dicom]\n{dicom}ae_title = \"BAREFOOT\"\n\
         unknown_scanners = {unknown}\n\n{scanners}\n[study]\nquiet_period_ms = {quiet}\nafter_release_ms = {release}\n\n\
         [model]\nbundle = {bundle}\nengine = {engine}\nprecision = {precision}\n{onnxruntime}{model}\n\
         [decision]\nreview_below = {review:.3}\n\n[link]\n{hub}{link}\n{tls}\n\
         [page]\nlisten = {page}\nlanguage = {language}\n\n{more}",
        more = options.more,
        storage = quoted(state),
        dicom = match options.dicom_listen.as_str() {
            "" => String::new(),
            address => format!("listen = {}\n", text(address)),
        },
        unknown = text(if options.refuse_unknown {
            "refuse"
        } else {
            "accept"
        }),
        quiet = options.quiet_period_ms,
        release = options.after_release_ms,
        bundle = quoted(&options.bundle),
        model = options.model,
        engine = text(options.engine),
        precision = text(options.precision),
        review = options.review_below,
        link = options.link,
        page = text(&options.page_listen),
        language = text(options.language),
    )
}

impl Edge {
    /// Gives the box this policy; running or not. More may leave by it than before.
    ///
    /// # Errors
    /// When the box does not take it.
    pub fn set_policy(&self, text: &str) -> Result<(), Error> {
        let file = self.config().with_file_name("policy.toml");
        write(&file, text)?;
        let asked = self.ask(&["policy", "set", &file.display().to_string(), "--loosen"])?;
        if asked.status.success() {
            return Ok(());
        }
        Err(Error::Ended {
            name: "barefoot-edge policy set".to_owned(),
            status: asked.status,
            log: String::from_utf8_lossy(&asked.stderr).into_owned(),
        })
    }
}

impl Deref for Hub {
    type Target = Daemon;
    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for Hub {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}

impl Deref for Edge {
    type Target = Daemon;
    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for Edge {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}

fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::Write {
        path: path.display().to_string(),
        source,
    })
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::Write {
        path: path.display().to_string(),
        source,
    })
}

/// A TOML basic string.
fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn quoted(path: &Path) -> String {
    text(&path.display().to_string())
}
