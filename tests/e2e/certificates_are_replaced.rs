//! The hub's certificates are replaced while it runs, on each of its ports; what cannot be used is not.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_test_support::daemons::{Edge, EdgeOptions, Hub, HubPorts, Region};
use barefoot_test_support::http::get_json;
use barefoot_test_support::wait::wait_for;
use barefoot_trust::{Authority, Role, TlsIdentity, certificate_in};
use rustix::process::{Pid, Signal, kill_process};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::nodes::free_port;
use crate::story::SOON;

/// The ports that show `[tls]`; `page` shows `[page.tls]`.
const PORTS: [&str; 4] = ["mqtt", "grpc", "enrolment", "images"];

struct Town {
    hub: Hub,
    edge: Edge,
    caller: TlsIdentity,
    /// Where the hub's files lie.
    own: PathBuf,
    page: PathBuf,
    region: Region,
}

impl Town {
    async fn begin() -> Self {
        let region = Region::new().unwrap();
        let page = region.folder().join("browsers");
        fs::create_dir(&page).unwrap();
        issue(region.authority(), &page, "hub");
        let ports = HubPorts {
            mqtt: free_port(),
            grpc: free_port(),
            enrolment: free_port(),
        };
        let more = format!(
            "\n[images]\nlisten = \"127.0.0.1:0\"\n\n[people]\n\n[page.tls]\ncertificate = {:?}\nkey = {:?}\n",
            page.join("hub.crt"),
            page.join("hub.key"),
        );
        let mut hub = region.enrolling_hub(ports, &more).unwrap();
        hub.start().await.unwrap();
        region.person(Role::Operator, "op-wang").unwrap();
        let options = EdgeOptions {
            link: "max_backoff_s = 1\n".to_owned(),
            ..EdgeOptions::default()
        };
        let address = format!("localhost:{}", ports.mqtt);
        let mut edge = region.edge("clinic-7", &address, &options).unwrap();
        edge.start().await.unwrap();
        let town = Self {
            caller: TlsIdentity::load(&region.tls_paths("op-wang")).unwrap(),
            own: region.folder().join("issuing"),
            hub,
            edge,
            page,
            region,
        };
        town.line_is_up().await;
        town
    }

    async fn line_is_up(&self) {
        wait_for("the line", SOON, async || {
            let status = get_json(self.edge.address("page").unwrap(), "/api/status")
                .await
                .unwrap();
            if status["link"] == "connected" {
                Ok(())
            } else {
                Err(status)
            }
        })
        .await
        .unwrap();
    }

    /// The certificate that whoever calls this port is shown, and believes.
    async fn shown(&self, port: &str) -> Result<Vec<u8>, String> {
        let socket = TcpStream::connect(self.hub.address(port).unwrap()).await.unwrap();
        let connector = TlsConnector::from(self.caller.client_config().unwrap());
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector
            .connect(name, socket)
            .await
            .map_err(|error| format!("{port}: {error}"))?;
        let (_, connection) = stream.get_ref();
        Ok(connection.peer_certificates().unwrap()[0].to_vec())
    }

    /// Every port shows what lies in its file.
    async fn all_show(&self, own: &[u8], page: &[u8]) {
        let wanted = PORTS.map(|port| (port, own)).into_iter().chain([("page", page)]);
        for (port, wanted) in wanted {
            let seen = wait_for("the certificate", SOON, async || match self.shown(port).await {
                Ok(shown) if shown == wanted => Ok(()),
                Ok(_) => Err(format!("{port} shows another")),
                Err(error) => Err(error),
            });
            seen.await.unwrap();
        }
    }

    fn reload(&self) {
        let pid = Pid::from_raw(i32::try_from(self.hub.pid().unwrap()).unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    }

    async fn refused(&self, reason: &str, times: usize) {
        wait_for("the hub's word on the files", SOON, async || {
            let log = self.hub.log();
            let said = log
                .lines()
                .filter(|line| line.contains("cannot be used; what was served"));
            let said: Vec<&str> = said.collect();
            if said.len() == times && said.last().is_some_and(|last| last.contains(reason)) {
                Ok(())
            } else {
                Err(said.join("\n"))
            }
        })
        .await
        .unwrap();
    }
}

fn issue(authority: &Authority, into: &Path, name: &str) {
    let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let issued = authority.issue_hub(&hosts, OffsetDateTime::now_utc(), Duration::days(30));
    issued.unwrap().save(into, name).unwrap();
}

fn put(from: &Path, into: &Path) {
    for file in ["hub.crt", "hub.key"] {
        fs::copy(from.join(file), into.join(file)).unwrap();
    }
}

fn lies_in(folder: &Path) -> Vec<u8> {
    certificate_in(&folder.join("hub.crt")).unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_shows_other_certificates_without_a_restart_and_no_bad_ones() {
    let mut town = Town::begin().await;
    let (own, page) = (lies_in(&town.own), lies_in(&town.page));
    town.all_show(&own, &page).await;

    // Asked for: at once, on every port that shows it, and the clinic's session goes on.
    let next = town.region.folder().join("next");
    fs::create_dir(&next).unwrap();
    issue(town.region.authority(), &next, "hub");
    put(&next, &town.own);
    town.reload();
    let own = lies_in(&next);
    town.all_show(&own, &page).await;
    town.line_is_up().await;

    // By itself, the pages' own.
    let browsers = town.region.folder().join("next-browsers");
    fs::create_dir(&browsers).unwrap();
    issue(town.region.authority(), &browsers, "hub");
    put(&browsers, &town.page);
    let page = lies_in(&browsers);
    town.all_show(&own, &page).await;

    // What cannot be used: no PEM, another's key, a stranger's, a clinic's.
    let good = town.region.folder().join("good");
    fs::create_dir(&good).unwrap();
    put(&town.own, &good);
    fs::write(town.own.join("hub.crt"), "no certificate").unwrap();
    town.reload();
    town.refused("holds no certificate", 1).await;

    put(&good, &town.own);
    fs::copy(browsers.join("hub.key"), town.own.join("hub.key")).unwrap();
    town.reload();
    town.refused("do not fit together", 2).await;

    let stranger = town.region.folder().join("stranger");
    fs::create_dir(&stranger).unwrap();
    let authority = Authority::create(&stranger, "Another region", OffsetDateTime::now_utc()).unwrap();
    issue(&authority, &stranger, "hub");
    put(&stranger, &town.own);
    town.reload();
    town.refused("not one of the authority's", 3).await;

    let clinic = town.region.tls_paths("clinic-7");
    fs::copy(clinic.certificate, town.own.join("hub.crt")).unwrap();
    fs::copy(clinic.key, town.own.join("hub.key")).unwrap();
    town.reload();
    town.refused("not a hub's", 4).await;

    fs::remove_file(town.own.join("hub.key")).unwrap();
    town.reload();
    town.refused("No such file", 5).await;
    town.all_show(&own, &page).await;

    // A box that comes now is served as before, and good files are taken again.
    town.edge.stop().await.unwrap();
    town.edge.start().await.unwrap();
    town.line_is_up().await;
    let last = town.region.folder().join("last");
    fs::create_dir(&last).unwrap();
    issue(town.region.authority(), &last, "hub");
    put(&last, &town.own);
    town.reload();
    let own = lies_in(&last);
    town.all_show(&own, &page).await;
    town.edge.stop().await.unwrap();
    assert!(town.hub.stop().await.unwrap().success());
}
