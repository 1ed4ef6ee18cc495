use std::net::IpAddr;
use std::path::{Path, PathBuf};

use axum::http::Uri;
use serde::Deserialize;

use super::{Error, Source};

const TABLE: &str = "people.oidc";

/// Sign-in at the region's own provider (OpenID Connect).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider's name for itself, an address; `/.well-known/openid-configuration` is below it.
    pub issuer: String,
    /// The provider's name for this hub.
    pub client_id: String,
    /// Holds the client's secret. Absent: the hub is a public client.
    pub client_secret_file: Option<PathBuf>,
    /// What the sign-in page calls the provider. Default: the issuer's host.
    #[serde(default)]
    pub label: String,
    /// PEM: the only authorities that the provider's certificate may come from. Absent: those that browsers trust.
    pub authority: Option<PathBuf>,
    /// What is asked of the provider beside `openid`. Default: nothing.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Values of `acr` that mean two factors. Default: none.
    #[serde(default)]
    pub second_factor_acr: Vec<String>,
    /// Values of `amr` one of which means two factors. Default: none.
    #[serde(default)]
    pub second_factor_amr: Vec<String>,
    /// Linked accounts sign in by the provider only; operators keep their password. Default false.
    #[serde(default)]
    pub only: bool,
}

/// HTTPS, or plain HTTP to this machine; a host, and nothing that hides another.
pub(crate) fn is_safe_address(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else {
        return false;
    };
    let Some(authority) = uri
        .authority()
        .filter(|authority| !authority.as_str().contains('@'))
    else {
        return false;
    };
    let host = authority.host();
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic()) && !address.contains(['#', '\\']);
    let loopback = || {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    let safe = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => loopback(),
        _ => false,
    };
    safe && plain && !host.is_empty()
}

impl Oidc {
    pub(super) fn checked(
        mut self,
        address: Option<&str>,
        base: &Path,
        source: &Source<'_>,
    ) -> Result<Self, Error> {
        if !is_safe_address(&self.issuer) || self.issuer.contains('?') {
            let problem =
                "must be the provider's address with https:// (or http:// on loopback), without ? and #";
            return Err(source.error(TABLE, "issuer", problem));
        }
        // The provider sends people back there, and nowhere else.
        if !address.is_some_and(is_safe_address) {
            let problem = "[people.oidc] needs it: https:// and the hub's host as browsers see it (or http:// on loopback)";
            return Err(source.error("people", "address", problem));
        }
        if self.client_id.trim().is_empty() {
            return Err(source.error(TABLE, "client_id", "must be the provider's name for this hub"));
        }
        let words = [
            ("scopes", &self.scopes),
            ("second_factor_acr", &self.second_factor_acr),
            ("second_factor_amr", &self.second_factor_amr),
        ];
        for (key, values) in words {
            let is_word = |word: &String| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
            };
            if !values.iter().all(is_word) {
                return Err(source.error(TABLE, key, "must be words without spaces"));
            }
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            self.scopes.insert(0, "openid".to_owned());
        }
        if self.label.trim().is_empty() {
            let uri = self.issuer.parse::<Uri>().ok();
            self.label = uri
                .and_then(|uri| uri.host().map(str::to_owned))
                .unwrap_or_default();
        }
        if self.label.chars().any(char::is_control) || 64 < self.label.chars().count() {
            return Err(source.error(TABLE, "label", "must be at most 64 characters on one line"));
        }
        self.client_secret_file = self.client_secret_file.map(|path| base.join(path));
        self.authority = self.authority.map(|path| base.join(path));
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::is_safe_address;

    #[test]
    fn an_address_is_https_or_this_machine() {
        for good in [
            "https://id.example",
            "https://id.example:8443/realms/a",
            "http://localhost:9400",
            "http://127.0.0.1:9400/x?y=z",
            "http://[::1]:9400",
        ] {
            assert!(is_safe_address(good), "{good}");
        }
        for bad in [
            "",
            "id.example",
            "http://id.example",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "https://good.example@evil.example",
            "https://id.example/#x",
            "https:///x",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://id.example/\r\nx: y",
            "https://id.example/ x",
        ] {
            assert!(!is_safe_address(bad), "{bad}");
        }
    }
}
