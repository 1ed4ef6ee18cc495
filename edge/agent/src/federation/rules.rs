//! What the site's policy says of rounds as of the last look, and the account of privacy spent under it.

use std::path::PathBuf;

use crate::error_chain::chain;
use crate::local_training::{Budget, Policy};
use crate::site_policy::PolicyHandle;

/// Looked at before each task: a task is done under one policy.
pub(super) struct Rules {
    handle: PolicyHandle,
    /// The folder of training.
    directory: PathBuf,
    /// `None`: every round is declined.
    policy: Option<Policy>,
    /// `None` where there is no policy and so nothing to spend, and where the account cannot be used.
    budget: Option<Budget>,
}

impl Rules {
    pub(super) fn new(handle: PolicyHandle, directory: PathBuf) -> Self {
        Self {
            handle,
            directory,
            policy: None,
            budget: None,
        }
    }

    /// Takes up a policy that has changed; what keeps noised updates from leaving, where something does.
    pub(super) fn look(&mut self) -> Option<String> {
        let now = self.handle.get();
        if now.learning == self.policy {
            return None;
        }
        self.policy.clone_from(&now.learning);
        let opened = self
            .policy
            .as_ref()
            .map(|policy| Budget::open(&self.directory, policy));
        match opened.transpose() {
            Ok(budget) => {
                self.budget = budget;
                None
            }
            Err(error) => {
                self.budget = None;
                let problem = chain(&error);
                tracing::error!(problem, "No noised update leaves until a person has looked.");
                Some(problem)
            }
        }
    }

    pub(super) fn handle(&self) -> PolicyHandle {
        self.handle.clone()
    }

    pub(super) fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    pub(super) fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    #[cfg(test)]
    pub(super) fn lose_budget(&mut self) {
        self.budget = None;
    }

    pub(super) fn budget_mut(&mut self) -> Option<&mut Budget> {
        self.budget.as_mut()
    }
}
