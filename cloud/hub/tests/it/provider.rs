//! People come to a whole hub by an OpenID provider that others wrote. Where it is missing this is said aloud; `cargo xtask
//! test` installs it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tokio::task::block_in_place;

use crate::support::Region;

const EMBEDDED: &str = "endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn python() -> Option<PathBuf> {
    let python = root().join("target/test-venv/bin/python");
    let has = Command::new(&python)
        .args(["-c", "import oidc_provider_mock"])
        .output();
    if has.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "oidc-provider-mock must be there in CI: `cargo xtask test` installs it"
    );
    eprintln!("SKIPPED: oidc-provider-mock is missing; run `cargo xtask test`.");
    None
}

/// Ends when it is dropped.
struct Provider {
    program: Child,
    issuer: String,
}

impl Provider {
    fn open(python: &Path, accounts: &serde_json::Value) -> Self {
        let mut program = Command::new(python)
            .arg(root().join("tests/interop/oidc_provider.py"))
            .args(["0", &accounts.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port: u16 = line.trim().parse().unwrap();
        Self {
            program,
            issuer: format!("http://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

struct Answer {
    status: u16,
    location: String,
    body: String,
}

/// A browser that follows nothing by itself.
struct Browser {
    agent: ureq::Agent,
    hub: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new(port: u16) -> Self {
        Self {
            agent: ureq::Agent::config_builder()
                .max_redirects(0)
                .http_status_as_error(false)
                .proxy(None)
                .build()
                .into(),
            hub: format!("http://127.0.0.1:{port}"),
            cookies: BTreeMap::new(),
        }
    }

    fn cookie(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn take(&mut self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
        let mut answer = answer.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer.headers().get("location");
        Answer {
            status: answer.status().as_u16(),
            location: location
                .map(|place| place.to_str().unwrap().to_owned())
                .unwrap_or_default(),
            body: answer.body_mut().read_to_string().unwrap(),
        }
    }

    /// A page of the hub.
    fn get(&mut self, path: &str) -> Answer {
        block_in_place(|| {
            let asked = self.agent.get(format!("{}{path}", self.hub));
            let answer = asked
                .header("cookie", self.cookie())
                .header("accept", "text/html")
                .call();
            self.take(answer)
        })
    }

    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        block_in_place(|| {
            let asked = self.agent.post(format!("{}{path}", self.hub));
            let answer = asked
                .header("cookie", self.cookie())
                .send_form(fields.iter().copied());
            self.take(answer)
        })
    }

    /// The provider's form, filled in; where it sends the browser then.
    fn at_provider(&mut self, page: &str, fields: &[(&str, &str)]) -> String {
        let answer = block_in_place(|| self.agent.post(page).send_form(fields.iter().copied()));
        let answer = answer.unwrap();
        assert_eq!(answer.status().as_u16(), 302);
        let back = answer.headers()["location"].to_str().unwrap();
        back.strip_prefix("http://127.0.0.1:1").unwrap().to_owned()
    }

    fn sign_in_as(&mut self, subject: &str) -> Answer {
        let left = self.get("/sign-in/oidc");
        assert_eq!(left.status, 303, "{}", left.body);
        let back = self.at_provider(&left.location, &[("sub", subject)]);
        self.get(&back)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn people_come_in_by_a_provider_that_others_wrote() {
    let Some(python) = python() else {
        return;
    };
    let accounts = json!({ "s-1": { "amr": ["pwd", "otp"] }, "s-2": { "amr": ["pwd"] } });
    let provider = Provider::open(&python, &accounts);
    let region = Region::new();
    let secret = region.dir.path().join("client-secret");
    std::fs::write(&secret, "kept by the hub\n").unwrap();
    let text = format!(
        "{}[people]\naddress = \"http://127.0.0.1:1\"\n[people.oidc]\nissuer = {:?}\nclient_id = \"hub\"\n\
         client_secret_file = {:?}\nlabel = \"Region ID\"\nsecond_factor_amr = [\"otp\"]\n",
        region.config_text(EMBEDDED),
        provider.issuer,
        secret.display().to_string(),
    );
    let file = region.dir.path().join("hub.toml");
    std::fs::write(&file, &text).unwrap();
    let console = |arguments: &[&str]| {
        let output = block_in_place(|| {
            Command::new(env!("CARGO_BIN_EXE_barefoot-hub"))
                .arg("--config")
                .arg(&file)
                .arg("person")
                .args(arguments)
                .output()
                .unwrap()
        });
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    };
    for (name, role) in [("op.li", "operator"), ("wu.min", "reader")] {
        console(&["add", "--name", name, "--display-name", name, "--role", role]);
    }
    console(&["link", "op.li", "--subject", "s-1"]);
    console(&["link", "wu.min", "--subject", "s-2"]);

    let hub = region.start_as(&text).await;
    let mut browser = Browser::new(hub.page);
    assert!(
        browser
            .get("/sign-in?lang=en")
            .body
            .contains("Sign in with Region ID")
    );
    let came = browser.sign_in_as("s-1");
    assert_eq!((came.status, came.location.as_str()), (303, "/"), "{}", came.body);
    let people = browser.get("/people");
    assert_eq!(people.status, 200);
    assert!(people.body.contains("wu.min"));

    // One factor is not enough, a stranger is one, and who says no there is not asked again.
    let mut other = Browser::new(hub.page);
    other.cookies.insert("lang".into(), "en".into());
    let halfway = other.sign_in_as("s-2");
    assert_eq!(halfway.location, "/sign-in/oidc/second");
    assert!(
        other
            .get("/sign-in/oidc/second")
            .body
            .contains("Show that it is you")
    );
    let stranger = other.sign_in_as("s-3");
    assert_eq!(stranger.status, 403);
    assert!(stranger.body.contains("<bdi>s-3</bdi>"), "{}", stranger.body);
    let left = other.get("/sign-in/oidc");
    let back = other.at_provider(&left.location, &[("action", "deny")]);
    // This one forgets to send `state` back with a refusal.
    assert!(
        back.contains("error=access_denied") && !back.contains("state="),
        "{back}"
    );
    assert_eq!(other.get(&back).status, 403);
    // A code that was brought by another browser.
    let left = browser.get("/sign-in/oidc");
    let back = browser.at_provider(&left.location, &[("sub", "s-1")]);
    assert_eq!(other.get(&back).status, 403);
    assert!(!other.cookies.contains_key("session"));

    // Out of both.
    let page = browser.get("/account");
    let (_, csrf) = page.body.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = csrf.split('"').next().unwrap().to_owned();
    let session = browser.cookies["session"].clone();
    let out = browser.post("/sign-out", &[("csrf", &csrf)]);
    assert_eq!(out.location, "/sign-in?out=true");
    let there = browser.get("/sign-in/oidc/sign-out");
    assert!(
        there.location.starts_with(&format!(
            "{}/oauth2/end_session?client_id=hub&post_logout_redirect_uri=",
            provider.issuer
        )),
        "{}",
        there.location
    );
    browser.cookies.insert("session".into(), session);
    assert_eq!(browser.get("/people").status, 303, "the old session is over");

    // Taken back on the hub's machine while somebody is in.
    assert_eq!(browser.sign_in_as("s-1").location, "/");
    console(&["unlink", "op.li"]);
    assert_eq!(browser.get("/people").status, 303);
    assert_eq!(browser.sign_in_as("s-1").status, 403);
    console(&["link", "op.li", "--subject", "s-1"]);
    console(&["disable", "op.li"]);
    assert_eq!(browser.sign_in_as("s-1").status, 403);

    // The provider is gone.
    drop(provider);
    let away = browser.get("/sign-in/oidc");
    // What it said of itself is known for an hour: the way there is open, and nothing comes back.
    assert_eq!(away.status, 303);
    hub.stop().await;
}

#[tokio::test]
async fn a_hub_whose_secret_cannot_be_read_does_not_start() {
    let region = Region::new();
    let text = format!(
        "{}[people]\naddress = \"https://hub.example\"\n[people.oidc]\nissuer = \"https://id.example\"\n\
         client_id = \"hub\"\nclient_secret_file = \"/nowhere/secret\"\n",
        region.config_text(EMBEDDED),
    );
    let config = barefoot_hub::Config::parse(&text, "hub.toml", Path::new("/")).unwrap();
    let ended = barefoot_hub::run(config, barefoot_hub::Shutdown::new(), || ()).await;
    let error = ended.unwrap_err();
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    assert!(
        causes.iter().any(|said| said.contains("client_secret_file")),
        "{causes:?}"
    );
}
