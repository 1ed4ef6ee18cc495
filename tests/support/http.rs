//! Reads the daemons' pages as a browser on the same machine would.

use std::time::Duration;

use serde_json::Value;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot get {url}")]
    Get { url: String, source: Box<ureq::Error> },
    #[error("{url} is no JSON")]
    Json { url: String, source: serde_json::Error },
    #[error("the thread asking for {url} ended")]
    Thread { url: String },
}

/// # Errors
/// When there is no answer, or none with status 200.
pub async fn get(address: &str, path: &str) -> Result<Vec<u8>, Error> {
    let url = format!("http://{address}{path}");
    let asked = url.clone();
    let answer = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        let mut response = agent.get(&asked).call()?;
        response.body_mut().with_config().limit(256 << 20).read_to_vec()
    });
    match answer.await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(source)) => Err(Error::Get {
            url,
            source: Box::new(source),
        }),
        Err(_) => Err(Error::Thread { url }),
    }
}

/// # Errors
/// As [`get`], and when the answer is no JSON.
pub async fn get_json(address: &str, path: &str) -> Result<Value, Error> {
    let bytes = get(address, path).await?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json {
        url: format!("http://{address}{path}"),
        source,
    })
}
