//! The hub's settings: one TOML file, every key documented in `hub.example.toml`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use barefoot_trust::TlsPaths;
use serde::Deserialize;

use crate::worklist::rules::{Rules, Worklist};

/// A setting that cannot be used. Names file, line and key; a line is unknown only when the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the configuration {file}")]
    Read { file: String, source: std::io::Error },
    #[error("{file}, line {line}, key `{key}`: {problem}")]
    Setting {
        file: String,
        line: usize,
        key: String,
        problem: String,
    },
}

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of the database and of what else the hub keeps.
    pub directory: PathBuf,
    /// Days that ids of duplicates are kept; results and their own ids stay. Default 90.
    pub dedupe_days: u32,
    pub mqtt: Mqtt,
    pub tls: TlsPaths,
    pub page: Page,
    /// Absent: no gRPC port, so neither rounds nor releases.
    pub grpc: Option<Grpc>,
    /// Absent: no release can be published.
    pub releases: Option<Releases>,
    /// Absent: no port for metrics.
    pub metrics: Option<Metrics>,
    /// Absent: no port for images.
    pub images: Option<Images>,
    /// Absent: nobody reads cases at this hub.
    pub worklist: Option<Rules>,
    /// An address that is told of critical cases that were not read in time.
    pub alarm_address: Option<String>,
    /// Absent: nobody signs in, and the page is on loopback only.
    pub people: Option<People>,
    /// Absent: no DICOMweb.
    pub dicomweb: Option<Dicomweb>,
}

/// How clinics reach the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mqtt {
    Embedded(Embedded),
    Broker { host: String, port: u16 },
}

/// The hub's own MQTT 5 endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    pub listen: SocketAddr,
    /// Most sessions at once. Default 4096.
    pub max_sessions: usize,
    /// Time for the TLS handshake and for CONNECT, milliseconds each. Default 10000.
    pub connect_timeout_ms: u64,
    /// Longest keep-alive granted, seconds. Default 300.
    pub keep_alive_max_s: u16,
}

/// The gRPC port: rounds, releases, maintenance, corrections.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpc {
    pub listen: SocketAddr,
    /// Most connections at once, after their handshakes. Default 4096.
    #[serde(default = "connections")]
    pub max_connections: usize,
    /// Time for the TLS handshake, milliseconds. Default 10000.
    #[serde(default = "connect_timeout")]
    pub connect_timeout_ms: u64,
}

/// Releases for the boxes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Releases {
    /// The trusted root metadata (TUF `root.json`) that published repositories are checked against.
    pub root: PathBuf,
}

/// What a Prometheus server reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Default 127.0.0.1:9465.
    #[serde(default = "metrics_listen")]
    pub listen: SocketAddr,
}

/// The port for the images of hard cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    pub listen: SocketAddr,
    /// Most connections at once, after their handshakes. Default 1024.
    #[serde(default = "image_connections")]
    pub max_connections: usize,
    /// Time for the TLS handshake, milliseconds. Default 10000.
    #[serde(default = "connect_timeout")]
    pub connect_timeout_ms: u64,
    /// The largest image, MiB. Default 300.
    #[serde(default = "object_mib")]
    pub max_object_mib: u64,
    /// All images of one version of a case, MiB. Default 4096.
    #[serde(default = "case_mib")]
    pub max_case_mib: u64,
    /// All images of one clinic, MiB. Default 102400.
    #[serde(default = "quota_mib")]
    pub clinic_quota_mib: u64,
    /// Images of one clinic that arrive at once. Default 256.
    #[serde(default = "open_uploads")]
    pub max_open_uploads: usize,
    /// Days after which images that no case names are removed, unfinished ones too; whole ones stay four times as long while
    /// their clinic sends anything. Default 30.
    #[serde(default = "keep_unneeded")]
    pub keep_unneeded_days: u64,
}

/// DICOMweb and the worklist service, on the pages' port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dicomweb {
    /// What addresses in answers begin with. Default: `http://` and the host that the client called.
    pub public_url: Option<String>,
    /// Sites whose pages may call from a browser, for instance an OHIF viewer's. Default: none.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
}

/// The pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    pub listen: SocketAddr,
    /// Until the reader chooses.
    pub language: Language,
    /// Minutes the page's times are ahead of UTC, within a day. Default 480 (China).
    #[serde(default = "china")]
    pub utc_offset_minutes: i32,
    /// A proxy of ours stands before the page, speaks HTTPS to browsers and says who calls. Default false.
    #[serde(default)]
    pub behind_proxy: bool,
    /// Absent: the page speaks plain HTTP.
    pub tls: Option<PageTls>,
}

/// The page's own HTTPS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageTls {
    /// PEM, one that browsers trust.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// People who sign in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// A session ends after this many minutes without a request by its person. Default 30.
    #[serde(default = "idle_minutes")]
    pub idle_minutes: u32,
    /// And after this many hours in any case. Default 12.
    #[serde(default = "absolute_hours")]
    pub absolute_hours: u32,
    /// Seconds in which a code, once given, is enough for further signatures of reports; 0: a code for each. Default 600.
    #[serde(default = "signing_window")]
    pub signing_window_s: u32,
    /// Hours a one-time code is good for. Default 72.
    #[serde(default = "set_up_hours")]
    pub set_up_hours: u32,
    /// What authenticator apps show beside a person's name. Default Barefoot.
    #[serde(default = "issuer")]
    pub issuer: String,
    /// How people's browsers reach the hub; links begin with it. Absent: they begin with the path.
    pub address: Option<String>,
}

impl Default for People {
    fn default() -> Self {
        Self {
            idle_minutes: idle_minutes(),
            absolute_hours: absolute_hours(),
            signing_window_s: signing_window(),
            set_up_hours: set_up_hours(),
            issuer: issuer(),
            address: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Zh,
    En,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    storage: StorageTable,
    mqtt: MqttTable,
    tls: TlsTable,
    page: Page,
    grpc: Option<Grpc>,
    releases: Option<Releases>,
    metrics: Option<Metrics>,
    images: Option<Images>,
    worklist: Option<Worklist>,
    people: Option<People>,
    dicomweb: Option<Dicomweb>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StorageTable {
    directory: PathBuf,
    #[serde(default = "dedupe_days")]
    dedupe_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MqttTable {
    endpoint: EndpointKind,
    listen: Option<SocketAddr>,
    broker: Option<String>,
    #[serde(default = "sessions")]
    max_sessions: usize,
    #[serde(default = "connect_timeout")]
    connect_timeout_ms: u64,
    #[serde(default = "keep_alive")]
    keep_alive_max_s: u16,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EndpointKind {
    Embedded,
    Broker,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn dedupe_days() -> u32 {
    90
}

fn metrics_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9465))
}

fn sessions() -> usize {
    4096
}

fn connections() -> usize {
    4096
}

fn connect_timeout() -> u64 {
    10_000
}

fn keep_alive() -> u16 {
    300
}

fn image_connections() -> usize {
    1024
}

fn object_mib() -> u64 {
    300
}

fn case_mib() -> u64 {
    4096
}

fn quota_mib() -> u64 {
    102_400
}

fn open_uploads() -> usize {
    256
}

fn keep_unneeded() -> u64 {
    30
}

fn china() -> i32 {
    480
}

fn idle_minutes() -> u32 {
    30
}

fn absolute_hours() -> u32 {
    12
}

fn signing_window() -> u32 {
    600
}

fn set_up_hours() -> u32 {
    72
}

fn issuer() -> String {
    "Barefoot".to_owned()
}

impl Config {
    /// # Errors
    /// When the file cannot be read or a setting cannot be used.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| Error::Read {
            file: file.clone(),
            source,
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &file, base)
    }

    /// `file` stands in errors, relative paths are taken from `base`.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn parse(text: &str, file: &str, base: &Path) -> Result<Self, Error> {
        let source = Source { text, file };
        let read: File = toml::from_str(text).map_err(|error| source.refused(&error))?;
        if 24 * 60 <= read.page.utc_offset_minutes.abs() {
            return Err(source.error(
                "page",
                "utc_offset_minutes",
                "must be within a day, -1439 to 1439",
            ));
        }
        if read.storage.dedupe_days == 0 {
            return Err(source.error("storage", "dedupe_days", "must be at least 1"));
        }
        if read.dicomweb.is_some() && read.images.is_none() {
            return Err(source.error(
                "dicomweb",
                "dicomweb",
                "needs the [images] table: without it there are no images",
            ));
        }
        let with_people = read.people.is_some();
        Ok(Self {
            directory: base.join(read.storage.directory),
            dedupe_days: read.storage.dedupe_days,
            metrics: read.metrics,
            mqtt: source.mqtt(read.mqtt)?,
            tls: TlsPaths {
                authority: base.join(read.tls.authority),
                certificate: base.join(read.tls.certificate),
                key: base.join(read.tls.key),
            },
            page: source.page(read.page, read.people.as_ref(), base)?,
            people: source.people(read.people)?,
            grpc: source.grpc(read.grpc)?,
            releases: read.releases.map(|releases| Releases {
                root: base.join(releases.root),
            }),
            images: source.images(read.images)?,
            alarm_address: source.alarm_address(read.worklist.as_ref())?,
            worklist: source.worklist(read.worklist.as_ref(), with_people)?,
            dicomweb: source.dicomweb(read.dicomweb)?,
        })
    }
}

/// The text settings came from, to point at.
struct Source<'a> {
    text: &'a str,
    file: &'a str,
}

impl Source<'_> {
    /// What everybody on a network can open needs a sign-in, and a sign-in needs HTTPS.
    fn page(&self, mut page: Page, people: Option<&People>, base: &Path) -> Result<Page, Error> {
        let loopback = page.listen.ip().is_loopback();
        if people.is_none() && !loopback {
            let problem = "without a [people] table the page has no sign-in: listen on loopback (127.0.0.1 or [::1]), \
                           or add the table";
            return Err(self.error("page", "listen", problem));
        }
        if page.tls.is_some() && page.behind_proxy {
            return Err(self.error("page", "behind_proxy", "is only for a page without [page.tls]"));
        }
        if !loopback && page.tls.is_none() && !page.behind_proxy {
            let problem = "plain HTTP is for loopback only, passwords go over it: add [page.tls], or set behind_proxy = \
                           true where a proxy with HTTPS stands before the hub";
            return Err(self.error("page", "listen", problem));
        }
        page.tls = page.tls.map(|tls| PageTls {
            certificate: base.join(tls.certificate),
            key: base.join(tls.key),
        });
        Ok(page)
    }

    fn people(&self, table: Option<People>) -> Result<Option<People>, Error> {
        let Some(people) = table else { return Ok(None) };
        for (key, zero) in [
            ("idle_minutes", people.idle_minutes == 0),
            ("absolute_hours", people.absolute_hours == 0),
            ("set_up_hours", people.set_up_hours == 0),
        ] {
            if zero {
                return Err(self.error("people", key, "must be at least 1"));
            }
        }
        if people.issuer.trim().is_empty() || people.issuer.contains(':') {
            return Err(self.error("people", "issuer", "must be a name without a colon"));
        }
        let wrong = |address: &String| !address.starts_with("https://") && !address.starts_with("http://");
        if people.address.as_ref().is_some_and(wrong) {
            return Err(self.error(
                "people",
                "address",
                "must begin with https:// (or http:// on loopback)",
            ));
        }
        Ok(Some(people))
    }

    fn mqtt(&self, table: MqttTable) -> Result<Mqtt, Error> {
        match table.endpoint {
            EndpointKind::Embedded => {
                if table.broker.is_some() {
                    return Err(self.error("mqtt", "broker", "is only for endpoint = \"broker\""));
                }
                let Some(listen) = table.listen else {
                    return Err(self.error("mqtt", "listen", "is missing; endpoint = \"embedded\" needs it"));
                };
                for (key, zero) in [
                    ("max_sessions", table.max_sessions == 0),
                    ("connect_timeout_ms", table.connect_timeout_ms == 0),
                    ("keep_alive_max_s", table.keep_alive_max_s == 0),
                ] {
                    if zero {
                        return Err(self.error("mqtt", key, "must be at least 1"));
                    }
                }
                Ok(Mqtt::Embedded(Embedded {
                    listen,
                    max_sessions: table.max_sessions,
                    connect_timeout_ms: table.connect_timeout_ms,
                    keep_alive_max_s: table.keep_alive_max_s,
                }))
            }
            EndpointKind::Broker => {
                if table.listen.is_some() {
                    return Err(self.error("mqtt", "listen", "is only for endpoint = \"embedded\""));
                }
                let Some(broker) = table.broker else {
                    return Err(self.error("mqtt", "broker", "is missing; endpoint = \"broker\" needs it"));
                };
                let parsed = broker
                    .rsplit_once(':')
                    .and_then(|(host, port)| Some((host, port.parse().ok()?)))
                    .filter(|(host, port)| !host.is_empty() && *port != 0);
                let Some((host, port)) = parsed else {
                    return Err(self.error("mqtt", "broker", "must be host:port"));
                };
                // Brackets belong to an IPv6 address in `host:port`, not to the address.
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Ok(Mqtt::Broker { host, port })
            }
        }
    }

    fn grpc(&self, table: Option<Grpc>) -> Result<Option<Grpc>, Error> {
        let Some(table) = table else {
            return Ok(None);
        };
        for (key, zero) in [
            ("max_connections", table.max_connections == 0),
            ("connect_timeout_ms", table.connect_timeout_ms == 0),
        ] {
            if zero {
                return Err(self.error("grpc", key, "must be at least 1"));
            }
        }
        Ok(Some(table))
    }

    fn images(&self, table: Option<Images>) -> Result<Option<Images>, Error> {
        let Some(table) = table else {
            return Ok(None);
        };
        for (key, zero) in [
            ("max_connections", table.max_connections == 0),
            ("connect_timeout_ms", table.connect_timeout_ms == 0),
            ("max_object_mib", table.max_object_mib == 0),
            ("max_case_mib", table.max_case_mib == 0),
            ("clinic_quota_mib", table.clinic_quota_mib == 0),
            ("max_open_uploads", table.max_open_uploads == 0),
            ("keep_unneeded_days", table.keep_unneeded_days == 0),
        ] {
            if zero {
                return Err(self.error("images", key, "must be at least 1"));
            }
        }
        Ok(Some(table))
    }

    fn worklist(&self, table: Option<&Worklist>, with_people: bool) -> Result<Option<Rules>, Error> {
        if table.is_some() && !with_people {
            return Err(self.error(
                "worklist",
                "first_tier",
                "needs the table [people]: who reads cases signs in",
            ));
        }
        table
            .map(|table| {
                table
                    .rules()
                    .map_err(|(key, problem)| self.error("worklist", key, problem))
            })
            .transpose()
    }

    fn alarm_address(&self, table: Option<&Worklist>) -> Result<Option<String>, Error> {
        let Some(address) = table.and_then(|table| table.webhook.clone()) else {
            return Ok(None);
        };
        let is_url = ["http://", "https://"]
            .iter()
            .any(|scheme| address.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        if is_url {
            Ok(Some(address))
        } else {
            Err(self.error(
                "worklist",
                "webhook",
                "must be an address that begins with https:// or http://",
            ))
        }
    }

    fn dicomweb(&self, table: Option<Dicomweb>) -> Result<Option<Dicomweb>, Error> {
        let Some(table) = table else {
            return Ok(None);
        };
        let is_site = |text: &str| {
            let host = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"));
            host.is_some_and(|host| {
                !host.is_empty() && !host.contains(['/', '*', '?', '#', '@', '"', ' ']) && host.is_ascii()
            })
        };
        if table
            .public_url
            .as_deref()
            .is_some_and(|url| !is_site(url.trim_end_matches('/')))
        {
            let problem = "must be a scheme and a host, for instance https://hub.region.example";
            return Err(self.error("dicomweb", "public_url", problem));
        }
        if !table.allowed_origins.iter().all(|origin| is_site(origin)) {
            let problem = "must be a list of schemes and hosts, for instance \"https://viewer.example\"; there is no wildcard";
            return Err(self.error("dicomweb", "allowed_origins", problem));
        }
        Ok(Some(table))
    }

    fn error(&self, table: &str, key: &str, problem: &str) -> Error {
        Error::Setting {
            file: self.file.to_owned(),
            line: self.line_of(table, key),
            key: format!("{table}.{key}"),
            problem: problem.to_owned(),
        }
    }

    /// What the parser refused; the key is read off the line it points at.
    fn refused(&self, error: &toml::de::Error) -> Error {
        let at = error.span().map_or(0, |span| span.start);
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
        let content = self.text.lines().nth(line - 1).unwrap_or_default();
        let key = content.split('=').next().unwrap_or_default().trim();
        Error::Setting {
            file: self.file.to_owned(),
            line,
            key: key.to_owned(),
            problem: error.message().to_owned(),
        }
    }

    /// The line of `key` in `[table]`, or of the table's header when the key is not there.
    fn line_of(&self, table: &str, key: &str) -> usize {
        let mut header = 1;
        let mut inside = false;
        for (line, content) in self
            .text
            .lines()
            .enumerate()
            .map(|(at, text)| (at + 1, text.trim()))
        {
            if content.starts_with('[') {
                inside = content == format!("[{table}]");
                if inside {
                    header = line;
                }
            } else if inside && content.split('=').next().is_some_and(|name| name.trim() == key) {
                return line;
            }
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../hub.example.toml");

    fn parse(text: &str) -> Result<Config, Error> {
        Config::parse(text, "hub.toml", Path::new("/etc/barefoot"))
    }

    #[test]
    fn the_example_loads_and_its_comments_show_the_defaults() {
        let plain = parse(EXAMPLE).unwrap();
        let spelled_out: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                // Without these there is no default either.
                Some(rest)
                    if ["broker", "certificate", "key", "address", "public_url", "webhook"]
                        .iter()
                        .any(|key| rest.starts_with(key)) =>
                {
                    line
                }
                Some(rest) if rest.contains(" = ") && !rest.ends_with('.') => rest,
                _ => line,
            })
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(
            spelled_out.contains("\nmax_sessions = 4096\n")
                && spelled_out.contains("\nutc_offset_minutes = 480\n")
        );
        assert_eq!(
            format!("{plain:?}"),
            format!("{:?}", parse(&spelled_out).unwrap())
        );
        assert_eq!(plain.directory, Path::new("/var/lib/barefoot-hub"));
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let config = parse(&EXAMPLE.replace("/etc/barefoot-hub/hub.key", "hub.key")).unwrap();
        assert_eq!(config.tls.key, Path::new("/etc/barefoot/hub.key"));
    }

    #[test]
    fn a_page_on_a_network_has_a_sign_in_and_a_sign_in_has_https() {
        let bare = EXAMPLE
            .replace("\n[people]\n", "\n")
            .replace("\n[worklist]\n", "\n");
        let anywhere = |text: &str| text.replace("127.0.0.1:8090", "0.0.0.0:8090");
        let refused = |text: &str, wanted: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        };
        assert!(parse(&bare).unwrap().people.is_none());
        assert!(parse(&bare.replace("127.0.0.1:8090", "[::1]:8090")).is_ok());
        refused(&anywhere(&bare), "key `page.listen`: without a [people] table");
        refused(
            &anywhere(EXAMPLE),
            "key `page.listen`: plain HTTP is for loopback only",
        );
        let proxy = EXAMPLE.replace("# behind_proxy = false", "behind_proxy = true");
        assert!(parse(&anywhere(&proxy)).unwrap().page.behind_proxy);
        let tls = |text: &str| {
            text.replace("# [page.tls]", "[page.tls]")
                .replace(
                    "# certificate = \"/etc/barefoot-hub/page.crt\"",
                    "certificate = \"page.crt\"",
                )
                .replace("# key = \"/etc/barefoot-hub/page.key\"", "key = \"page.key\"")
        };
        let page = parse(&anywhere(&tls(EXAMPLE))).unwrap().page;
        assert_eq!(page.tls.unwrap().key, Path::new("/etc/barefoot/page.key"));
        refused(&tls(&proxy), "behind_proxy");
        for key in ["idle_minutes = 30", "absolute_hours = 12", "set_up_hours = 72"] {
            let name = key.split(' ').next().unwrap();
            refused(
                &EXAMPLE.replace(&format!("# {key}"), &format!("{name} = 0")),
                name,
            );
        }
        refused(
            &EXAMPLE.replace("# issuer = \"Barefoot\"", "issuer = \"a:b\""),
            "people.issuer",
        );
        refused(
            &EXAMPLE.replace("# address = \"https", "address = \"ftp"),
            "people.address",
        );
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        let with = |broker: &str| {
            parse(
                &EXAMPLE
                    .replace("endpoint = \"embedded\"\nlisten = \"0.0.0.0:8883\"", "")
                    .replace("# broker = ", "broker = ")
                    .replace("\nlisten = \"0.0.0.0:8883\"", "")
                    .replace("\nendpoint = \"embedded\"", "\nendpoint = \"broker\"")
                    .replace("broker.region.example:8883", broker),
            )
        };
        let expect = |host: &str| Mqtt::Broker {
            host: host.into(),
            port: 1883,
        };
        assert_eq!(with("b.example:1883").unwrap().mqtt, expect("b.example"));
        assert_eq!(with("[::1]:1883").unwrap().mqtt, expect("::1"));
        for bad in ["b.example", ":1", "b:0", "b:70000"] {
            assert!(with(bad).unwrap_err().to_string().contains("host:port"), "{bad}");
        }
    }

    #[test]
    fn dicomweb_needs_images_and_names_whole_sites() {
        let with =
            |lines: &str| parse(&EXAMPLE.replace("\n[dicomweb]\n", &format!("\n[dicomweb]\n{lines}\n")));
        let fine =
            with("public_url = \"https://hub.example/\"\nallowed_origins = [\"http://viewer.example:3000\"]");
        assert_eq!(
            fine.unwrap().dicomweb.unwrap().allowed_origins,
            ["http://viewer.example:3000"]
        );
        for (wrong, key) in [
            ("public_url = \"hub.example\"", "dicomweb.public_url"),
            ("public_url = \"https://hub.example/path\"", "dicomweb.public_url"),
            ("allowed_origins = [\"*\"]", "dicomweb.allowed_origins"),
            (
                "allowed_origins = [\"https://*.example\"]",
                "dicomweb.allowed_origins",
            ),
        ] {
            let error = with(wrong).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        let alone = EXAMPLE
            .replace("\n[images]\nlisten = \"0.0.0.0:8444\"", "")
            .replace("\n[images]", "");
        let images = alone
            .lines()
            .skip_while(|line| !line.starts_with("# Without this table there is no port for images"));
        assert!(images.count() > 0);
        let error = parse(&alone.replace("listen = \"0.0.0.0:8444\"\n", ""))
            .unwrap_err()
            .to_string();
        assert!(error.contains("[images]"), "{error}");
    }

    #[test]
    fn every_error_names_file_line_and_key() {
        let line = |wanted: &str| EXAMPLE.lines().position(|line| line.starts_with(wanted)).unwrap() + 1;
        let check = |text: String, at: usize, key: &str, problem: &str| {
            let error = parse(&text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("hub.toml, line {at}, key `{key}`: ")) && error.contains(problem),
                "{error}"
            );
        };
        let page = line("[page]");
        check(
            EXAMPLE.replace("language =", "langauge ="),
            page + 5,
            "langauge",
            "unknown field",
        );
        check(
            EXAMPLE.replace("\"zh\"\n#", "\"fr\"\n#"),
            page + 5,
            "language",
            "zh",
        );
        check(
            EXAMPLE.replace("127.0.0.1:8090", "8090"),
            page + 3,
            "listen",
            "socket address",
        );
        check(
            EXAMPLE.replace("\nlanguage = \"zh\"", ""),
            page,
            "[page]",
            "language",
        );
        check(
            EXAMPLE.replace("\nlisten = \"0.0.0.0:8883\"", ""),
            line("[mqtt]"),
            "mqtt.listen",
            "missing",
        );
        check(
            EXAMPLE.replace("# max_sessions = 4096", "max_sessions = 0"),
            line("# max_sessions"),
            "mqtt.max_sessions",
            "at least 1",
        );
        check(
            EXAMPLE.replace("# utc_offset_minutes = 480", "utc_offset_minutes = 1440"),
            line("# utc_offset"),
            "page.utc_offset_minutes",
            "within a day",
        );
        assert!(matches!(
            Config::load(Path::new("/nowhere/hub.toml")),
            Err(Error::Read { .. })
        ));
    }
}
