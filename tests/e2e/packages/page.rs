//! The clinic's page as somebody reads it who signs in with a PIN.

use barefoot_test_support::wait::wait_for;
use serde_json::Value;

use super::guest::Guest;
use super::{PIN, SOON};

/// What the scanner sent.
pub(super) struct Study {
    pub(super) uid: String,
    pub(super) sha256_of_data_set: String,
}

/// The clinic's page has the study, assessed, and the hub's receipt is here.
pub(super) async fn is_there(guest: &Guest, study: &Study) {
    let there = wait_for(
        "the study on the clinic's page, received by the hub",
        SOON,
        async || {
            let cases = cases(guest)?;
            let list = cases["cases"].as_array().cloned().unwrap_or_default();
            let found = list.iter().any(|case| {
                case["study_uid"] == study.uid.as_str()
                    && case["state"] == "assessed"
                    && case["delivery"] == "receipted"
            });
            if found { Ok(()) } else { Err(cases.to_string()) }
        },
    );
    there
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", guest.log()));
}

fn cases(guest: &Guest) -> Result<Value, String> {
    let page = "http://127.0.0.1:8080";
    let curl = |words: &[&str]| {
        let all = [&["curl", "--silent", "--show-error", "--max-time", "20"], words].concat();
        let output = guest.in_its_network(&all);
        if output.status.success() {
            Ok(output.out())
        } else {
            Err(output.said())
        }
    };
    let form = curl(&[&format!("{page}/sign-in")])?;
    let (before, _) = form
        .split_once("\">wang</option>")
        .ok_or("nobody may sign in yet")?;
    let user = format!("user={}", before.rsplit('"').next().unwrap_or_default());
    let pin = format!("pin={PIN}");
    let jar = tempfile::NamedTempFile::new().unwrap();
    let jar = jar.path().display().to_string();
    curl(&[
        "--cookie-jar",
        &jar,
        "--data",
        &user,
        "--data",
        &pin,
        &format!("{page}/sign-in"),
    ])?;
    let answer = curl(&["--cookie", &jar, &format!("{page}/api/cases")])?;
    serde_json::from_str(&answer).map_err(|error| format!("{error}: {answer}"))
}
