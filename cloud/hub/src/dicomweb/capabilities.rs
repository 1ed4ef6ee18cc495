//! What is served (PS3.18 section 8.9), as JSON. The standard's own form is WADL, which nothing reads any more.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::{PREFIX, answer};

pub(super) async fn show() -> Response {
    let transfer_syntaxes = ["*", "1.2.840.10008.1.2.1"];
    let capabilities = json!({
        "standard": "DICOM PS3.18",
        "base": PREFIX,
        "services": {
            "QIDO-RS": {
                "resources": ["studies", "studies/{study}/series", "studies/{study}/instances",
                    "studies/{study}/series/{series}/instances", "series", "instances"],
                "mediaTypes": ["application/dicom+json"],
                "parameters": ["limit", "offset", "includefield"],
                "fuzzymatching": false,
            },
            "WADO-RS": {
                "resources": ["studies/{study}", "studies/{study}/series/{series}",
                    "studies/{study}/series/{series}/instances/{instance}", "instances/{instance}",
                    "…/metadata", "…/frames/{list}", "…/bulkdata/{element}", "…/rendered",
                    "…/frames/{frame}/rendered", "…/thumbnail"],
                "mediaTypes": ["application/dicom", "multipart/related; type=\"application/dicom\"",
                    "application/dicom+json", "multipart/related; type=\"application/octet-stream\"",
                    "image/jpeg", "image/png"],
                "transferSyntaxes": transfer_syntaxes,
                "parameters": ["window", "viewport", "quality"],
            },
            "STOW-RS": {
                "resources": ["studies", "studies/{study}"],
                "mediaTypes": ["multipart/related; type=\"application/dicom\"", "application/dicom"],
                "requires": "objects without identity, in the form of the project's de-identification profile",
            },
            "UPS-RS": {
                "resources": ["workitems", "workitems/{workitem}", "workitems/{workitem}/state",
                    "workitems/{workitem}/cancelrequest",
                    "workitems/{workitem}/subscribers/{aetitle}", "ws/subscribers/{aetitle}"],
                "mediaTypes": ["application/dicom+json"],
                "filteredWorklistSubscription": true,
            },
        },
    });
    answer::json(StatusCode::OK, "application/json", &capabilities)
}
