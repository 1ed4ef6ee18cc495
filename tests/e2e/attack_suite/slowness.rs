//! Callers who dribble, or say nothing, and hold a place.

use barefoot_test_support::CT_IMAGE;
use barefoot_test_support::scanner::raw::{Proposal, RawAssociation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, timeout};

use super::clinic::Clinic;
use super::hall::Hall;
use super::http::Request;
use super::ledger::{Attack, Ledger};
use super::mqtt_line::{CONNACK, Line, connect, identity};
use super::requests::images;

/// One honest caller of each port.
pub(super) async fn everybody_is_served(ledger: &mut Ledger, attack: Attack, hall: &Hall, clinic: &Clinic) {
    let answer = Request::new("GET", "/sign-in").send(hall.page()).await;
    ledger.control(attack, "the hub's pages", answer.status == 200);
    let answer = Request::new("GET", "/sign-in").send(clinic.page()).await;
    ledger.control(attack, "the clinic page", answer.status == 200);
    for address in [
        hall.hub.address("metrics").unwrap(),
        clinic.edge.address("metrics").unwrap(),
    ] {
        let answer = Request::new("GET", "/metrics").send(address).await;
        ledger.control(attack, "figures", answer.status == 200);
    }
    let honest = identity(hall, "honest");
    let object = Request::new("HEAD", &format!("/v1/objects/{}", "0".repeat(64)));
    ledger.control(
        attack,
        "the images' port",
        images(hall, &honest, &object).await.status == 204,
    );
    let mut line = Line::of(hall, "honest").await;
    let accepted = line.answer(&connect("honest"), CONNACK).await;
    ledger.control(attack, "the line", accepted == Some(0));
    let dicom = clinic.edge.address("dicom").unwrap().to_owned();
    let works = tokio::task::spawn_blocking(move || {
        let proposal = Proposal::new("BAREFOOT", "SIM_DR1").with(CT_IMAGE, "1.2.840.10008.1.2.1");
        RawAssociation::open(&dicom, &proposal).is_ok()
    });
    ledger.control(attack, "the box's DICOM", works.await.unwrap());
}

/// Some words at once, then a byte every now and then until the other end has had enough; whether it ever had.
async fn is_cut(address: String, at_once: Vec<u8>, bytes: Vec<u8>) -> bool {
    const LONGEST: Duration = Duration::from_secs(240);
    const PAUSE: Duration = Duration::from_millis(700);
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(&at_once).await.unwrap();
    let begun = Instant::now();
    let mut rest = bytes.into_iter();
    let mut heard = [0; 512];
    while begun.elapsed() < LONGEST {
        if let Some(byte) = rest.next()
            && socket.write_all(&[byte]).await.is_err()
        {
            return true;
        }
        // The pause is the attack; meanwhile it is heard whether anybody hangs up.
        if let Ok(Ok(0) | Err(_)) = timeout(PAUSE, socket.read(&mut heard)).await {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dribbles_is_cut_and_holds_nobody_up() {
    const EACH: usize = 8;
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    let clinic = Clinic::open("[metrics]\nlisten = \"127.0.0.1:0\"\n").await;
    let endless = |start: &str| [start.as_bytes(), "a".repeat(4096).as_bytes()].concat();
    let head = endless("GET / HTTP/1.1\r\nhost: hub\r\nx: ");
    let body = endless("");
    let form = "POST /verify HTTP/1.1\r\nhost: hub\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 4000\r\n\r\n";
    let hello = endless("\u{16}\u{3}\u{1}\u{2}\0");
    let association = [vec![1, 0, 0, 0, 0, 200], vec![b' '; 200]].concat();
    let (page, figures) = (hall.page(), hall.hub.address("metrics").unwrap());
    let (clinic_page, box_figures) = (clinic.page(), clinic.edge.address("metrics").unwrap());
    let mut dribblers = JoinSet::new();
    let mut begin = |name: &'static str, address: &str, at_once: &str, bytes: &[u8]| {
        for _ in 0..EACH {
            let (address, at_once, bytes) = (address.to_owned(), at_once.as_bytes().to_vec(), bytes.to_vec());
            dribblers.spawn(async move { (name, is_cut(address, at_once, bytes).await) });
        }
    };
    begin("a head at the hub's pages", page, "", &head);
    begin("a body at the hub's pages", page, form, &body);
    begin("silence at the hub's pages", page, "", &[]);
    begin("a head at the hub's figures", figures, "", &head);
    begin("a head at the clinic page", clinic_page, "", &head);
    begin("silence at the clinic page", clinic_page, "", &[]);
    begin("a head at the box's figures", box_figures, "", &head);
    for port in ["mqtt", "grpc", "images", "enrolment"] {
        begin("a TLS greeting", hall.hub.address(port).unwrap(), "", &hello);
    }
    begin(
        "an association",
        clinic.edge.address("dicom").unwrap(),
        "",
        &association,
    );
    // While all of them are at it.
    everybody_is_served(&mut ledger, Attack::Slow, &hall, &clinic).await;
    while let Some(ended) = dribblers.join_next().await {
        let (name, cut) = ended.unwrap();
        ledger.tried(Attack::Slow, name, !cut);
    }
    ledger.settle();
}
