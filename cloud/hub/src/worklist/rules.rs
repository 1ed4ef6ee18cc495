use barefoot_domain::{Tier, Urgency};
use serde::Deserialize;

use super::life::{Lease, Offer};

const MINUTE_MS: i64 = 60_000;

/// An open page says each minute that its reader is there.
const SILENCE_MINUTES: u32 = 3;

/// The list's settings, checked: `[worklist]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub(crate) first_tier: Tier,
    pub(crate) last_tier: Tier,
    pub(crate) critical_ms: i64,
    pub(crate) review_ms: i64,
    pub(crate) lease_ms: i64,
    pub(crate) offer_ms: i64,
    /// Who has not been heard of for so long may lose an overdue case.
    pub(crate) silence_ms: i64,
    pub(crate) second_read: SecondRead,
    pub(crate) assignment: Assignment,
    /// Alarms wait for a listener of MQTT too.
    pub(crate) alarm_by_mqtt: bool,
}

/// Which cases two people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecondRead {
    /// Those of which a reader says so.
    OnRequest,
    /// And all critical ones.
    Critical,
    Always,
}

impl SecondRead {
    pub(crate) fn wants(self, urgency: Urgency) -> bool {
        match self {
            Self::OnRequest => false,
            Self::Critical => urgency == Urgency::Critical,
            Self::Always => true,
        }
    }
}

/// How a case finds its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Assignment {
    /// Readers take cases themselves.
    Pull,
    /// Each case is offered to whoever is on duty and has least to do, the next one when that offer lapses.
    Push,
}

impl Rules {
    /// The next tier that reads here.
    pub(crate) fn above(&self, tier: Tier) -> Option<Tier> {
        tier.above().filter(|above| *above <= self.last_tier)
    }

    /// The time a tier has.
    pub(crate) fn span_ms(&self, urgency: Urgency) -> i64 {
        match urgency {
            Urgency::Critical => self.critical_ms,
            Urgency::Review | Urgency::Routine => self.review_ms,
        }
    }

    /// When a tier's time is over. Of a critical case it runs from the finding, wherever the case was meanwhile: one that comes
    /// when it is over goes up at the next look. The others' begins at the hub: after days without a line they would all
    /// be late at once.
    pub(crate) fn due(&self, urgency: Urgency, detected_ms: i64, now_ms: i64) -> i64 {
        let from_ms = match urgency {
            Urgency::Critical => detected_ms.min(now_ms),
            Urgency::Review | Urgency::Routine => now_ms,
        };
        from_ms.saturating_add(self.span_ms(urgency))
    }

    /// When a holder was last heard of.
    pub(crate) fn silent_since(&self, lease: &Lease) -> i64 {
        lease.until_ms.saturating_sub(self.lease_ms)
    }

    pub(crate) fn lease(&self, person: &str, now_ms: i64) -> Lease {
        Lease {
            person: person.to_owned(),
            until_ms: now_ms.saturating_add(self.lease_ms),
        }
    }

    /// At most a quarter of what a tier has for a critical case: the next ones must still have time.
    pub(crate) fn offer(&self, person: &str, urgency: Urgency, now_ms: i64) -> Offer {
        let most = match urgency {
            Urgency::Critical => self.critical_ms / 4,
            Urgency::Review | Urgency::Routine => self.offer_ms,
        };
        Offer {
            person: person.to_owned(),
            until_ms: now_ms.saturating_add(self.offer_ms.min(most)),
        }
    }
}

/// `[worklist]` as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Worklist {
    /// The lowest tier that reads: `county`, `city` or `province`. Default county.
    pub(crate) first_tier: TierName,
    /// The highest one. Default province.
    pub(crate) last_tier: TierName,
    /// Minutes each tier has for a critical case; the first one's run from the finding. Default 10.
    pub(crate) critical_minutes: u32,
    /// Minutes each tier has for the others. Default 240.
    pub(crate) review_minutes: u32,
    /// Minutes a reader may be silent before the case is free again. Default 15.
    pub(crate) lease_minutes: u32,
    /// Minutes a case is kept for whom it was offered. Default 10.
    pub(crate) offer_minutes: u32,
    /// `on_request`, `critical` or `always`. Default on_request.
    pub(crate) second_read: SecondRead,
    /// `pull` or `push`. Default pull.
    pub(crate) assignment: Assignment,
    /// An address that is told of overdue critical cases (HTTP POST of JSON without identity). Default none.
    pub(crate) webhook: Option<String>,
    /// The same by MQTT, for the region's own listeners. Default false.
    pub(crate) alarm_by_mqtt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TierName {
    County,
    City,
    Province,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::County => Self::County,
            TierName::City => Self::City,
            TierName::Province => Self::Province,
        }
    }
}

impl Default for Worklist {
    fn default() -> Self {
        Self {
            first_tier: TierName::County,
            last_tier: TierName::Province,
            critical_minutes: 10,
            review_minutes: 240,
            lease_minutes: 15,
            offer_minutes: 10,
            second_read: SecondRead::OnRequest,
            assignment: Assignment::Pull,
            webhook: None,
            alarm_by_mqtt: false,
        }
    }
}

impl Worklist {
    /// The rules, or which key cannot be used and why.
    pub(crate) fn rules(&self) -> Result<Rules, (&'static str, &'static str)> {
        let (first_tier, last_tier) = (Tier::from(self.first_tier), Tier::from(self.last_tier));
        if last_tier < first_tier {
            return Err(("last_tier", "must not be below first_tier"));
        }
        for (key, minutes) in [
            ("critical_minutes", self.critical_minutes),
            ("review_minutes", self.review_minutes),
            ("lease_minutes", self.lease_minutes),
            ("offer_minutes", self.offer_minutes),
        ] {
            if minutes == 0 {
                return Err((key, "must be at least 1"));
            }
        }
        let ms = |minutes: u32| i64::from(minutes) * MINUTE_MS;
        Ok(Rules {
            first_tier,
            last_tier,
            critical_ms: ms(self.critical_minutes),
            review_ms: ms(self.review_minutes),
            lease_ms: ms(self.lease_minutes),
            offer_ms: ms(self.offer_minutes),
            silence_ms: ms(SILENCE_MINUTES.min(self.lease_minutes)),
            second_read: self.second_read,
            assignment: self.assignment,
            alarm_by_mqtt: self.alarm_by_mqtt,
        })
    }
}
