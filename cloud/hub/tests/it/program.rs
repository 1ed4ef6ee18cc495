//! The program itself: arguments, exit codes, signals.

use std::process::{Command, Stdio};

use crate::support::{Region, wait_for};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_barefoot-hub"))
}

const EMBEDDED: &str = "endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"";

#[test]
fn a_wrong_configuration_is_exit_code_78_and_says_where() {
    let region = Region::new();
    let file = region.dir.path().join("hub.toml");
    let run = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let output = program().arg("--config").arg(&file).args(more).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let good = region.config_text(EMBEDDED);
    assert_eq!(run(&good, &["--check-config"]).0, Some(0));
    let (code, said) = run(&good.replacen("listen", "lisen", 1), &[]);
    assert_eq!(code, Some(78));
    assert!(said.contains("hub.toml, line 5, key `lisen`"), "{said}");
    let (code, said) = run(&good.replace("hub.key", "hub.kex"), &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("hub.kex"), "{said}");
}

#[tokio::test]
async fn a_termination_signal_is_a_clean_end() {
    let region = Region::new();
    let file = region.dir.path().join("hub.toml");
    std::fs::write(&file, region.config_text(EMBEDDED)).unwrap();
    let mut child = program()
        .arg("--config")
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let addresses = region.dir.path().join("state/addresses.json");
    let text = wait_for("the hub being ready", async || {
        std::fs::read_to_string(&addresses).map_err(|error| error.to_string())
    })
    .await;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["pid"], child.id());
    assert!(json["addresses"]["mqtt"].is_string() && json["addresses"]["page"].is_string());

    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    let status = wait_for("the hub's end", async || {
        child.try_wait().unwrap().ok_or_else(|| "running".to_owned())
    })
    .await;
    assert_eq!(status.code(), Some(0));
    assert!(!addresses.exists());
}
