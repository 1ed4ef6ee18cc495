//! A hub with accounts: its whole web server behind the sign-in, its own HTTPS, and what an operator does at its console.

use std::path::Path;
use std::process::{Command, Output};

use barefoot_trust::audit::Checker;
use barefoot_trust::{Authorities, TlsIdentity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::support::Region;

const EMBEDDED: &str = "endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"";

fn console(config: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_barefoot-hub"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

// The console is waited for on a thread: the hub needs another, or its write under way would wait for the console's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_accounts_nothing_is_open_and_a_token_opens_what_it_is_for() {
    let region = Region::new();
    let text = format!("{}[people]\n", region.config_text(EMBEDDED));
    let file = region.dir.path().join("hub.toml");
    std::fs::write(&file, &text).unwrap();
    // The first account is made before the hub ever ran.
    let add = [
        "person",
        "add",
        "--name",
        "op.li",
        "--display-name",
        "李娜",
        "--role",
        "operator",
    ];
    let made = said(&console(&file, &add));
    let code = made
        .lines()
        .map(str::trim)
        .find(|line| line.matches('-').count() == 5)
        .unwrap()
        .to_owned();

    let hub = region.start_as(&text).await;
    for path in [
        "/",
        "/list",
        "/api/results",
        "/api/status",
        "/models",
        "/events",
        "/quick-look/a/2.25.1/1",
        "/x",
    ] {
        let answer = hub.get(path).await;
        assert!(answer.head.starts_with("http/1.1 401"), "{path}: {}", answer.head);
        assert!(answer.head.contains("content-security-policy"), "{path}");
    }
    let page = hub.get_with("/", "Accept: text/html\r\n").await;
    assert!(page.head.contains("location: /sign-in?next=%2f"), "{}", page.head);
    assert!(
        hub.get("/assets/people.css")
            .await
            .head
            .starts_with("http/1.1 200")
    );
    assert!(hub.get("/sign-in").await.head.contains("set-cookie: form="));
    assert!(
        hub.get(&format!("/set-up?code={code}"))
            .await
            .body
            .contains("op.li")
    );

    // While the hub runs.
    let token = said(&console(
        &file,
        &["token", "add", "--name", "wall", "--role", "monitor"],
    ));
    let token = token
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("bft_"))
        .unwrap()
        .to_owned();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert!(
        hub.get_with("/api/status", &bearer)
            .await
            .head
            .starts_with("http/1.1 200")
    );
    assert!(
        hub.get_with("/api/results", &bearer)
            .await
            .head
            .starts_with("http/1.1 403")
    );
    said(&console(&file, &["token", "revoke", "wall"]));
    assert!(
        hub.get_with("/api/status", &bearer)
            .await
            .head
            .starts_with("http/1.1 401")
    );
    hub.stop().await;

    let copy = region.dir.path().join("audit.jsonl");
    let export = ["audit", "export", copy.to_str().unwrap()];
    said(&console(&file, &export));
    assert!(
        !console(&file, &export).status.success(),
        "never over another file"
    );
    let authorities = Authorities::load(&region.dir.path().join("authority.crt")).unwrap();
    let mut checker = Checker::new(authorities);
    let text = std::fs::read_to_string(&copy).unwrap();
    text.lines().for_each(|line| checker.line(line).unwrap());
    let whole = checker.finish().unwrap();
    assert_eq!(
        (whole.entries, whole.heads),
        (6, 4),
        "at the hub's start, at its end and under its last word, and for the copy"
    );
    for secret in [&token, &code] {
        assert!(!text.contains(secret.as_str()));
    }
}

#[tokio::test]
async fn the_console_says_what_is_wrong() {
    let region = Region::new();
    let file = region.dir.path().join("hub.toml");
    std::fs::write(&file, region.config_text(EMBEDDED)).unwrap();
    let add = |name: &str, role: &str| {
        let display = ["--display-name", "Li"];
        console(
            &file,
            &[&["person", "add", "--name", name, "--role", role], &display[..]].concat(),
        )
    };
    said(&add("op.li", "operator"));
    let refused = |output: Output, wanted: &str| {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(wanted), "{told}");
    };
    refused(add("op.li", "operator"), "taken");
    refused(add("Op Li", "operator"), "sign-in name");
    refused(add("wu", "doctor"), "at least one role");
    refused(console(&file, &["person", "disable", "nobody"]), "no such person");
    refused(
        console(&file, &["token", "add", "--name", "x", "--role", "king"]),
        "viewer, reader, sender",
    );
    assert!(said(&console(&file, &["person", "list"])).contains("op.li\tLi\toperator\tcounty\tnot set up"));
    said(&console(&file, &["person", "disable", "op.li"]));
    assert!(said(&console(&file, &["person", "list"])).contains("disabled"));
    assert!(said(&console(&file, &["person", "reset", "op.li"])).contains("one-time code"));
}

#[tokio::test]
async fn the_hub_speaks_https_itself() {
    let region = Region::new();
    let path = |name: &str| region.dir.path().join(name).display().to_string();
    let text = format!(
        "{}[people]\n[page.tls]\ncertificate = {:?}\nkey = {:?}\n",
        region.config_text(EMBEDDED),
        path("hub.crt"),
        path("hub.key")
    );
    let hub = region.start_as(&text).await;
    let browser = TlsIdentity::load(&region.paths(&region.dir.path().join("hub"))).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", hub.page)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(browser.client_config().unwrap())
        .connect(name, socket)
        .await
        .unwrap();
    let request = b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    // The other end closes without more ado.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("set-cookie: __Host-form=") && answer.contains("; Secure"),
        "{answer}"
    );
    assert!(
        answer.contains("strict-transport-security: max-age=31536000"),
        "{answer}"
    );

    // Who speaks plainly gets nothing.
    let mut plain = TcpStream::connect(("127.0.0.1", hub.page)).await.unwrap();
    plain.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
    hub.stop().await;
}
