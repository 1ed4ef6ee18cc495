use std::collections::BTreeMap;

use barefoot_domain::ClinicId;

use super::{Failure, Late, Rules, Stage};

/// Time for the aggregation, milliseconds; longer only where a stage is. It is the hub's own work: reading a hundred
/// updates of a hundred million values takes minutes.
const AGGREGATION_MS: u64 = 3600 * 1000;

/// What a clinic is asked for in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    Keys,
    Shares,
    Fit,
    Unmask,
    Evaluate,
}

/// How far a clinic got in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// Nothing of it counts.
    Known,
    Keyed,
    Shared,
    Fitted,
    Unmasked,
    Evaluated,
}

/// Why nobody waits for a clinic any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Left {
    /// By its own word.
    Declined,
    /// What it sent was refused.
    Refused,
    /// Its update was taken out when all were compared.
    Excluded,
}

/// A clinic in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub progress: Progress,
    pub left: Option<Left>,
}

/// What happens to a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// A clinic did its duty, and what it sent was checked.
    Reply(&'a ClinicId, Duty),
    /// A clinic will not take part (any more).
    Decline(&'a ClinicId),
    /// What a clinic sent was refused for what it holds; it is out of this attempt.
    Refuse(&'a ClinicId),
    /// On aggregating: a clinic's update does not count after all.
    Exclude(&'a ClinicId),
    /// The next global parameters are stored.
    Aggregated,
    AggregationFailed(String),
    /// A person stopped the run.
    Stop,
    /// Time has passed.
    Tick,
}

/// Why a round does not take an input. The round is unchanged, but for what the time did to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("The stage for this has ended.")]
    Late,
    #[error("The stage for this has not begun.")]
    Early,
    #[error("The clinic is not in this round.")]
    Stranger,
    #[error("The clinic has left this round.")]
    Gone,
    #[error("The clinic has done this already.")]
    Done,
}

/// One attempt of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    rules: Rules,
    stage: Stage,
    deadline_ms: i64,
    extended: bool,
    members: BTreeMap<ClinicId, Member>,
    failure: Option<Failure>,
}

impl Duty {
    /// In the order of time.
    pub const ALL: [Self; 5] = [Self::Keys, Self::Shares, Self::Fit, Self::Unmask, Self::Evaluate];

    /// The name used in journals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Shares => "shares",
            Self::Fit => "fit",
            Self::Unmask => "unmask",
            Self::Evaluate => "evaluate",
        }
    }

    /// The duty of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|duty| duty.name() == name)
    }

    /// When it is asked for.
    #[must_use]
    pub fn stage(self) -> Stage {
        match self {
            Self::Keys => Stage::Keys,
            Self::Shares => Stage::Shares,
            Self::Fit => Stage::Fitting,
            Self::Unmask => Stage::Unmasking,
            Self::Evaluate => Stage::Evaluating,
        }
    }

    fn done(self) -> Progress {
        match self {
            Self::Keys => Progress::Keyed,
            Self::Shares => Progress::Shared,
            Self::Fit => Progress::Fitted,
            Self::Unmask => Progress::Unmasked,
            Self::Evaluate => Progress::Evaluated,
        }
    }

    /// What must be done before; `None` where any clinic may come.
    fn after(self, secure: bool) -> Option<Progress> {
        match self {
            Self::Keys => None,
            Self::Fit if !secure => None,
            Self::Shares => Some(Progress::Keyed),
            Self::Fit => Some(Progress::Shared),
            Self::Unmask | Self::Evaluate => Some(Progress::Fitted),
        }
    }
}

impl Progress {
    /// In the order of time.
    pub const ALL: [Self; 6] = [
        Self::Known,
        Self::Keyed,
        Self::Shared,
        Self::Fitted,
        Self::Unmasked,
        Self::Evaluated,
    ];

    /// The name used in journals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Keyed => "keyed",
            Self::Shared => "shared",
            Self::Fitted => "fitted",
            Self::Unmasked => "unmasked",
            Self::Evaluated => "evaluated",
        }
    }

    /// The progress of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|progress| progress.name() == name)
    }
}

impl Left {
    pub const ALL: [Self; 3] = [Self::Declined, Self::Refused, Self::Excluded];

    /// The name used in journals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::Excluded => "excluded",
        }
    }

    /// The way of leaving of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|left| left.name() == name)
    }
}

impl Stage {
    /// What it asks of clinics.
    #[must_use]
    pub fn duty(self) -> Option<Duty> {
        Duty::ALL.into_iter().find(|duty| duty.stage() == self)
    }
}

impl Round {
    /// Begins; times are Unix milliseconds.
    #[must_use]
    pub fn start(rules: Rules, now_ms: i64) -> Self {
        let stage = if rules.secure { Stage::Keys } else { Stage::Fitting };
        Self {
            rules,
            stage,
            deadline_ms: after(now_ms, rules.stage_ms),
            extended: false,
            members: BTreeMap::new(),
            failure: None,
        }
    }

    /// As it was journalled.
    #[must_use]
    pub fn restore(
        rules: Rules,
        stage: Stage,
        deadline_ms: i64,
        extended: bool,
        members: BTreeMap<ClinicId, Member>,
    ) -> Self {
        Self {
            rules,
            stage,
            deadline_ms,
            extended,
            members,
            failure: None,
        }
    }

    /// The time in which the hub was down, since `alive_ms`, does not count for the stage; yet a stage never has more
    /// than its whole time left.
    pub fn resume(&mut self, alive_ms: i64, now_ms: i64) {
        let down = now_ms.saturating_sub(alive_ms).max(0);
        let most = after(now_ms, self.stage_time());
        self.deadline_ms = self.deadline_ms.saturating_add(down).min(most);
    }

    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// When the stage ends by itself, Unix milliseconds.
    #[must_use]
    pub fn deadline_ms(&self) -> i64 {
        self.deadline_ms
    }

    /// The stage is in its second time: see [`Late::AcceptUntilAggregation`].
    #[must_use]
    pub fn extended(&self) -> bool {
        self.extended
    }

    /// Everybody who was heard of in this attempt.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<ClinicId, Member> {
        &self.members
    }

    /// Why it failed, when it did so since it was started or restored.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Those who got at least so far, in the order of their ids: `Keyed` is the roster, `Shared` those whose shares
    /// are dealt, `Fitted` those whose update counts.
    pub fn reached(&self, progress: Progress) -> impl Iterator<Item = &ClinicId> {
        self.members
            .iter()
            .filter(move |(_, member)| progress <= member.progress)
            .map(|(clinic, _)| clinic)
    }

    /// What the clinic should do now.
    #[must_use]
    pub fn duty_of(&self, clinic: &ClinicId) -> Option<Duty> {
        self.stage.duty().filter(|duty| self.check(clinic, *duty).is_ok())
    }

    /// Whether the clinic may do this now.
    ///
    /// # Errors
    /// [`Refused`] says why not.
    pub fn admits(&self, clinic: &ClinicId, duty: Duty) -> Result<(), Refused> {
        self.check(clinic, duty)
    }

    /// Takes one input and moves on as far as it leads.
    ///
    /// # Errors
    /// [`Refused`]. Where late replies are dropped, the time counts before the reply does.
    pub fn apply(&mut self, input: &Input<'_>, now_ms: i64) -> Result<(), Refused> {
        if self.rules.late == Late::Drop {
            self.advance(now_ms);
        }
        self.take(input, now_ms)?;
        self.advance(now_ms);
        Ok(())
    }

    fn take(&mut self, input: &Input<'_>, now_ms: i64) -> Result<(), Refused> {
        if *input == Input::Tick {
            return Ok(());
        }
        if self.stage.is_end() {
            return Err(Refused::Late);
        }
        match input {
            Input::Reply(clinic, duty) => {
                self.check(clinic, *duty)?;
                self.member(clinic).progress = duty.done();
            }
            Input::Decline(clinic) => self.leave(clinic, Left::Declined)?,
            Input::Refuse(clinic) => self.leave(clinic, Left::Refused)?,
            Input::Exclude(clinic) => {
                self.only_in(Stage::Aggregating)?;
                let member = self.members.get_mut(clinic).ok_or(Refused::Stranger)?;
                *member = Member {
                    progress: Progress::Known,
                    left: Some(Left::Excluded),
                };
                let have = self.reached(Progress::Fitted).count();
                if have < self.rules.need() {
                    self.fail(Failure::TooFew {
                        stage: Stage::Fitting,
                        have,
                        need: self.rules.need(),
                    });
                }
            }
            Input::Aggregated => {
                self.only_in(Stage::Aggregating)?;
                self.enter(self.next(), now_ms);
            }
            Input::AggregationFailed(problem) => {
                self.only_in(Stage::Aggregating)?;
                self.fail(Failure::Aggregation {
                    problem: problem.clone(),
                });
            }
            Input::Stop => self.fail(Failure::Stopped),
            Input::Tick => {}
        }
        Ok(())
    }

    fn only_in(&self, stage: Stage) -> Result<(), Refused> {
        match self.stage {
            now if now < stage => Err(Refused::Early),
            now if now == stage => Ok(()),
            _ => Err(Refused::Late),
        }
    }

    fn check(&self, clinic: &ClinicId, duty: Duty) -> Result<(), Refused> {
        self.only_in(duty.stage())?;
        let before = duty.after(self.rules.secure);
        match self.members.get(clinic) {
            None if before.is_none() => Ok(()),
            None => Err(Refused::Stranger),
            Some(Member { left: Some(_), .. }) => Err(Refused::Gone),
            Some(member) if duty.done() <= member.progress => Err(Refused::Done),
            Some(member) if before.is_some_and(|before| member.progress < before) => Err(Refused::Stranger),
            Some(_) => Ok(()),
        }
    }

    fn leave(&mut self, clinic: &ClinicId, how: Left) -> Result<(), Refused> {
        let duty = self.stage.duty().ok_or(Refused::Late)?;
        match self.check(clinic, duty) {
            // Keys that were sent may still be taken back: nobody has built on them.
            Err(Refused::Done) if self.stage == Stage::Keys => {}
            checked => checked?,
        }
        let in_keys = self.stage == Stage::Keys;
        let member = self.member(clinic);
        member.left = Some(how);
        if in_keys {
            member.progress = Progress::Known;
        }
        Ok(())
    }

    fn member(&mut self, clinic: &ClinicId) -> &mut Member {
        let new = Member {
            progress: Progress::Known,
            left: None,
        };
        self.members.entry(clinic.clone()).or_insert(new)
    }

    /// Moves on while time and numbers say so.
    fn advance(&mut self, now_ms: i64) {
        while self.step(now_ms) {}
    }

    /// One step; `false` when there is none to take.
    fn step(&mut self, now_ms: i64) -> bool {
        let due = self.deadline_ms <= now_ms;
        match (self.stage, self.stage.duty()) {
            (Stage::Finished | Stage::Failed, _) => return false,
            (Stage::Aggregating, _) if due => self.fail(Failure::AggregationTime),
            (Stage::Evaluating, Some(duty)) => {
                if !due && 0 < self.awaited(duty) {
                    return false;
                }
                self.enter(Stage::Finished, now_ms);
            }
            (_, Some(duty)) => return self.step_on_numbers(duty, due, now_ms),
            (_, None) => return false,
        }
        true
    }

    fn step_on_numbers(&mut self, duty: Duty, due: bool, now_ms: i64) -> bool {
        let (have, need) = (self.reached(duty.done()).count(), self.rules.need());
        let (complete, possible) = match duty.after(self.rules.secure) {
            None => (self.rules.enough() <= have, true),
            Some(_) => {
                let awaited = self.awaited(duty);
                (awaited == 0, need <= have + awaited)
            }
        };
        if need <= have && (complete || due || self.extended) {
            self.enter(self.next(), now_ms);
        } else if possible && !due {
            return false;
        } else if possible && self.rules.late == Late::AcceptUntilAggregation && !self.extended {
            self.extended = true;
            self.deadline_ms = after(now_ms, self.rules.stage_ms);
        } else {
            self.fail(Failure::TooFew {
                stage: self.stage,
                have,
                need,
            });
        }
        true
    }

    /// Clinics of the round that still may do this.
    fn awaited(&self, duty: Duty) -> usize {
        self.members
            .keys()
            .filter(|clinic| self.check(clinic, duty).is_ok())
            .count()
    }

    fn next(&self) -> Stage {
        match self.stage {
            Stage::Keys => Stage::Shares,
            Stage::Shares => Stage::Fitting,
            Stage::Fitting if self.rules.secure => Stage::Unmasking,
            Stage::Fitting | Stage::Unmasking => Stage::Aggregating,
            Stage::Aggregating if self.rules.evaluate => Stage::Evaluating,
            Stage::Aggregating | Stage::Evaluating | Stage::Finished => Stage::Finished,
            Stage::Failed => Stage::Failed,
        }
    }

    fn enter(&mut self, stage: Stage, now_ms: i64) {
        self.stage = stage;
        self.extended = false;
        self.deadline_ms = after(now_ms, self.stage_time());
    }

    fn fail(&mut self, failure: Failure) {
        self.stage = Stage::Failed;
        self.failure = Some(failure);
    }

    fn stage_time(&self) -> u64 {
        if self.stage == Stage::Aggregating {
            AGGREGATION_MS.max(self.rules.stage_ms)
        } else {
            self.rules.stage_ms
        }
    }
}

fn after(now_ms: i64, ms: u64) -> i64 {
    now_ms.saturating_add_unsigned(ms)
}
