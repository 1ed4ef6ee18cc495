//! A box whose clinic page is open to the clinic's network, and people who sign in there with PINs.

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use barefoot_test_support::daemons::{Edge, EdgeOptions, Region};

use super::http::{Answer, Request};
use crate::peers::text;

pub(crate) const PIN: &str = "471193";

pub(crate) struct Clinic {
    pub(crate) edge: Edge,
    // Last, so that its folder goes after the program that uses it.
    pub(crate) region: Region,
}

/// An address of this machine that is not loopback: who comes from there is not at the box itself.
fn outside() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: it only asks by which address one would go.
    socket.connect("192.0.2.1:9").expect("a network beside loopback");
    socket.local_addr().unwrap().ip().to_string()
}

impl Clinic {
    /// No hub, no model; sign-in by PIN. `more`: further tables of the site file.
    pub(crate) async fn open(more: &str) -> Self {
        let region = Region::new().unwrap();
        let options = EdgeOptions {
            page_listen: format!("{}:0", outside()),
            more: more.to_owned(),
            ..EdgeOptions::default()
        };
        let mut edge = crate::intake::lone_box(&region, options);
        edge.start().await.unwrap();
        Self { edge, region }
    }

    pub(crate) fn page(&self) -> &str {
        self.edge.address("page").unwrap()
    }

    /// Somebody at the box's console adds a user.
    pub(crate) fn add(&self, name: &str, roles: &[&str]) {
        let program = std::env::current_exe().unwrap();
        let program = program.parent().unwrap().parent().unwrap().join("barefoot-edge");
        let mut process = Command::new(program)
            .arg("--config")
            .arg(self.edge.config())
            .args(["user", "add", name])
            .args(roles.iter().map(|role| format!("--{role}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(process.stdin.take().unwrap(), "{PIN}").unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }

    /// The user's id, as the page's list has it.
    pub(crate) async fn id_of(&self, name: &str) -> String {
        let page = Request::new("GET", "/sign-in").send(self.page()).await.text();
        let (before, _) = page
            .split_once(&format!("\">{name}</option>"))
            .unwrap_or_else(|| panic!("no {name}: {page}"));
        before.rsplit('"').next().unwrap().to_owned()
    }

    pub(crate) async fn try_pin(&self, user: &str, pin: &str, cookie: &str) -> Answer {
        let request = Request::new("POST", "/sign-in").form(&[("user", user), ("pin", pin)]);
        let request = if cookie.is_empty() {
            request
        } else {
            request.header("cookie", cookie)
        };
        request.send(self.page()).await
    }

    /// The cookie of somebody who has signed in.
    pub(crate) async fn signed_in(&self, name: &str) -> String {
        let answer = self.try_pin(&self.id_of(name).await, PIN, "").await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        cookie_of(&answer).unwrap()
    }
}

/// `name=value` of the cookie that an answer sets.
pub(crate) fn cookie_of(answer: &Answer) -> Option<String> {
    let cookie = answer.header("set-cookie")?.split(';').next()?;
    (!cookie.ends_with('=')).then(|| cookie.to_owned())
}
