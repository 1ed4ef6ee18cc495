//! A hub with every port open, and people, programs and a clinic that know it.

use barefoot_test_support::daemons::{Edge, EdgeOptions, Hub, Region};
use barefoot_test_support::scanner::{Associations, DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use ring::hmac;
use serde_json::Value;
use time::OffsetDateTime;

use super::http::{Answer, Request};
use crate::peers::text;
use crate::story::{CLINIC, SOON, chests};

pub(crate) const PASSWORD: &str = "Blaue-Berge-77-im-Regen";

/// Who asks, as the hub sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    /// `X-Forwarded-For`: the hub believes the proxy before it.
    pub(crate) from: String,
    pub(crate) cookies: Vec<(String, String)>,
    /// Of the session's forms.
    pub(crate) csrf: String,
    pub(crate) token: Option<String>,
}

/// An account that was set up.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    secret: Vec<u8>,
}

pub(crate) struct Hall {
    pub(crate) hub: Hub,
    // Last, so that its folder goes after the programs that use it.
    pub(crate) region: Region,
}

/// RFC 6238, `steps` half minutes from now.
pub(crate) fn code(secret: &[u8], steps: i64) -> String {
    let step = OffsetDateTime::now_utc().unix_timestamp() / 30 + steps;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => panic!("{text} is no base32"),
        };
        bits = bits << 5 | u32::from(value);
        held += 5;
        if 8 <= held {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    bytes
}

impl Visitor {
    pub(crate) fn from(address: &str) -> Self {
        Self {
            from: address.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn program(token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::from("10.9.0.1")
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let found = self.cookies.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn put_cookie(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(of, _)| of != name);
        if !value.is_empty() {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(crate) fn asks(&self, method: &str, path: &str) -> Request {
        let mut request = Request::new(method, path).header("x-forwarded-for", &self.from);
        if let Some(token) = &self.token {
            request = request.header("authorization", &format!("Bearer {token}"));
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header("cookie", &cookies.join("; "));
        }
        request
    }

    pub(crate) async fn get(&mut self, hall: &Hall, path: &str) -> Answer {
        let answer = self
            .asks("GET", path)
            .header("accept", "text/html")
            .send(hall.page())
            .await;
        self.take(&answer);
        answer
    }

    /// A form, with the token its session needs.
    pub(crate) async fn post(&mut self, hall: &Hall, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        let all: Vec<(&str, &str)> = [("csrf", csrf.as_str())]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        let answer = self.asks("POST", path).form(&all).send(hall.page()).await;
        self.take(&answer);
        answer
    }

    fn take(&mut self, answer: &Answer) {
        let set: Vec<String> = answer.headers("set-cookie").map(str::to_owned).collect();
        for cookie in set {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.put_cookie(name, value);
        }
    }

    /// With the cookie and the token of forms that are shown before anybody is signed in.
    pub(crate) async fn before_sign_in(hall: &Hall, from: &str) -> Self {
        let mut visitor = Self::from(from);
        let page = visitor.get(hall, "/sign-in").await;
        visitor.csrf = page.field("csrf");
        visitor
    }

    /// Types name, password and code into the form of signing in.
    pub(crate) async fn signs_in(&mut self, hall: &Hall, name: &str, password: &str, code: &str) -> Answer {
        let fields = [("name", name), ("password", password), ("code", code)];
        self.post(hall, "/sign-in", &fields).await
    }
}

/// What a hub's settings have beside the usual, for all its ports to be open.
fn ports(region: &Region, page: &str) -> String {
    let issuing = region.folder().join("issuing");
    std::fs::create_dir_all(&issuing).unwrap();
    region
        .authority()
        .create_below(&issuing, "Throw-away region, issuing", OffsetDateTime::now_utc())
        .unwrap();
    // Whoever trusts the root trusts who issues to boxes too.
    let trusted = region.pki().join("authority.crt");
    let both = [&trusted, &issuing.join("authority.crt")].map(|file| std::fs::read_to_string(file).unwrap());
    std::fs::write(&trusted, both.concat()).unwrap();
    format!(
        "{page}\n\n[grpc]\nlisten = \"127.0.0.1:0\"\n\n[images]\nlisten = \"127.0.0.1:0\"\n\n\
         [metrics]\nlisten = \"127.0.0.1:0\"\n\n[people]\n\n[worklist]\n\n[dicomweb]\n\n\
         [enrolment]\nlisten = \"127.0.0.1:0\"\naddress = \"localhost:8445\"\nmqtt = \"localhost:8883\"\n\
         services = \"localhost:8443\"\nauthority = \"{}\"\n",
        issuing.display()
    )
}

impl Hall {
    /// Its page stands behind a proxy, so that attackers of many addresses can be played.
    pub(crate) async fn open() -> Self {
        Self::with("behind_proxy = true").await
    }

    /// `page`: more of the table of that name.
    pub(crate) async fn with(page: &str) -> Self {
        let region = Region::new().unwrap();
        let mut hub = region.hub_with(&ports(&region, page)).unwrap();
        hub.start().await.unwrap();
        Self { hub, region }
    }

    pub(crate) fn page(&self) -> &str {
        self.hub.address("page").unwrap()
    }

    /// An operator at the hub's console.
    pub(crate) fn console(&self, arguments: &[&str]) -> String {
        let said = self.hub.ask(arguments).unwrap();
        assert!(said.status.success(), "{arguments:?}: {}", text(&said));
        String::from_utf8(said.stdout).unwrap()
    }

    /// An account, set up.
    pub(crate) async fn account(&self, name: &str, roles: &[&str]) -> Person {
        let mut arguments = vec![
            "person",
            "add",
            "--name",
            name,
            "--display-name",
            name,
            "--tier",
            "county",
        ];
        for role in roles {
            arguments.extend(["--role", role]);
        }
        let said = self.console(&arguments);
        let link = said
            .split("in a browser: ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .trim()
            .to_owned();
        let mut visitor = Visitor::from("10.0.0.1");
        let page = visitor.get(self, &link).await;
        visitor.csrf = page.field("csrf");
        let shown = page.field("secret");
        let secret = base32(&shown);
        let (set_up_code, first) = (page.field("set_up_code"), code(&secret, 0));
        let fields = [
            ("set_up_code", set_up_code.as_str()),
            ("secret", &shown),
            ("password", PASSWORD),
            ("repeated", PASSWORD),
            ("code", &first),
        ];
        let done = visitor.post(self, "/set-up", &fields).await;
        assert_eq!(done.status, 303, "{}", done.text());
        Person {
            name: name.to_owned(),
            secret,
        }
    }

    /// Signs somebody in; once for each account, or after half a minute: a code counts once.
    pub(crate) async fn signed_in(&self, person: &Person) -> Visitor {
        let mut visitor = Visitor::before_sign_in(self, "10.0.0.1").await;
        let answer = visitor
            .signs_in(self, &person.name, PASSWORD, &person.next_code())
            .await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        visitor.put_cookie("__Host-form", "");
        let page = visitor.get(self, "/account").await;
        visitor.csrf = page.field("csrf");
        visitor
    }

    pub(crate) async fn person(&self, name: &str, roles: &[&str]) -> Visitor {
        let person = self.account(name, roles).await;
        self.signed_in(&person).await
    }

    pub(crate) fn token(&self, name: &str, role: &str) -> String {
        let said = self.console(&["token", "add", "--name", name, "--role", role]);
        let token = said.lines().map(str::trim).find(|line| line.starts_with("bft_"));
        token.unwrap().to_owned()
    }

    /// A clinic's box that has sent one study with its images.
    pub(crate) async fn with_a_case(&self) -> Edge {
        let options = EdgeOptions {
            review_below: 1.0,
            more: format!(
                "[images]\nhub = \"{}\"\nmax_backoff_s = 1\n",
                self.hub.address("images").unwrap()
            ),
            ..EdgeOptions::default()
        };
        let mqtt = self.hub.address("mqtt").unwrap();
        let mut edge = self.region.edge(CLINIC, mqtt, &options).unwrap();
        edge.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<DicomFile> = chests(&folder, 2..3);
        let scanner = Scanner {
            associations: Associations::PerStudy,
            ..Scanner::new(edge.address("dicom").unwrap(), "BAREFOOT", "SIM_DR1")
        };
        scanner
            .send(&files, |outcome| {
                assert_eq!(outcome.status, Some(0), "{:?}", outcome.error)
            })
            .await;
        edge
    }

    /// The one study the hub has, with its images, as DICOMweb names it: study, series, instance.
    pub(crate) async fn study(&self, token: &str) -> [String; 3] {
        let found = wait_for("the images to be at the hub", SOON, async || {
            let answer = Visitor::program(token)
                .asks("GET", "/dicom-web/instances")
                .send(self.page())
                .await;
            let found: Value = serde_json::from_slice(&answer.body).map_err(|_| answer.text())?;
            let named = |tag: &str| found[0][tag]["Value"][0].as_str().map(str::to_owned);
            match (named("0020000D"), named("0020000E"), named("00080018")) {
                (Some(study), Some(series), Some(instance)) => Ok([study, series, instance]),
                _ => Err(answer.text()),
            }
        });
        found
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", self.hub.log()))
    }
}

impl Person {
    /// The code after the one that set the account up.
    pub(crate) fn next_code(&self) -> String {
        code(&self.secret, 1)
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }
}
