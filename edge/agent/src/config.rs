//! The site file: one typed struct, unknown keys refused.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_domain::ClinicId;
use barefoot_inference::{EngineWish, PrecisionWish};
use serde::{Deserialize, Deserializer};

use crate::{
    assess, clinic_page, front_door, hub_services, image_upload, import, link, local_training, metrics,
    model_slot, nodes, results, retention, site_redaction, spool, study, worklist,
};

/// Everything a site decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This clinic's id: 1 to 64 of a-z, 0-9, `-`; equal to the common name of the certificate. Required.
    #[serde(deserialize_with = "clinic_id")]
    pub clinic: ClinicId,
    pub storage: spool::Config,
    pub dicom: front_door::Config,
    #[serde(default)]
    pub study: study::Config,
    pub model: ModelConfig,
    #[serde(default)]
    pub decision: assess::Config,
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
    /// Without it: nothing is learnt from this clinic's images.
    #[serde(default)]
    pub privacy: Option<local_training::Policy>,
    /// Without it: images are never removed.
    #[serde(default)]
    pub retention: Option<retention::Config>,
    /// Without it: no releases, neither from the hub nor from a stick.
    #[serde(default)]
    pub releases: Option<model_slot::Config>,
    /// What of the file may stand in a fault report.
    #[serde(skip)]
    pub(crate) for_fault_reports: String,
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
    /// The ONNX Runtime library, for `ort`. Default: the environment's `ORT_DYLIB_PATH`, or none.
    #[serde(default)]
    pub onnxruntime: Option<PathBuf>,
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
        let mut config: Self = toml::from_str(&text).map_err(|error| Error::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        config.for_fault_reports = site_redaction::redacted(&text);
        let (services, privacy) = (config.services.as_ref(), config.privacy.as_ref());
        let checks = [
            config.dicom.check(),
            config.retention.as_ref().map_or(Ok(()), retention::Config::check),
            config.worklist.check(),
            config.decision.check(),
            config.link.check(),
            config.page.check(),
            nodes::check(&config.deliver),
            config.import.as_ref().map_or(Ok(()), import::Config::check),
            config.images.as_ref().map_or(Ok(()), image_upload::Config::check),
            services.map_or(Ok(()), hub_services::Config::check),
            privacy.map_or(Ok(()), local_training::Policy::check),
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
}

fn clinic_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ClinicId, D::Error> {
    ClinicId::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
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
        assert_eq!(config.clinic.as_str(), "clinic-7");
        assert_eq!(config.dicom.unknown_scanners, front_door::UnknownScanners::Refuse);
    }

    #[test]
    fn a_typo_is_named_with_its_line() {
        let example = fs::read_to_string(EXAMPLE).unwrap();
        let error = load(&example.replace("ae_title = \"BAREFOOT\"", "ae_titel = \"BAREFOOT\"")).unwrap_err();
        assert!(error.contains("ae_titel") && error.contains("line"), "{error}");
    }

    #[test]
    fn impossible_values_are_named() {
        let example = fs::read_to_string(EXAMPLE).unwrap();
        for (good, bad, expected) in [
            ("\"BAREFOOT\"", "\"A TITLE THAT IS TOO LONG\"", "AE title"),
            ("review_below = 0.80", "review_below = 80", "review_below"),
            ("clinic = \"clinic-7\"", "clinic = \"Clinic 7\"", "clinic id"),
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
