//! The line to one node: takes from its outbox, sends, writes down, waits.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::outbox::{Item, Outbox};
use super::sending::{Recipient, Trouble, send};
use super::status::Pulse;
use super::verdict::Verdict;
use super::without_identity::Leave;
use crate::audit::{Action, Actor, Counts, NotWritten, PeerLog};
use crate::node_status::NodeView;
use crate::nodes::Route;
use crate::site_policy::NodeGets;
use crate::study_folder::{StateDirectory, StudyKey};
use crate::{backoff, clock, error_chain};

/// Who sends, for the audit log.
const DELIVER: Actor = Actor::Daemon("deliver");
/// Instances in one association; further ones take the next.
const BATCH: usize = 200;
/// Successes written down together: a crash sends at most these again.
const GROUP: usize = 16;

pub(super) struct Line {
    pub(super) route: Route,
    pub(super) leave: Leave,
    state: StateDirectory,
    outbox: Mutex<Outbox>,
    news: Notify,
    pulse: Pulse,
    log: PeerLog,
}

impl Line {
    pub(super) fn new(
        route: Route,
        state: StateDirectory,
        outbox: Outbox,
        leave: Leave,
        log: PeerLog,
    ) -> Self {
        Self {
            route,
            leave,
            state,
            outbox: Mutex::new(outbox),
            news: Notify::new(),
            pulse: Pulse::default(),
            log,
        }
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There may be something to send.
    pub(super) fn wake(&self) {
        self.news.notify_waiters();
        self.news.notify_one();
    }

    pub(super) fn view(&self) -> NodeView {
        let outbox = self.outbox();
        let (pending, oldest_ms) = outbox.owed();
        let (last_sent_ms, trouble) = self.pulse.read();
        NodeView {
            name: self.route.node.name.clone(),
            ae_title: self.route.node.ae_title.clone(),
            pending,
            oldest_ms,
            aside: outbox.aside(),
            last_sent_ms,
            trouble,
            sent: outbox.sent(),
            gets: self.gets(),
        }
    }

    /// What the site's policy lets the node have now.
    fn gets(&self) -> NodeGets {
        self.leave.of(&self.route.node.name)
    }

    /// One association after the other until `shutdown`; as many of these run as the node allows.
    pub(super) async fn work(&self, shutdown: CancellationToken) {
        let mut failures = 0;
        let mut policy = self.leave.policy.watch();
        loop {
            policy.mark_unchanged();
            let gets = self.gets();
            let most = match gets {
                NodeGets::Nothing => {
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        _ = policy.changed() => continue,
                    }
                }
                // Each is made ready before the first goes.
                NodeGets::Deidentified => GROUP,
                NodeGets::Originals => BATCH,
            };
            let items = self.outbox().claim(clock::now_ms(), most);
            if items.is_empty() {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = self.for_something_to_do() => continue,
                    _ = policy.changed() => continue,
                }
            }
            let outcome = tokio::select! {
                () = shutdown.cancelled() => Ok(()),
                outcome = self.send(&items, gets) => outcome,
            };
            self.outbox().give_back(&items);
            if shutdown.is_cancelled() {
                return;
            }
            match outcome {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    let pause = backoff::pause(failures, self.route.node.max_backoff_s);
                    let reason = error_chain::chain(&error);
                    tracing::warn!(
                        node = self.route.node.name,
                        reason,
                        pause_ms = pause.as_millis(),
                        "A node did not take what it is sent; it waits in the outbox."
                    );
                    self.pulse.failed(reason);
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    async fn for_something_to_do(&self) {
        let news = self.news.notified();
        let next = self.outbox().next_ms();
        match next.map(|at| at - clock::now_ms()) {
            None => news.await,
            Some(wait) => {
                let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0).max(1));
                tokio::select! {
                    () = news => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }

    async fn send(&self, items: &[Item], gets: NodeGets) -> Result<(), Trouble> {
        let mut batch = Batch {
            line: self,
            items: items.to_vec(),
            under: gets,
            verdicts: Vec::new(),
            failing: HashSet::new(),
            sent: Vec::new(),
        };
        let files: Vec<PathBuf> = if gets == NodeGets::Originals {
            items.iter().map(|item| item.path(&self.state)).collect()
        } else {
            batch.without_identity()?
        };
        let outcome = send(&self.route, &files, &mut batch).await;
        batch.write_down();
        if gets == NodeGets::Deidentified
            && let Err(error) = self.leave.forget_copies(&self.route.node.name, &self.state)
        {
            tracing::warn!(%error, "Copies without identity cannot be removed yet; the next ones take their place.");
        }
        let sent = counts(batch.sent.iter());
        let to = self.route.place();
        self.log
            .disclosed(&DELIVER, Action::Delivered, &to, &sent, "")
            .await;
        outcome
    }
}

/// What becomes of the claimed items.
struct Batch<'a> {
    line: &'a Line,
    items: Vec<Item>,
    /// A change of the policy ends the batch.
    under: NodeGets,
    verdicts: Vec<(Item, Verdict)>,
    /// Studies whose order would be broken by going on with them.
    failing: HashSet<StudyKey>,
    /// What the node has taken.
    sent: Vec<Item>,
}

fn counts<'a>(items: impl Iterator<Item = &'a Item>) -> Counts {
    let mut counts = Counts::new();
    for item in items {
        *counts.entry(item.study.clone()).or_default() += 1;
    }
    counts
}

impl Recipient for Batch<'_> {
    fn begins(&mut self, indices: &[usize]) -> Result<(), NotWritten> {
        let going = indices.iter().filter_map(|index| self.items.get(*index));
        let (line, going) = (self.line, counts(going));
        let to = line.route.place();
        tokio::task::block_in_place(|| {
            line.log
                .disclose_here(&DELIVER, Action::DeliveryBegun, &to, &going)
        })
    }

    fn wants(&self, index: usize) -> bool {
        self.line.gets() == self.under
            && self
                .items
                .get(index)
                .is_some_and(|item| !self.failing.contains(&item.study))
    }

    fn verdict(&mut self, index: usize, verdict: Verdict) {
        let Some(item) = self.items.get(index) else {
            return;
        };
        match &verdict {
            Verdict::Sent { .. } => {
                self.line.pulse.sent(clock::now_ms());
                self.sent.push(item.clone());
            }
            Verdict::Retry { reason } | Verdict::RetrySometimes { reason } => {
                self.failing.insert(item.study.clone());
                self.line.pulse.failed(reason.clone());
            }
            Verdict::SetAside { .. } | Verdict::NotForIt => {}
        }
        self.verdicts.push((item.clone(), verdict));
        if GROUP <= self.verdicts.len() {
            self.write_down();
        }
    }
}

impl Batch<'_> {
    /// Copies of what can go, the rest decided.
    fn without_identity(&mut self) -> Result<Vec<PathBuf>, Trouble> {
        let line = self.line;
        let node = &line.route.node.name;
        let made = tokio::task::block_in_place(|| line.leave.copies(node, &self.items, &line.state));
        let (mut items, mut files) = (Vec::new(), Vec::new());
        for (item, made) in self
            .items
            .drain(..)
            .zip(made.map_err(|source| Trouble::Disk { source })?)
        {
            match made {
                Ok(file) => {
                    items.push(item);
                    files.push(file);
                }
                Err(verdict) => self.verdicts.push((item, verdict)),
            }
        }
        self.items = items;
        self.write_down();
        Ok(files)
    }

    fn write_down(&mut self) {
        let verdicts = std::mem::take(&mut self.verdicts);
        if verdicts.is_empty() {
            return;
        }
        let node = &self.line.route.node;
        let written = tokio::task::block_in_place(|| {
            let mut outbox = self.line.outbox();
            let failed = verdicts.iter().find(|(_, verdict)| {
                matches!(verdict, Verdict::Retry { .. } | Verdict::RetrySometimes { .. })
            });
            let attempts = failed.map_or(0, |(item, _)| outbox.attempts(&item.study));
            let pause = backoff::pause(attempts + 1, node.max_backoff_s);
            let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            outbox.record(verdicts, clock::now_ms(), pause_ms)
        });
        if let Err(error) = written {
            tracing::error!(node = node.name, %error, "What was sent cannot be written down; it is sent again.");
            self.line.pulse.failed(error.to_string());
        }
    }
}
