//! The life of a case that a person reads: one state, one function.
//!
//! | in | event | then |
//! |---|---|---|
//! | waiting | claim, by whom the rules allow | claimed, with a lease |
//! | claimed, drafted | draft | drafted, the lease anew |
//! | claimed, drafted | renew | the lease anew |
//! | claimed, drafted | release, or the lease lapses | waiting; drafts stay |
//! | claimed, drafted | claim by another, when it is overdue and its holder silent; by a chief | claimed by the other |
//! | claimed, drafted | a first opinion, a second one wanted | waiting for the second reader |
//! | claimed, drafted | a second opinion that differs | waiting for an adjudicator, one tier up |
//! | claimed, drafted | sign: the only read, one that agrees, or the adjudicator's | signed |
//! | claimed, drafted | images are wanted | images wanted, until they come or the deadline lapses |
//! | waiting, claimed, drafted | refer | waiting, one tier up or for a named expert |
//! | waiting, images wanted | the deadline lapses | waiting, also for the tier above, with that tier's time |
//! | claimed, drafted | the deadline lapses | overdue: the tier above may take it over |
//! | the highest tier | the deadline lapses | overdue, and again each time its span has passed; any tier may take it |
//! | waiting, claimed, drafted, images wanted | a new version of the study | the same, for the new version |
//! | signed, delivered, read, withdrawn | a new version, or the clinic asks | waiting at the first tier |
//! | signed | the clinic's receipt | delivered |
//! | signed, delivered | the clinic has read it | read |
//! | anything open | withdraw, by a chief who says why | withdrawn |
//!
//! All else is refused and changes nothing. Nothing here reads a clock or a database.

use barefoot_domain::{Progress, Tier, Urgency};

use super::rules::Rules;

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Waiting,
    Claimed,
    Drafted,
    ImagesWanted,
    Signed,
    Delivered,
    Read,
    Withdrawn,
}

impl State {
    pub(crate) const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Claimed,
        Self::Drafted,
        Self::ImagesWanted,
        Self::Signed,
        Self::Delivered,
        Self::Read,
        Self::Withdrawn,
    ];

    /// A reader has still to do something.
    pub(crate) fn is_open(self) -> bool {
        matches!(
            self,
            Self::Waiting | Self::Claimed | Self::Drafted | Self::ImagesWanted
        )
    }

    /// Somebody holds it.
    pub(crate) fn is_held(self) -> bool {
        matches!(self, Self::Claimed | Self::Drafted)
    }
}

/// Which read it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    First,
    Second,
    /// Two readers differ; a third decides.
    Adjudication,
}

/// Who reads now and until when nobody else may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) person: String,
    pub(crate) until_ms: i64,
}

/// A case that is offered to one person; the others wait until the offer lapses.
pub(crate) type Offer = Lease;

/// A case on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) state: State,
    pub(crate) stage: Stage,
    /// Whose time runs: raised when it is over.
    pub(crate) tier: Tier,
    /// The lowest tier that may read it: raised when a reader refers it upward or two differ. A case that was only late can
    /// still be taken by whoever was late.
    pub(crate) floor: Tier,
    pub(crate) urgency: Urgency,
    /// Of the study that is to be read.
    pub(crate) version: u32,
    pub(crate) lease: Option<Lease>,
    pub(crate) offer: Option<Offer>,
    /// When the present tier's time is over.
    pub(crate) due_ms: i64,
    pub(crate) overdue: bool,
    pub(crate) second_wanted: bool,
    /// Who gave the opinions before this stage.
    pub(crate) readers: Vec<String>,
    /// Rising with each change.
    pub(crate) change: u64,
}

/// A person who acts on a case, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) person: String,
    pub(crate) tier: Tier,
    pub(crate) chief: bool,
    /// Reads this kind of study, of this clinic.
    pub(crate) fits: bool,
}

/// What happens to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A result that is to be read came, or a newer version of it.
    Arrived {
        version: u32,
        urgency: Urgency,
        detected_ms: i64,
    },
    /// The clinic asks an expert to look.
    Asked {
        version: u32,
    },
    Offer {
        person: String,
    },
    Claim {
        by: Actor,
    },
    Renew {
        by: String,
    },
    Draft {
        by: String,
    },
    Release {
        by: String,
    },
    /// Time has passed: a lease, an offer or the deadline may have lapsed.
    Tick,
    /// The holder is done, and another is to read it too.
    Opinion {
        by: String,
        agrees: Option<bool>,
    },
    /// The holder signed the report.
    Sign {
        by: String,
        agrees: Option<bool>,
    },
    WantSecond {
        by: String,
    },
    Refer {
        by: Actor,
        to: Option<String>,
    },
    WantImages {
        by: String,
    },
    Delivered,
    ReadByClinic,
    Withdraw {
        by: Actor,
    },
}

/// What has to be done because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The tier's time was over: the case went one tier up, or nobody stands above.
    Escalated {
        from: Tier,
        to: Tier,
    },
    /// The same of a case somebody is reading.
    Overdue {
        tier: Tier,
    },
    /// The holder did nothing for the whole lease.
    LeaseLapsed,
    OfferLapsed,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("another reader has this case")]
    Held,
    #[error("this case is not yours any more: its lease lapsed or another took it over")]
    NotHolder,
    #[error("this case is offered to another reader just now")]
    Offered,
    #[error("this case waits for a tier above yours")]
    TierTooLow,
    #[error("this kind of study or this clinic is not among those you read")]
    NotYours,
    #[error("you read this case before; another must give the second opinion")]
    SameReader,
    #[error("only a chief may do this")]
    NotChief,
    #[error("nobody stands above this tier")]
    NothingAbove,
    #[error("this case is closed")]
    Closed,
    #[error("this does not fit where the case stands")]
    NotNow,
    #[error("another has to read this case before it can be signed")]
    SecondWanted,
    #[error("a newer version of this study is here")]
    Older,
}

impl Life {
    /// The life of a case that has just come onto the list.
    pub(crate) fn begin(
        version: u32,
        urgency: Urgency,
        detected_ms: i64,
        now_ms: i64,
        rules: &Rules,
    ) -> Self {
        let tier = rules.first_tier;
        Self {
            state: State::Waiting,
            stage: Stage::First,
            tier,
            floor: tier,
            urgency,
            version,
            lease: None,
            offer: None,
            due_ms: rules.due(urgency, detected_ms, now_ms),
            overdue: false,
            second_wanted: rules.second_read.wants(urgency),
            readers: Vec::new(),
            change: 1,
        }
    }

    /// What the case is after `event`, and what has to be done. `None` where nothing changed.
    pub(crate) fn apply(
        &self,
        event: &Event,
        now_ms: i64,
        rules: &Rules,
    ) -> Result<Option<(Self, Vec<Effect>)>, Refused> {
        let mut next = self.clone();
        let mut effects = Vec::new();
        match event {
            Event::Arrived {
                version,
                urgency,
                detected_ms,
            } => next.arrive(*version, *urgency, *detected_ms, now_ms, rules)?,
            Event::Asked { version } => next.ask(*version, now_ms, rules),
            Event::Tick => next.tick(now_ms, rules, &mut effects),
            Event::Offer { person } => next.offer(person, now_ms, rules)?,
            Event::Claim { by } => next.claim(by, now_ms, rules)?,
            Event::Renew { by } | Event::Draft { by } => {
                next.hold(by)?;
                if matches!(event, Event::Draft { .. }) {
                    next.state = State::Drafted;
                }
                next.lease = Some(rules.lease(by, now_ms));
            }
            Event::Release { by } => {
                next.hold(by)?;
                next.wait();
            }
            Event::WantSecond { by } => {
                next.hold(by)?;
                next.second_wanted = true;
            }
            Event::Opinion { by, agrees } => next.opine(by, *agrees, now_ms, rules)?,
            Event::Sign { by, agrees } => next.sign(by, *agrees)?,
            Event::Refer { by, to } => next.refer(by, to.as_deref(), now_ms, rules)?,
            Event::WantImages { by } => {
                next.hold(by)?;
                next.wait();
                next.state = State::ImagesWanted;
            }
            Event::Delivered => match next.state {
                State::Signed => next.state = State::Delivered,
                State::Delivered | State::Read => return Ok(None),
                _ => return Err(Refused::NotNow),
            },
            Event::ReadByClinic => match next.state {
                State::Signed | State::Delivered => next.state = State::Read,
                State::Read => return Ok(None),
                _ => return Err(Refused::NotNow),
            },
            Event::Withdraw { by } => {
                next.open()?;
                if !by.chief {
                    return Err(Refused::NotChief);
                }
                next.wait();
                next.state = State::Withdrawn;
            }
        }
        if next == *self {
            return Ok(None);
        }
        next.change = self.change.saturating_add(1);
        Ok(Some((next, effects)))
    }

    /// What the clinic is told.
    pub(crate) fn progress(&self) -> Progress {
        match (self.state, self.stage) {
            (State::Waiting, Stage::First) => Progress::Waiting,
            (State::Waiting | State::Claimed | State::Drafted, Stage::Second | Stage::Adjudication) => {
                Progress::SecondRead
            }
            (State::Claimed | State::Drafted, Stage::First) => Progress::BeingRead,
            (State::ImagesWanted, _) => Progress::ImagesWanted,
            (State::Signed | State::Delivered | State::Read, _) => Progress::Reported,
            (State::Withdrawn, _) => Progress::Withdrawn,
        }
    }

    /// Whether `by` may take it now.
    pub(crate) fn may_claim(&self, by: &Actor, now_ms: i64, rules: &Rules) -> Result<(), Refused> {
        self.open()?;
        if by.tier < self.floor {
            return Err(Refused::TierTooLow);
        }
        if !by.fits && !self.is_offered_to(&by.person, now_ms) {
            return Err(Refused::NotYours);
        }
        if self.readers.contains(&by.person) {
            return Err(Refused::SameReader);
        }
        let offered_elsewhere = self
            .offer
            .as_ref()
            .is_some_and(|offer| offer.person != by.person && now_ms < offer.until_ms);
        // Minutes count: who is there first takes it.
        if offered_elsewhere && !by.chief && self.urgency != Urgency::Critical {
            return Err(Refused::Offered);
        }
        match &self.lease {
            Some(lease) if lease.person != by.person && now_ms < lease.until_ms => {
                // Whoever is at work is left to it, or the case would go from hand to hand.
                let silent = rules.silent_since(lease).saturating_add(rules.silence_ms) <= now_ms;
                if by.chief || (self.overdue && silent) {
                    Ok(())
                } else {
                    Err(Refused::Held)
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether `person` holds it now.
    pub(crate) fn is_held_by(&self, person: &str) -> bool {
        self.state.is_held() && self.lease.as_ref().is_some_and(|lease| lease.person == person)
    }

    fn is_offered_to(&self, person: &str, now_ms: i64) -> bool {
        self.offer
            .as_ref()
            .is_some_and(|offer| offer.person == person && now_ms < offer.until_ms)
    }

    fn open(&self) -> Result<(), Refused> {
        self.state.is_open().then_some(()).ok_or(Refused::Closed)
    }

    fn hold(&self, by: &str) -> Result<(), Refused> {
        self.open()?;
        self.is_held_by(by).then_some(()).ok_or(Refused::NotHolder)
    }

    fn raise(&mut self, floor: Tier) {
        self.floor = floor;
        self.tier = self.tier.max(floor);
    }

    fn wait(&mut self) {
        self.state = State::Waiting;
        self.lease = None;
        self.offer = None;
    }

    fn arrive(
        &mut self,
        version: u32,
        urgency: Urgency,
        detected_ms: i64,
        now_ms: i64,
        rules: &Rules,
    ) -> Result<(), Refused> {
        if version < self.version {
            return Err(Refused::Older);
        }
        if version == self.version {
            return Ok(());
        }
        if !self.state.is_open() {
            *self = Self {
                change: self.change,
                ..Self::begin(version, urgency, detected_ms, now_ms, rules)
            };
            return Ok(());
        }
        self.version = version;
        // A case never becomes less urgent by itself: what was critical once stays so until somebody has read it.
        if self.urgency < urgency {
            self.urgency = urgency;
            self.due_ms = self.due_ms.min(rules.due(urgency, detected_ms, now_ms));
        }
        if self.state == State::ImagesWanted {
            self.wait();
        }
        Ok(())
    }

    fn ask(&mut self, version: u32, now_ms: i64, rules: &Rules) {
        if self.state.is_open() {
            return;
        }
        *self = Self {
            change: self.change,
            ..Self::begin(
                version.max(self.version),
                self.urgency.max(Urgency::Review),
                now_ms,
                now_ms,
                rules,
            )
        };
    }

    fn tick(&mut self, now_ms: i64, rules: &Rules, effects: &mut Vec<Effect>) {
        if !self.state.is_open() {
            return;
        }
        if self.lease.as_ref().is_some_and(|lease| lease.until_ms <= now_ms) {
            self.wait();
            effects.push(Effect::LeaseLapsed);
        }
        if self.offer.as_ref().is_some_and(|offer| offer.until_ms <= now_ms) {
            self.offer = None;
            effects.push(Effect::OfferLapsed);
        }
        if now_ms < self.due_ms {
            return;
        }
        let from = self.tier;
        match rules.above(from) {
            Some(above) => self.tier = above,
            // Where nobody above takes it, whoever has not read it yet may again.
            None => self.floor = rules.first_tier,
        }
        self.overdue = true;
        self.due_ms = now_ms.saturating_add(rules.span_ms(self.urgency));
        if self.state.is_held() {
            effects.push(Effect::Overdue { tier: self.tier });
        } else {
            self.wait();
            effects.push(Effect::Escalated { from, to: self.tier });
        }
    }

    fn offer(&mut self, person: &str, now_ms: i64, rules: &Rules) -> Result<(), Refused> {
        if self.state != State::Waiting {
            return Err(Refused::NotNow);
        }
        if self.readers.iter().any(|reader| reader == person) {
            return Err(Refused::SameReader);
        }
        self.offer = Some(rules.offer(person, self.urgency, now_ms));
        Ok(())
    }

    fn claim(&mut self, by: &Actor, now_ms: i64, rules: &Rules) -> Result<(), Refused> {
        self.may_claim(by, now_ms, rules)?;
        let mine = self.is_held_by(&by.person);
        if !mine {
            self.state = State::Claimed;
            self.offer = None;
        }
        self.lease = Some(rules.lease(&by.person, now_ms));
        Ok(())
    }

    fn opine(&mut self, by: &str, agrees: Option<bool>, now_ms: i64, rules: &Rules) -> Result<(), Refused> {
        self.hold(by)?;
        let stage = match (self.stage, agrees) {
            (Stage::First, _) if self.second_wanted => Stage::Second,
            (Stage::Second, Some(false)) => {
                self.raise(rules.above(self.floor).unwrap_or(self.floor));
                Stage::Adjudication
            }
            _ => return Err(Refused::NotNow),
        };
        self.readers.push(by.to_owned());
        self.stage = stage;
        self.wait();
        // The next reader's time begins now, unless the case is late already.
        if !self.overdue {
            self.due_ms = now_ms.saturating_add(rules.span_ms(self.urgency));
        }
        Ok(())
    }

    fn sign(&mut self, by: &str, agrees: Option<bool>) -> Result<(), Refused> {
        self.hold(by)?;
        match (self.stage, agrees) {
            (Stage::First, _) if self.second_wanted => return Err(Refused::SecondWanted),
            (Stage::Second, Some(true)) | (Stage::First | Stage::Adjudication, _) => {}
            (Stage::Second, _) => return Err(Refused::NotNow),
        }
        self.readers.push(by.to_owned());
        self.wait();
        self.state = State::Signed;
        Ok(())
    }

    fn refer(&mut self, by: &Actor, to: Option<&str>, now_ms: i64, rules: &Rules) -> Result<(), Refused> {
        self.open()?;
        let may = self.is_held_by(&by.person) || (by.chief && self.state == State::Waiting);
        if !may {
            return Err(Refused::NotHolder);
        }
        self.wait();
        match to {
            Some(person) => self.offer(person, now_ms, rules),
            None => {
                self.raise(rules.above(self.floor).ok_or(Refused::NothingAbove)?);
                if !self.overdue {
                    self.due_ms = self
                        .due_ms
                        .max(now_ms.saturating_add(rules.span_ms(self.urgency)));
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
