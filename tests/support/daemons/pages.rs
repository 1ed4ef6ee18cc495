//! What the daemons' pages say about themselves, as the JSON beside the pages.

use serde::Deserialize;

use super::{Edge, Error, Hub};
use crate::http::get_json;

/// One line of the clinic's case list.
#[derive(Debug, Clone, Deserialize)]
pub struct EdgeCase {
    /// The key its page is found under.
    pub study: String,
    pub study_uid: String,
    pub case_id: String,
    pub version: u32,
    pub modality: String,
    pub instances: usize,
    /// `receiving`, `assessing`, `assessed`.
    pub state: String,
    /// `none`, `queued`, `receipted`, `refused`.
    pub delivery: String,
    pub envelope_id: Option<String>,
    pub received_at_ms: i64,
    pub assessed_at_ms: Option<i64>,
    pub model: Option<String>,
    pub engine: Option<String>,
    pub precision: Option<String>,
    #[serde(default)]
    pub findings: Vec<Finding>,
    pub quality: Option<String>,
    pub urgency: Option<String>,
    #[serde(default)]
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Finding {
    pub code: String,
    pub score: f32,
    pub call: String,
    pub confidence: f32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct EdgeStatus {
    pub stored: u64,
    pub quarantined: u64,
    pub queue: QueueDepth,
    /// `connected`, `connecting`.
    pub link: String,
    pub engine: Option<String>,
    pub precision: Option<String>,
    pub model: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct QueueDepth {
    pub pending: u64,
    /// Age of the oldest.
    pub oldest_ms: Option<u64>,
}

/// One line of the hub's list.
#[derive(Debug, Clone, Deserialize)]
pub struct HubResult {
    pub envelope_id: String,
    pub clinic: String,
    pub case_id: String,
    pub version: u32,
    pub modality: String,
    pub instances: usize,
    pub received_at_ms: i64,
    pub assessed_at_ms: i64,
    pub model: Option<String>,
    pub engine: Option<String>,
    pub precision: Option<String>,
    #[serde(default)]
    pub findings: Vec<Finding>,
    pub quality: Option<String>,
    pub urgency: Option<String>,
    #[serde(default)]
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct HubStatus {
    pub results: u64,
    pub envelopes: u64,
    pub duplicates: u64,
    pub refused: u64,
    #[serde(default)]
    pub clinics: Vec<ClinicPresence>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ClinicPresence {
    pub clinic: String,
    pub online: bool,
    pub last_seen_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<EdgeCase>,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<HubResult>,
}

impl Edge {
    /// # Errors
    /// When the page does not answer as it should.
    pub async fn cases(&self) -> Result<Vec<EdgeCase>, Error> {
        let all: Cases = page(self.address("page")?, "/api/cases").await?;
        Ok(all.cases)
    }

    /// # Errors
    /// When the page does not answer as it should.
    pub async fn status(&self) -> Result<EdgeStatus, Error> {
        page(self.address("page")?, "/api/status").await
    }
}

impl Hub {
    /// # Errors
    /// When the page does not answer as it should.
    pub async fn results(&self) -> Result<Vec<HubResult>, Error> {
        let all: Results = page(self.address("page")?, "/api/results?limit=10000").await?;
        Ok(all.results)
    }

    /// # Errors
    /// When the page does not answer as it should.
    pub async fn status(&self) -> Result<HubStatus, Error> {
        page(self.address("page")?, "/api/status").await
    }
}

async fn page<T: serde::de::DeserializeOwned>(address: &str, path: &str) -> Result<T, Error> {
    let value = get_json(address, path)
        .await
        .map_err(|source| Error::Page { source })?;
    serde_json::from_value(value).map_err(|source| Error::PageShape {
        path: path.to_owned(),
        source,
    })
}
