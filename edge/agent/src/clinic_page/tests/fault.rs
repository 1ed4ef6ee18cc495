//! A fault report, as a browser sends the form.

use super::Clinic;
use crate::fault_report::tests::unpacked;

async fn send(clinic: &Clinic, note: &str, voice: Option<(&str, &str)>) -> (u16, Vec<u8>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut body = format!("--X\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{note}\r\n");
    if let Some((kind, bytes)) = voice {
        body.push_str(&format!(
            "--X\r\nContent-Disposition: form-data; name=\"voice\"; filename=\"a\"\r\nContent-Type: {kind}\r\n\r\n{bytes}\r\n"
        ));
    }
    body.push_str("--X--\r\n");
    let request = format!(
        "POST /fault HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=X\r\n\
         Content-Length: {}\r\n\r\n{body}",
        clinic.address,
        body.len()
    );
    let mut stream = clinic.connect("").await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(super::DEADLINE, stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        bytes.split_off(end + 4),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_the_state_and_nothing_of_a_patient() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| {
        case.patient.name = "标记名".into();
        case.patient.other_names = "Marker Person".into();
        case.patient.id = "MARKER-ID-1".into();
        case.patient.accession = "MARKERACC".into();
        case.patient.birth_date = "19770707".into();
    });
    // What should never be in a log, in case it is.
    let subscriber = tracing_subscriber::layer::SubscriberExt::with(
        tracing_subscriber::registry(),
        crate::recent_log::RecentLayer,
    );
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(study = %key, "A line that stays.");
        tracing::info!("标记名 MARKER-ID-1 leaked");
    });
    let (status, bytes) = send(
        &clinic,
        "the screen stays dark",
        Some(("audio/webm;codecs=opus", "SOUND")),
    )
    .await;
    assert_eq!(status, 200);
    let files = unpacked(&bytes);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "note.txt",
        "about.json",
        "site.json",
        "status.json",
        "metrics.txt",
        "log.txt",
        "voice.webm",
    ] {
        assert!(
            names.contains(&format!("barefoot-fault/{name}").as_str()),
            "{names:?}"
        );
    }
    let all: String = files
        .iter()
        .map(|(_, bytes)| String::from_utf8_lossy(bytes))
        .collect();
    for text in [
        "the screen stays dark",
        "clinic-7",
        "A line that stays.",
        "queue_pending",
        "SOUND",
    ] {
        assert!(all.contains(text), "{text}");
    }
    for marker in ["标记名", "Marker Person", "MARKER", "19770707", "1.2.3\""] {
        assert!(!all.contains(marker), "{marker}");
    }
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_names_a_patient_or_a_file_that_is_no_sound_is_refused() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |_| {});
    let (status, page) = send(&clinic, "王小东的片子打不开", None).await;
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(
        status == 422 && page.contains("患者姓名") && page.contains("王小东的片子打不开"),
        "{page}"
    );
    assert_eq!(send(&clinic, "call 13812345678", None).await.0, 422);
    assert_eq!(send(&clinic, "x", Some(("text/html", "<script>"))).await.0, 422);
    assert_eq!(send(&clinic, "", None).await.0, 200, "a note is not needed");
    clinic.close().await;
}
