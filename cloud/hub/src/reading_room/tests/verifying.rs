use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use super::*;

/// A signed report, and its file as the reader got it.
async fn signed() -> (Hospital, Reader, String, Vec<u8>) {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.holder("li.wei").await;
    let answer = reader
        .sign(
            &hospital,
            &[("impression", "Pneumonia."), ("finding-pneumonia", "present")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let id = hospital.reports().await.remove(0).id;
    let file = reader
        .get(&hospital, &format!("/reports/{id}/file?form=signed"))
        .await;
    assert_eq!(file.status, StatusCode::OK);
    (hospital, reader, id, file.bytes)
}

/// Anybody asks, with a form that needs no sign-in.
async fn ask(hospital: &Hospital, report: &str) -> Answer {
    Browser::default()
        .send(&hospital.house, "/verify", "", &[("report", report)])
        .await
}

#[tokio::test]
async fn anybody_can_ask_whether_a_report_is_as_it_was_signed() {
    let (hospital, _, id, file) = signed().await;
    let page = Browser::default().get(&hospital.house, "/verify").await;
    assert_eq!(page.status, StatusCode::OK);

    let by_number = ask(&hospital, &format!(" {}\r\n", id.to_lowercase())).await;
    assert_eq!(by_number.status, StatusCode::OK, "{}", by_number.body);
    for wanted in ["The signature holds", id.as_str(), "Dr li.wei MD County hospital"] {
        assert!(by_number.body.contains(wanted), "{wanted}: {}", by_number.body);
    }
    assert!(
        !by_number.body.contains("Pneumonia") && !by_number.body.contains(key().case.as_str()),
        "nothing of what it says: {}",
        by_number.body
    );
    let pasted = ask(&hospital, &STANDARD.encode(&file)).await;
    assert_eq!(pasted.status, StatusCode::OK, "{}", pasted.body);

    // What a telephone reads off the printed page.
    let content = v1::SignedReport::decode(file.as_slice()).unwrap().content;
    let hash = ring::digest::digest(&ring::digest::SHA256, &content);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let printed = ask(&hospital, &format!("BAREFOOT:R1:{id}:{hash}")).await;
    assert_eq!(printed.status, StatusCode::OK, "{}", printed.body);
    let groups = format!("{} {} ", &hash[..4], &hash[4..8]).to_lowercase();
    assert!(
        printed.body.contains(&groups),
        "as it stands on paper: {}",
        printed.body
    );
    let other = ask(&hospital, &format!("BAREFOOT:R1:{id}:{}", "00".repeat(32))).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(other.body.contains("another fingerprint"), "{}", other.body);
}

/// The page's form with a file, as a browser sends it.
async fn upload(hospital: &Hospital, typed: &str, file: &[u8]) -> Answer {
    let mut body = format!(
        "--B\r\nContent-Disposition: form-data; name=\"report\"\r\n\r\n{typed}\r\n--B\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.report\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend(file);
    body.extend(b"\r\n--B--\r\n");
    let request = Browser::default()
        .request("POST", "/verify")
        .header("content-type", "multipart/form-data; boundary=B")
        .body(body.into())
        .unwrap();
    hospital.house.ask(request).await
}

#[tokio::test]
async fn a_file_is_checked_as_it_is() {
    let (hospital, _, id, file) = signed().await;
    let page = Browser::default().get(&hospital.house, "/verify").await;
    assert!(page.body.contains("enctype=\"multipart/form-data\"") && page.body.contains("type=\"file\""));
    let held = upload(&hospital, "", &file).await;
    assert_eq!(held.status, StatusCode::OK, "{}", held.body);
    assert!(held.body.contains(&id), "{}", held.body);
    // A form without a file still asks by number.
    let by_number = upload(&hospital, &id, b"").await;
    assert_eq!(by_number.status, StatusCode::OK, "{}", by_number.body);

    let mut changed = file.clone();
    let place = changed.windows(9).position(|part| part == b"Pneumonia").unwrap();
    changed[place] = b'p';
    let answer = upload(&hospital, "", &changed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("does not hold"), "{}", answer.body);
    let picture = upload(&hospital, "", b"\xFF\xD8\xFF\xDB a holiday").await;
    assert_eq!(picture.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(picture.body.contains("no signed file"), "{}", picture.body);
    let large = upload(&hospital, "", &vec![b'x'; 512 * 1024]).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.body.contains("too large"), "{}", large.body);
    let broken = Browser::default()
        .request("POST", "/verify")
        .header("content-type", "multipart/form-data; boundary=B")
        .body("--B\r\nno part".into())
        .unwrap();
    let broken = hospital.house.ask(broken).await;
    assert!(broken.status.is_client_error(), "{}", broken.status);
}

#[tokio::test]
async fn what_is_no_report_or_was_changed_is_said() {
    let (hospital, _, _, file) = signed().await;
    for nothing in [
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "",
        "no report",
        "AAAA",
        "<script>alert(1)</script>",
    ] {
        let answer = ask(&hospital, nothing).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{nothing}");
        assert!(!answer.body.contains("<script>"));
    }
    let report = v1::SignedReport::decode(file.as_slice()).unwrap();
    let place = report
        .content
        .windows(9)
        .position(|part| part == b"Pneumonia")
        .unwrap();
    let mut content = report.content.clone();
    content[place..place + 9].copy_from_slice(b"Nothing..");
    let mut signature = report.signature.clone();
    signature[0] ^= 1;
    for (changed, said) in [
        (
            v1::SignedReport {
                content,
                ..report.clone()
            },
            "does not hold",
        ),
        (
            v1::SignedReport {
                signature,
                ..report.clone()
            },
            "does not hold",
        ),
        (
            v1::SignedReport {
                certificate: Vec::new(),
                ..report
            },
            "is no signed file",
        ),
    ] {
        let answer = ask(&hospital, &STANDARD.encode(changed.encode_to_vec())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(said), "{said}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_report_leaves_as_a_file_of_each_kind_and_that_is_logged() {
    let (hospital, mut reader, id, _) = signed().await;
    for (form, kind, begins) in [
        ("sr", "application/dicom", &b"\0\0"[..]),
        ("fhir", "application/fhir+json", b"{"),
    ] {
        let file = reader
            .get(&hospital, &format!("/reports/{id}/file?form={form}"))
            .await;
        assert_eq!(file.status, StatusCode::OK, "{form}");
        assert_eq!(file.headers["content-type"], kind);
        assert!(file.bytes.starts_with(begins), "{form}");
        assert!(
            file.headers["content-disposition"]
                .to_str()
                .unwrap()
                .starts_with("attachment; filename=\"01"),
        );
    }
    let exports: Vec<String> = hospital
        .logged("export")
        .await
        .into_iter()
        .map(|(_, form)| form)
        .collect();
    assert_eq!(exports, ["signed", "sr", "fhir"]);
    for unknown in [format!("/reports/{id}/file?form=doc"), "/reports/none".into()] {
        let answer = reader.get(&hospital, &unknown).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}
