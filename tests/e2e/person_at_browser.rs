//! People at browsers: what goes wrong there is the test's.

use barefoot_test_support::browser;
use serde_json::{Value, json};

pub(crate) struct Browser(browser::Browser);

impl Browser {
    pub(crate) fn open() -> Self {
        Self(browser::Browser::open().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Has an act of `tests/browser` done.
    pub(crate) fn act(&mut self, act: &str, what: Value) -> Value {
        self.0.act(act, what).unwrap_or_else(|error| panic!("{error}"))
    }

    /// No error, nothing asked of another server, nothing that keeps anybody out.
    pub(crate) fn is_content(&mut self) {
        let faults = self.act("faults", json!({}));
        assert_eq!(faults, json!([]), "{faults:#}");
    }
}
