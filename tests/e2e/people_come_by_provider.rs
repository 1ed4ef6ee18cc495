//! People sign in at the hub by an OpenID provider that others wrote, in a real browser.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use barefoot_test_support::daemons::{Hub, Region, workspace};
use serde_json::{Value, json};

use crate::nodes::free_port;
use crate::peers::{python, text};
use crate::person_at_browser::Browser;

const PASSWORD: &str = "Blaue-Berge-77-im-Regen";

/// Ends when it is dropped.
struct Provider {
    program: Child,
    address: String,
}

impl Provider {
    fn open(accounts: &Value) -> Self {
        let mut program = Command::new(python())
            .arg(workspace().join("tests/interop/oidc_provider.py"))
            .args(["0", &accounts.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port: u16 = line.trim().parse().expect("the provider's port");
        Self {
            program,
            address: format!("http://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// What the console says.
fn person(hub: &Hub, arguments: &[&str]) -> String {
    let said = hub.ask(&[&["person"], arguments].concat()).unwrap();
    assert!(said.status.success(), "{}", text(&said));
    String::from_utf8(said.stdout).unwrap()
}

fn says(page: &Value, wanted: &str) {
    let found = page["text"].as_str().unwrap();
    assert!(found.contains(wanted), "no \"{wanted}\": {page:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_by_the_regions_provider_and_out_of_both() {
    let provider = Provider::open(&json!({
        "s-li": { "amr": ["pwd", "otp"] }, "s-zhang": { "amr": ["pwd"] }, "s-nobody": { "amr": ["pwd", "otp"] },
    }));
    let region = Region::new().unwrap();
    let secret = region.folder().join("client-secret");
    fs::write(&secret, "kept by the hub\n").unwrap();
    let page = format!("127.0.0.1:{}", free_port());
    let people = format!(
        "address = \"http://{page}\"\n\n[people.oidc]\nissuer = {:?}\nclient_id = \"hub\"\nclient_secret_file = {:?}\n\
         label = \"Region ID\"\nsecond_factor_amr = [\"otp\"]\n",
        provider.address,
        secret.display().to_string(),
    );
    let mut hub = region.hub_of_people(&page, &people).unwrap();
    hub.start().await.unwrap();
    let mut links = Vec::new();
    for (name, display, subject) in [("li.wei", "李伟", "s-li"), ("zhang.min", "张敏", "s-zhang")] {
        let said = person(
            &hub,
            &[
                "add",
                "--name",
                name,
                "--display-name",
                display,
                "--role",
                "reader",
            ],
        );
        let link = said.split("in a browser: ").nth(1).unwrap();
        links.push(link.lines().next().unwrap().to_owned());
        person(&hub, &["link", name, "--subject", subject]);
    }

    let mut browser = Browser::open();
    let address = format!("http://{page}");
    let mut act = |act: &str, person: &str, more: Value| {
        let mut what = json!({ "person": person, "hub": address, "provider": provider.address });
        what.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        browser.act(act, what)
    };
    let came = act(
        "signInByProvider",
        "li.wei",
        json!({ "subject": "s-li", "name": "oidc-signed-in" }),
    );
    assert_eq!(came["button"], "Sign in with Region ID", "{came:#}");
    assert!(came["there"].as_str().unwrap().contains("Authorize Client"));
    assert_eq!(
        (
            came["status"].as_u64(),
            came["at"].as_str(),
            came["isIn"].as_bool()
        ),
        (Some(200), Some("/"), Some(true)),
        "{came:#}"
    );
    let account = act(
        "see",
        "li.wei",
        json!({ "at": "/account", "name": "oidc-account" }),
    );
    says(&account, "li.wei");
    says(&account, "李伟");
    let out = act("signOutOfBoth", "li.wei", json!({ "name": "oidc-signed-out" }));
    says(&out, "Region ID");
    assert_eq!(
        (&out["afterwards"], &out["isIn"]),
        (&json!("/sign-in"), &json!(false)),
        "{out:#}"
    );

    // One factor there: the hub asks for its own.
    let done = act(
        "setUp",
        "zhang.min",
        json!({ "link": links[1], "password": PASSWORD }),
    );
    assert_eq!(done["status"], 200, "{done:#}");
    let halfway = act(
        "signInByProvider",
        "zhang.min",
        json!({ "subject": "s-zhang", "name": "oidc-second-step" }),
    );
    assert_eq!(
        (&halfway["at"], &halfway["isIn"]),
        (&json!("/sign-in/oidc/second"), &json!(false)),
        "{halfway:#}"
    );
    let inside = act(
        "showSecondFactor",
        "zhang.min",
        json!({ "password": PASSWORD, "name": "oidc-second-done" }),
    );
    assert_eq!(inside["isIn"], true, "{inside:#}");
    let account = act("see", "zhang.min", json!({ "at": "/account" }));
    says(&account, "张敏");

    // Whom nobody linked: a number to tell the operator, and no way in.
    let stranger = act(
        "signInByProvider",
        "nobody",
        json!({ "subject": "s-nobody", "name": "oidc-stranger" }),
    );
    assert_eq!(
        (stranger["status"].as_u64(), &stranger["isIn"]),
        (Some(403), &json!(false)),
        "{stranger:#}"
    );
    says(&stranger, "s-nobody");
    browser.is_content();
}
