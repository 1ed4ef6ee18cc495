//! The clinic page by HTTPS, asked by curl, which believes the page's authority and nobody else.

use std::path::Path;
use std::process::{Command, Output};

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::http::get_json;
use barefoot_trust::Authority;
use time::{Duration, OffsetDateTime};

use crate::peers::{run, text};
use crate::story::{Story, chests};

async fn curl(arguments: &[&str], address: &str) -> Output {
    let mut ask = Command::new("curl");
    ask.args(["-sS", "-i"]).args(arguments).arg(address);
    run(ask).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clinic_page_is_read_by_https_and_nothing_weaker() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(path("authority")).unwrap();
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create(Path::new(&path("authority")), "Clinic's browsers", now).unwrap();
    let hosts = ["localhost".to_owned()];
    let page = authority.issue_hub(&hosts, now, Duration::days(30)).unwrap();
    page.save(folder.path(), "page").unwrap();
    let options = EdgeOptions {
        more: format!(
            "[page.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = {:?}\nkey = {:?}\n",
            path("page.crt"),
            path("page.key"),
        ),
        ..EdgeOptions::default()
    };
    let story = Story::begin(&options).await;
    story.store(&chests(&folder, 1..2)).await;
    story.all_assessed(1).await;

    let (_, port) = story.edge.address("page_tls").unwrap().split_once(':').unwrap();
    let address = format!("https://localhost:{port}/");
    let trusted = path("authority/authority.crt");
    let read = curl(&["--cacert", &trusted], &address).await;
    let said = text(&read);
    assert!(
        said.starts_with("HTTP/1.1 200") && said.contains("strict-transport-security: max-age=31536000"),
        "{said}"
    );
    assert!(said.contains("SIM-"), "the patient is on the list");
    let chosen = curl(&["--cacert", &trusted], &format!("{address}?lang=zh")).await;
    let said = text(&chosen);
    let cookies = said.lines().filter(|line| line.starts_with("set-cookie:"));
    assert!(
        0 < cookies.clone().count() && cookies.clone().all(|cookie| cookie.contains("; Secure")),
        "{said}"
    );

    for (arguments, why) in [
        (vec![], "an authority that curl does not know"),
        (vec!["--cacert", &trusted, "--tls-max", "1.2"], "TLS 1.2"),
    ] {
        let refused = curl(&arguments, &address).await;
        assert!(!refused.status.success(), "{why}: {}", text(&refused));
    }
    let plainly = curl(&[], &format!("http://localhost:{port}/")).await;
    assert!(!text(&plainly).contains("HTTP/1.1 200"), "{}", text(&plainly));
}

/// Without any certificate in the site file the box makes one: what a browser is shown is what the box's own screen says.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_without_a_certificate_makes_one_that_people_can_compare() {
    let folder = tempfile::tempdir().unwrap();
    let options = EdgeOptions {
        more: "[page.tls]\nlisten = \"127.0.0.1:0\"\nnames = [\"box.clinic.example\"]\n".to_owned(),
        ..EdgeOptions::default()
    };
    let mut story = Story::begin(&options).await;
    let mut compared = Vec::new();
    for _ in 0..2 {
        let plain = story.edge.address("page").unwrap();
        let status = get_json(plain, "/api/status").await.unwrap();
        let fingerprint = status["page_certificate"].as_str().unwrap().to_owned();
        let screen = text(&curl(&[], &format!("http://{plain}/")).await);
        assert!(
            screen.contains(&fingerprint) && screen.contains("SHA-256"),
            "{screen}"
        );
        let said = story.edge.ask(&["status"]).unwrap();
        assert!(text(&said).contains(&fingerprint), "{}", text(&said));

        let (_, port) = story.edge.address("page_tls").unwrap().split_once(':').unwrap();
        let mut ask = Command::new("openssl");
        ask.args(["s_client", "-showcerts", "-servername", "localhost", "-connect"])
            .arg(format!("localhost:{port}"));
        let shown = text(&run(ask).await);
        let begin = shown.find("-----BEGIN CERTIFICATE-----").unwrap();
        let end = shown.find("-----END CERTIFICATE-----").unwrap() + "-----END CERTIFICATE-----\n".len();
        let certificate = folder.path().join("shown.crt");
        std::fs::write(&certificate, &shown[begin..end]).unwrap();
        let certificate = certificate.display().to_string();
        let mut read = Command::new("openssl");
        read.args([
            "x509",
            "-noout",
            "-fingerprint",
            "-sha256",
            "-ext",
            "subjectAltName",
            "-in",
            &certificate,
        ]);
        let read = text(&run(read).await);
        assert!(read.contains(&fingerprint), "{read} {fingerprint}");
        for name in ["DNS:box.clinic.example", "DNS:localhost", "IP Address:127.0.0.1"] {
            assert!(read.contains(name), "{read}");
        }

        let address = format!("https://localhost:{port}/");
        let page = text(&curl(&["--cacert", &certificate], &address).await);
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(
            !page.contains("strict-transport-security"),
            "it is another one some day: {page}"
        );
        let refused = curl(&[], &address).await;
        assert!(
            !refused.status.success(),
            "nobody vouches for it: {}",
            text(&refused)
        );
        compared.push(fingerprint);
        story.edge.stop().await.unwrap();
        story.edge.start().await.unwrap();
    }
    assert_eq!(compared[0], compared[1], "it is kept");
    // Sealed: no key lies there.
    let file = std::fs::read(story.edge.state().join("page.certificate")).unwrap();
    assert!(!file.windows(11).any(|window| window == b"PRIVATE KEY"));
}
