//! The site file: one typed struct, unknown keys refused.

mod moved;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_inference::{EngineWish, PrecisionWish, Provider};
use serde::{Deserialize, Deserializer};

use crate::{
    assess, at_rest, audit, clinic_page, films, front_door, hub_services, image_upload, import, link,
    metrics, model, model_slot, nodes, results, retention, site_redaction, spool, study, worklist,
};

/// Everything a site decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This clinic's id: 1 to 64 of a-z, 0-9, `-`; equal to the common name of the certificate. Default, together with
    /// `[link.tls]`: as the hub told when the box was enrolled.
    #[serde(default, deserialize_with = "clinic_id")]
    pub clinic: Option<ClinicId>,
    pub storage: spool::Config,
    /// How what the box keeps is sealed.
    #[serde(default)]
    pub at_rest: at_rest::Config,
    pub dicom: front_door::Config,
    #[serde(default)]
    pub study: study::Config,
    /// How films are decoded.
    #[serde(default)]
    pub video: films::Config,
    pub model: ModelConfig,
    /// Further models. Default none.
    #[serde(default)]
    pub other_model: Vec<model::OtherModel>,
    #[serde(default)]
    pub panel: assess::PanelConfig,
    #[serde(default)]
    pub decision: assess::Config,
    #[serde(default)]
    pub link: link::Config,
    /// The clinic's own nodes: archives, workstations. Default none.
    #[serde(default)]
    pub deliver: Vec<nodes::Node>,
    /// What assessments become for those nodes.
    #[serde(default)]
    pub results: results::Config,
    /// Without it: nothing is imported from sticks.
    #[serde(default)]
    pub import: Option<import::Config>,
    /// Without it: no image leaves for the hub.
    #[serde(default)]
    pub images: Option<image_upload::Config>,
    pub page: clinic_page::Config,
    /// Without it: no port for metrics.
    #[serde(default)]
    pub metrics: Option<metrics::Config>,
    #[serde(default)]
    pub worklist: worklist::Config,
    /// Without it: no rounds, and no releases from the hub.
    #[serde(default)]
    pub services: Option<hub_services::Config>,
    #[serde(default)]
    pub audit: audit::Config,
    /// Without it: images are never removed.
    #[serde(default)]
    pub retention: Option<retention::Config>,
    /// Without it: no releases, neither from the hub nor from a stick.
    #[serde(default)]
    pub releases: Option<model_slot::Config>,
    /// What of the file may stand in a fault report.
    #[serde(skip)]
    pub(crate) for_fault_reports: String,
    /// Tells two site files apart, for the audit log.
    #[serde(skip)]
    pub(crate) fingerprint: String,
}

/// Which model answers and on what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The bundle's directory. Required. A bundle that does not load does not stop the daemon: studies then go to
    /// review, and the page says why.
    pub bundle: PathBuf,
    /// `auto`, `tract` or `ort`. Default `auto`.
    #[serde(default)]
    pub engine: EngineWish,
    /// `auto`, `int8` or `f32`. Default `auto`.
    #[serde(default)]
    pub precision: PrecisionWish,
    /// The ONNX Runtime library, for `ort`. Default: the environment's `ORT_DYLIB_PATH`, else the one beside the program,
    /// or none.
    #[serde(default)]
    pub onnxruntime: Option<PathBuf>,
    /// What ONNX Runtime computes on, in the order of wish: `tensorrt`, `cuda`, `cpu`. Default `cpu`.
    #[serde(default = "default_providers")]
    pub providers: Vec<Provider>,
    /// Threads within one picture, 1 to 64. Default: 2 where the box has as many, else 1.
    #[serde(default = "default_threads")]
    pub threads: usize,
    /// Seconds a model may take for one picture, 1 to 600. Default 20. What takes longer is not waited for; the study goes
    /// to review.
    #[serde(default = "default_deadline_s")]
    pub deadline_s: u64,
    /// Where the choice of engines is kept from one start to the next.
    #[serde(skip)]
    pub(crate) remember: Option<PathBuf>,
}

fn default_providers() -> Vec<Provider> {
    vec![Provider::Cpu]
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2))
}

fn default_deadline_s() -> u64 {
    20
}

pub(crate) fn default_deadline() -> Duration {
    Duration::from_secs(default_deadline_s())
}

impl ModelConfig {
    /// One bundle, and everything else as it is where the site file says nothing.
    #[must_use]
    pub fn new(bundle: PathBuf) -> Self {
        Self {
            bundle,
            engine: EngineWish::Auto,
            precision: PrecisionWish::Auto,
            onnxruntime: None,
            providers: default_providers(),
            threads: default_threads(),
            deadline_s: default_deadline_s(),
            remember: None,
        }
    }

    fn check(&self) -> Result<(), String> {
        if !(1..=64).contains(&self.threads) {
            return Err("[model] threads must lie between 1 and 64".to_owned());
        }
        if !(1..=600).contains(&self.deadline_s) {
            return Err("[model] deadline_s must lie between 1 and 600".to_owned());
        }
        if self.providers.is_empty() {
            return Err("[model] providers names at least one of \"tensorrt\", \"cuda\", \"cpu\"".to_owned());
        }
        Ok(())
    }
}

/// Why a site file cannot be used; says what to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the site file {} cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the site file {} is wrong:\n{message}", path.display())]
    Parse { path: PathBuf, message: String },
    #[error("the site file {} is wrong: {message}", path.display())]
    Value { path: PathBuf, message: String },
}

impl Config {
    /// # Errors
    /// When the file cannot be read, has an unknown or missing key, or a value that cannot be.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// What stands in the file of that name.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        if let Some(message) = moved::complaint(text) {
            return Err(Error::Value {
                path: path.to_owned(),
                message,
            });
        }
        let mut config: Self = toml::from_str(text).map_err(|error| Error::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        config.for_fault_reports = site_redaction::redacted(text);
        config.fingerprint = fingerprint(text);
        let services = config.services.as_ref();
        let checks = [
            config.dicom.check(),
            config.audit.check(),
            config.retention.as_ref().map_or(Ok(()), retention::Config::check),
            config.worklist.check(),
            config.video.check(),
            config.model.check(),
            model::check_others(&config.other_model),
            config.decision.check(),
            config.link.check(),
            config.page.check(),
            nodes::check(&config.deliver),
            config.import.as_ref().map_or(Ok(()), import::Config::check),
            config.images.as_ref().map_or(Ok(()), image_upload::Config::check),
            services.map_or(Ok(()), hub_services::Config::check),
            config.check_membership(),
            config.releases.as_ref().map_or(Ok(()), model_slot::Config::check),
        ];
        for check in checks {
            check.map_err(|message| Error::Value {
                path: path.to_owned(),
                message,
            })?;
        }
        Ok(config)
    }

    /// Who the box is stands in the site file whole or not at all.
    fn check_membership(&self) -> Result<(), String> {
        let by_hand = self.link.tls.is_some();
        if self.clinic.is_some() != by_hand {
            return Err(
                "clinic and [link.tls] belong together: give both, or neither and enrol the box by a code"
                    .to_owned(),
            );
        }
        let addresses = [
            ("[link]", Some(&self.link.hub)),
            ("[services]", self.services.as_ref().map(|one| &one.hub)),
            ("[images]", self.images.as_ref().map(|one| &one.hub)),
        ];
        for (table, hub) in addresses {
            if by_hand && hub.is_some_and(Option::is_none) {
                return Err(format!(
                    "{table} hub is required where the box is not enrolled by a code"
                ));
            }
        }
        Ok(())
    }
}

fn clinic_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ClinicId>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let id = text.map(ClinicId::new).transpose();
    id.map_err(serde::de::Error::custom)
}

/// The beginning of its SHA-256.
fn fingerprint(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let start = digest.as_ref().iter().take(8);
    start.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../provisioning/sites/example.toml"
    );

    fn load(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.toml");
        fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_loads() {
        let config = Config::load(Path::new(EXAMPLE)).unwrap();
        assert_eq!(config.clinic.unwrap().as_str(), "clinic-7");
        assert_eq!(config.dicom.unknown_scanners, front_door::UnknownScanners::Refuse);
    }

    #[test]
    fn the_packages_site_file_begins_a_new_box() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../provisioning/debian/edge/site.toml"
        );
        let config = Config::load(Path::new(path)).unwrap();
        assert!(config.clinic.is_none() && config.link.tls.is_none());
        assert_eq!(config.dicom.unknown_scanners, front_door::UnknownScanners::Refuse);
        assert!(config.page.listen.ip().is_loopback());
        // Nothing but results leaves before somebody says so.
        assert!(config.images.is_none() && config.services.is_none() && config.deliver.is_empty());
    }

    #[test]
    fn a_typo_is_named_with_its_line() {
        let example = fs::read_to_string(EXAMPLE).unwrap();
        let error = load(&example.replace("ae_title = \"BAREFOOT\"", "ae_titel = \"BAREFOOT\"")).unwrap_err();
        assert!(error.contains("ae_titel") && error.contains("line"), "{error}");
    }

    #[test]
    fn a_key_that_is_policy_now_names_its_new_place() {
        let example = fs::read_to_string(EXAMPLE).unwrap();
        for (old, place) in [
            ("[privacy]\nconsent = \"opt_out\"", "[learning]"),
            ("[images]\ndates = \"kept\"", "[hub] dates"),
            ("[images]\nurgencies = [\"critical\"]", "[hub] images_of"),
            (
                "[images]\npatient_characteristics = false",
                "[hub] patient_characteristics",
            ),
            (
                "[images]\ntrust_declared_clean = true",
                "[hub] trust_declared_clean",
            ),
        ] {
            let error = load(&format!("{example}\n{old}\n")).unwrap_err();
            assert!(
                error.contains(place) && error.contains("policy"),
                "{old}: {error}"
            );
        }
        let follow = example.replace("[decision]", "[decision]\nfollow_site = false");
        assert!(load(&follow).unwrap_err().contains("[learning] follow_site"));
    }

    #[test]
    fn impossible_values_are_named() {
        let example = fs::read_to_string(EXAMPLE).unwrap();
        for (good, bad, expected) in [
            ("\"BAREFOOT\"", "\"A TITLE THAT IS TOO LONG\"", "AE title"),
            ("review_below = 0.80", "review_below = 80", "review_below"),
            ("clinic = \"clinic-7\"", "clinic = \"Clinic 7\"", "clinic id"),
            ("# deadline_s = 20", "deadline_s = 0", "deadline_s"),
            ("# [audit]\n# keep_days = 400", "[audit]\nkeep_days = 90", "183"),
            ("# threads = 2", "threads = 0", "threads"),
            (
                "# [video]\n# program = \"/usr/bin/ffmpeg\"",
                "[video]\nprogram = \"ffmpeg\"",
                "absolute path",
            ),
            (
                "# [video]\n",
                "[video]\nmemory_mib = 1\n",
                "between 256 and 65536",
            ),
            (
                "hub = \"hub.region.example:8883\"",
                "hub = \"hub.region.example\"",
                "host:port",
            ),
        ] {
            assert!(example.contains(good), "{good}");
            let error = load(&example.replace(good, bad)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
