//! `barefoot-edge console`: what somebody in front of the box's screen must know, on a few lines of plain letters. Fit for
//! `/run/issue.d`, which a login prompt shows.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::config::Config;
use crate::own_addresses::reached_by;
use crate::{page_client, status_command};

/// The lines; always some, whether the daemon runs or not.
#[must_use]
pub fn lines(config: &Config) -> Vec<String> {
    let state = &config.storage.directory;
    let ports = ports(state);
    let mut lines = vec![format!("Barefoot {}", env!("CARGO_PKG_VERSION"))];
    let page = |port: &str, scheme: &str| {
        let at = |address: SocketAddr| {
            let hosts = reached_by(address.ip()).into_iter();
            hosts
                .map(|host| format!("{scheme}://{}/", SocketAddr::new(host, address.port())))
                .collect::<Vec<_>>()
        };
        port_of(&ports, port).map(at).unwrap_or_default()
    };
    let pages = [page("page_tls", "https"), page("page", "http")].concat();
    let pages = if pages.is_empty() {
        "not open".to_owned()
    } else {
        pages.join("  ")
    };
    lines.push(format!("Page:      {pages}"));
    let report = match status_command::ask(state) {
        Ok(report) => report,
        // Its first page has nothing for programs.
        Err(page_client::Error::Answer) => {
            lines.push(
                "Set-up:    THIS BOX BELONGS TO NO CLINIC YET. Open the page and type in the code."
                    .to_owned(),
            );
            return lines;
        }
        Err(_) => {
            lines.push("State:     THE DAEMON DOES NOT RUN (systemctl status barefoot-edge)".to_owned());
            return lines;
        }
    };
    lines.push(scanners(config, &ports));
    lines.extend(hub(&report.json));
    lines.extend(
        report
            .troubles
            .iter()
            .map(|trouble| format!("LOOK:      {trouble}")),
    );
    lines
}

fn ports(state: &Path) -> Value {
    let text = fs::read(state.join("addresses.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn port_of(ports: &Value, name: &str) -> Option<SocketAddr> {
    ports
        .pointer(&format!("/addresses/{name}"))?
        .as_str()?
        .parse()
        .ok()
}

fn scanners(config: &Config, ports: &Value) -> String {
    let mut said = format!("Scanners:  AE title {}", config.dicom.ae_title);
    for (port, what) in [("dicom", "port"), ("dicom_tls", "TLS port")] {
        if let Some(address) = port_of(ports, port) {
            let hosts: Vec<String> = reached_by(address.ip()).iter().map(ToString::to_string).collect();
            said.push_str(&format!(", {} {what} {}", hosts.join(" or "), address.port()));
        }
    }
    said
}

fn hub(status: &Value) -> Vec<String> {
    let number = |path: &str| status.pointer(path).and_then(Value::as_i64);
    let line = status
        .pointer("/link")
        .and_then(Value::as_str)
        .unwrap_or("unknown");
    let waiting = number("/queue/pending").unwrap_or(0);
    let enrolled = match number("/identity/certificate_until_ms") {
        Some(until) => format!("by a code, certificate for {} more days", days_until(until)),
        None => "certificate given by hand".to_owned(),
    };
    vec![
        format!("Hub:       {line}, {waiting} waiting to be sent"),
        format!("Enrolment: {enrolled}"),
    ]
}

fn days_until(at_ms: i64) -> i64 {
    at_ms.saturating_sub(crate::clock::now_ms()).max(0) / (24 * 60 * 60 * 1000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn line_and_enrolment_are_said() {
        let until = crate::clock::now_ms() + 5 * 24 * 60 * 60 * 1000 + 60_000;
        let said = hub(&json!({
            "link": "connecting", "queue": {"pending": 3}, "identity": {"certificate_until_ms": until},
        }));
        assert_eq!(
            said,
            [
                "Hub:       connecting, 3 waiting to be sent",
                "Enrolment: by a code, certificate for 5 more days"
            ]
        );
        let by_hand = hub(&json!({"link": "connected", "identity": {}}));
        assert!(by_hand[1].contains("by hand"), "{by_hand:?}");
        let ports = json!({"addresses": {"dicom": "192.168.1.7:11112"}});
        assert_eq!(
            port_of(&ports, "dicom"),
            Some(SocketAddr::from(([192, 168, 1, 7], 11112)))
        );
        assert_eq!(port_of(&ports, "dicom_tls"), None);
    }
}
