use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Vouched;
use super::flow::MINUTES;
use crate::people::secrets;

/// Only who was vouched for gets a place here, so nobody else can fill them.
const MOST: usize = 1024;

/// Somebody whom the provider vouches for and who still has to show password and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::people) struct Step {
    pub(in crate::people) person: String,
    /// The account's sign-in name.
    pub(in crate::people) name: String,
    pub(in crate::people) vouched: Vouched,
    pub(in crate::people) next: String,
}

/// By the hash of what their browsers hold. In memory: after a restart they begin again.
#[derive(Debug, Default)]
pub(in crate::people) struct Steps(Mutex<HashMap<[u8; 32], (i64, Step)>>);

impl Steps {
    pub(in crate::people) fn put(&self, token: &str, step: Step, now_ms: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (at_ms, _)| is_young(*at_ms, now_ms));
        if MOST <= all.len() {
            let oldest = all.iter().min_by_key(|(_, (at_ms, _))| *at_ms);
            let oldest = oldest.map(|(hash, _)| *hash);
            oldest.map(|hash| all.remove(&hash));
        }
        all.insert(secrets::token_hash(token), (now_ms, step));
    }

    pub(in crate::people) fn get(&self, token: &str, now_ms: i64) -> Option<Step> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at_ms, step) = all.get(&secrets::token_hash(token))?;
        is_young(*at_ms, now_ms).then(|| step.clone())
    }

    pub(in crate::people) fn drop(&self, token: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&secrets::token_hash(token));
    }
}

fn is_young(at_ms: i64, now_ms: i64) -> bool {
    (0..MINUTES * 60_000).contains(&(now_ms - at_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Step {
        Step {
            person: "p".into(),
            name: name.into(),
            vouched: Vouched {
                subject: "s".into(),
                session: None,
                two_factors: false,
            },
            next: String::new(),
        }
    }

    #[test]
    fn a_step_is_there_for_ten_minutes_and_places_are_few() {
        let steps = Steps::default();
        steps.put("a", step("li.wei"), 0);
        assert_eq!(steps.get("a", MINUTES * 60_000 - 1), Some(step("li.wei")));
        assert_eq!(steps.get("a", MINUTES * 60_000), None);
        assert_eq!(steps.get("b", 1), None);
        for number in 0..MOST {
            steps.put(&format!("t{number}"), step("x"), 1);
        }
        assert_eq!(steps.get("a", 2), None, "the oldest made way");
        assert_eq!(steps.0.lock().unwrap().len(), MOST);
        steps.drop("t5");
        assert_eq!(steps.get("t5", 2), None);
    }
}
