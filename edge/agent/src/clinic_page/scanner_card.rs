//! What is typed into a scanner, on a sheet to print and stick to it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::pages::{self, Frame, ScannerCardPage};
use super::request_language::RequestLanguage;
use super::server::App;
use super::sources::DicomAddress;
use crate::own_addresses::reached_by;

/// `GET /scanner-card`.
pub(super) async fn page(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let dicom = &app.sources.dicom;
    let addresses = addresses(dicom);
    let page = ScannerCardPage {
        frame: Frame::of(&app, asked.language),
        t: app.library.of(asked.language),
        ae_title: &dicom.ae_title,
        is_only_here: !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        port: dicom.plain.map(|address| address.port()),
        tls_port: dicom.tls.map(|address| address.port()),
    };
    pages::page(&page, asked)
}

/// Of both ports together: nearly always the same.
fn addresses(dicom: &DicomAddress) -> BTreeSet<IpAddr> {
    let ports = [dicom.plain, dicom.tls];
    ports
        .into_iter()
        .flatten()
        .flat_map(|address| reached_by(address.ip()))
        .collect()
}
