//! DICOM within TLS, as scanners and archives speak it, and as attackers try.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};

use barefoot_test_support::daemons::EdgeOptions;

use crate::nodes::{Node, free_port, has_all, node_is, script};
use crate::peers::{peer, python, run, text};
use crate::story::{Story, chests};

/// Makes the certificates; gives the fingerprint of the scanner's.
async fn certificates(folder: &Path) -> String {
    let mut make = Command::new(python());
    make.arg(script("certificates.py")).arg(folder);
    let output = run(make).await;
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn tls(folder: &Path, wish: &str) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "[dicom.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = \"{}\"\nkey = \"{}\"\nauthority = \"{}\"\nclient_certificates = \"{wish}\"\n",
        path("box.crt"),
        path("box.key"),
        path("authority.crt"),
    )
}

fn port_of(address: &str) -> String {
    address.rsplit_once(':').unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn known_certificates_are_let_in_and_no_others() {
    let pki = tempfile::tempdir().unwrap();
    let pki = pki.path();
    let fingerprint = certificates(pki).await;
    let pinned =
        format!("[[dicom.scanner]]\nae_title = \"PINNED\"\ncertificate_sha256 = \"{fingerprint}\"\n");
    let story = Story::begin(&EdgeOptions {
        scanners: vec!["SIM_DR1".into(), "DCMTK".into()],
        more: format!("{}{pinned}", tls(pki, "optional")),
        ..EdgeOptions::default()
    })
    .await;
    let port = port_of(story.edge.address("dicom_tls").unwrap());
    let plain = port_of(story.edge.address("dicom").unwrap());
    // One that says nothing holds up nobody.
    let _silent = TcpStream::connect(story.edge.address("dicom_tls").unwrap()).unwrap();
    let echo = async |title: &str, port: &str, shown: &[&str]| -> Output {
        let mut command = Command::new(peer("echoscu", "dcmtk"));
        command.args(["-aet", title, "-aec", "BAREFOOT", "-to", "20"]);
        for word in shown {
            if word.contains('.') {
                command.arg(pki.join(word));
            } else {
                command.arg(word);
            }
        }
        run({
            command.args(["127.0.0.1", port]);
            command
        })
        .await
    };
    let trust = ["+cf", "authority.crt"];
    let anonymous = ["+tla", "+cf", "authority.crt"];
    let with = |name: &'static str| -> Vec<String> {
        ["+tls".to_owned(), format!("{name}.key"), format!("{name}.crt")]
            .into_iter()
            .chain(trust.map(str::to_owned))
            .collect()
    };
    for (title, port, shown, profile, let_in) in [
        ("DCMTK", &port, None, "+py", true),
        ("DCMTK", &port, None, "+pz", true),
        ("DCMTK", &port, Some("scanner"), "+py", true),
        ("PINNED", &port, Some("scanner"), "+py", true),
        ("PINNED", &port, None, "+py", false),
        ("PINNED", &port, Some("pacs"), "+py", false),
        ("DCMTK", &port, Some("expired"), "+py", false),
        ("DCMTK", &port, Some("foreign"), "+py", false),
        ("STRANGER", &port, Some("scanner"), "+py", false),
        ("PINNED", &plain, None, "", false),
        ("DCMTK", &plain, None, "", true),
    ] {
        let mut words: Vec<String> = match shown {
            Some(name) => with(name),
            None if profile.is_empty() => Vec::new(),
            None => anonymous.map(str::to_owned).to_vec(),
        };
        words.extend([profile.to_owned()].into_iter().filter(|word| !word.is_empty()));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = echo(title, port, &words).await;
        assert_eq!(
            output.status.success(),
            let_in,
            "{title} {shown:?} {profile}: {}\n{}",
            text(&output),
            story.logs()
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let chest = chests(&folder, 1..2).remove(0);
    let mut store = Command::new(peer("storescu", "dcmtk"));
    store.args(["-aet", "PINNED", "-aec", "BAREFOOT", "+tls"]);
    store.args([pki.join("scanner.key"), pki.join("scanner.crt")]);
    store
        .arg("+cf")
        .arg(pki.join("authority.crt"))
        .args(["127.0.0.1", &port])
        .arg(&chest.path);
    let output = run(store).await;
    assert!(output.status.success(), "{}", text(&output));
    story.all_receipted(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_1_2_and_1_3_are_spoken_and_the_plain_port_can_be_off() {
    let pki = tempfile::tempdir().unwrap();
    certificates(pki.path()).await;
    let story = Story::begin(&EdgeOptions {
        dicom_listen: String::new(),
        more: tls(pki.path(), "required"),
        ..EdgeOptions::default()
    })
    .await;
    assert!(story.edge.address("dicom").is_err());
    let address = story.edge.address("dicom_tls").unwrap();
    let connect = async |more: &[&str], name: Option<&str>| -> Output {
        let mut command = Command::new("openssl");
        command
            .args(["s_client", "-connect", address, "-CAfile"])
            .arg(pki.path().join("authority.crt"));
        command.args(["-verify_return_error", "-brief"]).args(more);
        if let Some(name) = name {
            command.arg("-cert").arg(pki.path().join(format!("{name}.crt")));
            command.arg("-key").arg(pki.path().join(format!("{name}.key")));
        }
        command.stdin(std::process::Stdio::null());
        run(command).await
    };
    let old = ["-cipher", "ALL:@SECLEVEL=0"];
    for (version, more, spoken) in [
        ("-tls1", &old[..], false),
        ("-tls1_1", &old[..], false),
        ("-tls1_2", &[][..], true),
        ("-tls1_3", &[][..], true),
        ("-tls1_2", &["-cipher", "AES256-GCM-SHA384"][..], false),
        ("-tls1_2", &["-cipher", "ECDHE-RSA-AES256-SHA384"][..], false),
        ("-tls1_2", &["-cipher", "DHE-RSA-AES256-GCM-SHA384"][..], false),
    ] {
        let output = connect(&[&[version][..], more].concat(), Some("scanner")).await;
        let said = text(&output);
        assert_eq!(
            said.contains("CONNECTION ESTABLISHED"),
            spoken,
            "{version} {more:?}: {said}"
        );
        if spoken {
            let expected = if version == "-tls1_3" {
                "TLSv1.3"
            } else {
                "TLSv1.2"
            };
            assert!(said.contains(expected), "{said}");
        }
    }
    // In TLS 1.2 the handshake itself says no.
    for name in [None, Some("expired"), Some("foreign")] {
        let said = text(&connect(&["-tls1_2"], name).await);
        assert!(!said.contains("CONNECTION ESTABLISHED"), "{name:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_are_reached_within_tls_and_only_the_right_ones() {
    let (pki, sent, received) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    certificates(pki.path()).await;
    let path = |name: &str| pki.path().join(name).display().to_string();
    let port = free_port();
    let options = |authority: &str| EdgeOptions {
        more: format!(
            "[[deliver]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\nmax_backoff_s = 1\n\
             what = [\"originals\"]\n[deliver.tls]\nauthority = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            path(authority),
            path("box.crt"),
            path("box.key"),
        ),
        ..EdgeOptions::default()
    };
    let (key, certificate, authority) = (path("pacs.key"), path("pacs.crt"), path("authority.crt"));
    let more = ["+tls", &key, &certificate, "+cf", &authority];
    let mut story = Story::begin(&options("elsewhere.crt")).await;
    let _node = Node::storescp(port, received.path(), &more).await;
    story.store(&chests(&sent, 1..2)).await;
    let node = node_is(&story, "the wrong archive to be seen", |node| {
        node["trouble"].is_string()
    })
    .await;
    assert!(node["trouble"].as_str().unwrap().contains("TLS"), "{node}");
    assert_eq!(fs::read_dir(received.path()).unwrap().count(), 0);
    // The right authority in the site file, and it goes.
    let site = fs::read_to_string(story.edge.config()).unwrap();
    let right = site.replace(&path("elsewhere.crt"), &path("authority.crt"));
    fs::write(story.edge.config(), right).unwrap();
    story.edge.stop().await.unwrap();
    story.edge.start().await.unwrap();
    node_is(&story, "it to be delivered", has_all).await;
    assert_eq!(fs::read_dir(received.path()).unwrap().count(), 1);
}
