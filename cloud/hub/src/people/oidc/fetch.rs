//! The hub's calls to the provider: few at once, short, bounded, straight to the address that was meant.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto;
use tokio::sync::Semaphore;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use zeroize::Zeroizing;

use crate::config;

/// A person waits meanwhile.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Key sets and discovery documents have a few kilobytes.
const MAX_BODY_BYTES: u64 = 256 * 1024;
/// Calls at once; each holds a thread.
const AT_ONCE: usize = 8;

/// Why nothing came back. Addresses and what was sent stand nowhere.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub(in crate::people) enum NoAnswer {
    #[error("too many calls to it are under way")]
    Busy,
    #[error("it did not answer in time")]
    Slow,
    #[error("its answer is too long")]
    Long,
    #[error("its certificate is not trusted, or it speaks no TLS")]
    Tls,
    #[error("it could not be reached")]
    Unreachable,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What goes with a code to the token endpoint.
pub(super) struct Form {
    pub(super) body: Zeroizing<String>,
    /// `Authorization`, for a client with a secret.
    pub(super) authorization: Option<Zeroizing<String>>,
}

#[derive(Debug)]
pub(super) struct Fetch {
    agent: ureq::Agent,
    places: Semaphore,
}

impl Fetch {
    /// Trusts what browsers trust, or only the authorities of the settings.
    pub(super) fn new(
        settings: &config::Oidc,
        authority: Option<&[u8]>,
        patience: Duration,
    ) -> Result<Self, ureq::Error> {
        let mut tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(crypto::ring::default_provider()));
        if let Some(pem) = authority {
            let certificates = ureq::tls::parse_pem(pem).filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            });
            let certificates: Vec<Certificate<'static>> = certificates.collect::<Result<_, _>>()?;
            if certificates.is_empty() {
                return Err(ureq::Error::Tls("the file holds no certificate"));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .https_only(settings.issuer.starts_with("https://"))
            .timeout_global(Some(patience))
            .max_redirects(0)
            .http_status_as_error(false)
            .max_response_header_size(MAX_HEADER_BYTES)
            .build()
            .into();
        Ok(Self {
            agent,
            places: Semaphore::new(AT_ONCE),
        })
    }

    pub(super) async fn get(&self, address: &str) -> Result<Answer, NoAnswer> {
        let (agent, address) = (self.agent.clone(), address.to_owned());
        self.run(move || read(agent.get(&address).header("accept", "application/json").call()))
            .await
    }

    pub(super) async fn post(&self, address: &str, form: Form) -> Result<Answer, NoAnswer> {
        let (agent, address) = (self.agent.clone(), address.to_owned());
        self.run(move || {
            let mut request = agent
                .post(&address)
                .header("accept", "application/json")
                .header("content-type", "application/x-www-form-urlencoded");
            if let Some(authorization) = &form.authorization {
                request = request.header("authorization", authorization.as_str());
            }
            read(request.send(form.body.as_str()))
        })
        .await
    }

    async fn run(
        &self,
        call: impl FnOnce() -> Result<Answer, NoAnswer> + Send + 'static,
    ) -> Result<Answer, NoAnswer> {
        let _place = self.places.try_acquire().map_err(|_| NoAnswer::Busy)?;
        let done = tokio::task::spawn_blocking(call).await;
        done.map_err(|_| NoAnswer::Unreachable)?
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, NoAnswer> {
    let mut answer = answer.map_err(|error| why(&error))?;
    let status = answer.status().as_u16();
    let body = answer
        .body_mut()
        .with_config()
        .limit(MAX_BODY_BYTES)
        .read_to_vec();
    Ok(Answer {
        status,
        body: body.map_err(|error| why(&error))?.into(),
    })
}

fn why(error: &ureq::Error) -> NoAnswer {
    match error {
        ureq::Error::Timeout(_) => NoAnswer::Slow,
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => NoAnswer::Long,
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => NoAnswer::Tls,
        ureq::Error::Io(inner) if inner.kind() == std::io::ErrorKind::TimedOut => NoAnswer::Slow,
        // rustls' own word for a certificate it does not believe comes wrapped so.
        ureq::Error::Io(inner) if inner.kind() == std::io::ErrorKind::InvalidData => NoAnswer::Tls,
        _ => NoAnswer::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::super::tests::settings;
    use super::*;

    /// Asks somebody who answers every call with `answer` and then says nothing more.
    async fn ask(answer: &'static [u8]) -> Result<Answer, NoAnswer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(answer);
            // Until the other side has enough.
            let _ = stream.read(&mut head);
        });
        let fetch = Fetch::new(&settings(&address), None, Duration::from_secs(1)).unwrap();
        let answer = fetch.get(&address).await;
        drop(fetch);
        server.join().unwrap();
        answer
    }

    #[tokio::test]
    async fn slow_and_huge_answers_end_and_no_redirection_is_followed() {
        let slow = ask(b"").await;
        assert_eq!(slow.err(), Some(NoAnswer::Slow));
        let halfway = ask(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
        assert_eq!(halfway.err(), Some(NoAnswer::Slow));
        let mut huge = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        huge.resize(huge.len() + usize::try_from(MAX_BODY_BYTES).unwrap() + 4096, b' ');
        assert_eq!(ask(huge.leak()).await.err(), Some(NoAnswer::Long));
        let mut head = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
        head.resize(head.len() + 2 * MAX_HEADER_BYTES, b'x');
        head.extend(b"\r\n\r\n");
        assert!(ask(head.leak()).await.is_err());
        let moved = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert!(ask(moved).await.is_ok_and(|answer| answer.status == 302));
        let none = b"SSH-2.0-x\r\n\r\n";
        assert!(ask(none).await.is_err());
    }

    #[tokio::test]
    async fn an_issuer_with_https_is_asked_by_https_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let safe = Fetch::new(&settings("https://id.example"), None, PATIENCE).unwrap();
        assert_eq!(
            safe.get(&format!("http://{address}")).await.err(),
            Some(NoAnswer::Unreachable)
        );
        let empty = Fetch::new(&settings("https://id.example"), Some(b"no certificate"), PATIENCE);
        assert!(empty.is_err());
    }
}
