//! Who is on duty, and to whom a case is offered. Pure: time and people come in, a name goes out.

use barefoot_domain::Tier;

use super::life::Life;
use crate::archive::{Absence, Load, Shift};

const MINUTE_MS: i64 = 60_000;
const WEEK_MINUTES: i64 = 7 * 24 * 60;
/// 1 January 1970 was a Thursday.
const THURSDAY_MINUTES: i64 = 3 * 24 * 60;

/// Somebody who may be offered a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) person: String,
    pub(crate) tier: Tier,
    /// Kinds of studies, see [`super::triage::subspecialty`]; empty for all.
    pub(crate) subspecialties: Vec<String>,
}

/// Who works when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    pub(crate) shifts: Vec<Shift>,
    pub(crate) absences: Vec<Absence>,
    /// Minutes the shifts' clock is ahead of UTC.
    pub(crate) utc_offset_minutes: i32,
}

impl Roster {
    /// Without any shift everyone is on duty: a region that keeps no roster is not without readers.
    pub(crate) fn on_duty(&self, person: &str, now_ms: i64) -> bool {
        let absent = |absence: &Absence| {
            absence.person == person && absence.from_ms <= now_ms && now_ms < absence.to_ms
        };
        if self.absences.iter().any(absent) {
            return false;
        }
        let minute = self.minute_of_week(now_ms);
        let works = |shift: &Shift| {
            let since = (minute - i64::from(shift.from_minute)).rem_euclid(WEEK_MINUTES);
            shift.person == person && since < i64::from(shift.minutes)
        };
        self.shifts.is_empty() || self.shifts.iter().any(works)
    }

    fn minute_of_week(&self, now_ms: i64) -> i64 {
        let local = now_ms.div_euclid(MINUTE_MS) + i64::from(self.utc_offset_minutes);
        (local + THURSDAY_MINUTES).rem_euclid(WEEK_MINUTES)
    }
}

/// The one on duty who has least to do; who was offered it before comes last, longest ago first.
pub(crate) fn choose(
    life: &Life,
    kind: &str,
    candidates: &[Candidate],
    loads: &[Load],
    offered: &[String],
    roster: &Roster,
    now_ms: i64,
) -> Option<String> {
    let load = |person: &str| {
        loads
            .iter()
            .find(|load| load.person == person)
            .map_or(0, |load| load.cases)
    };
    let last_offer = |person: &str| {
        offered
            .iter()
            .rposition(|earlier| earlier == person)
            .map_or(0, |place| place + 1)
    };
    candidates
        .iter()
        .filter(|one| one.tier == life.tier && !life.readers.contains(&one.person))
        .filter(|one| one.subspecialties.is_empty() || one.subspecialties.iter().any(|own| own == kind))
        .filter(|one| roster.on_duty(&one.person, now_ms))
        .min_by_key(|one| (last_offer(&one.person), load(&one.person), one.person.as_str()))
        .map(|one| one.person.clone())
}

#[cfg(test)]
mod tests {
    use barefoot_domain::Urgency;

    use super::*;
    use crate::worklist::rules::Worklist;

    /// Monday 2026-11-23, 00:00 in China.
    const MONDAY: i64 = 1_795_363_200_000;
    const HOUR: i64 = 60 * MINUTE_MS;

    fn roster() -> Roster {
        let shift = |person: &str, from_minute, minutes| Shift {
            id: format!("{person}-{from_minute}"),
            person: person.into(),
            from_minute,
            minutes,
        };
        Roster {
            // wang: Monday 8 to 16; li: Sunday 22 to Monday 6.
            shifts: vec![
                shift("wang", 8 * 60, 8 * 60),
                shift("li", 6 * 24 * 60 + 22 * 60, 8 * 60),
            ],
            absences: vec![],
            utc_offset_minutes: 480,
        }
    }

    #[test]
    fn shifts_go_round_the_week() {
        let roster = roster();
        for (person, at, works) in [
            ("wang", MONDAY + 8 * HOUR, true),
            ("wang", MONDAY + 16 * HOUR, false),
            ("wang", MONDAY + 8 * HOUR - 1, false),
            ("li", MONDAY, true),
            ("li", MONDAY + 6 * HOUR, false),
            ("li", MONDAY - 2 * HOUR, true),
            ("wang", MONDAY + 7 * 24 * HOUR + 9 * HOUR, true),
            ("nobody", MONDAY, false),
        ] {
            assert_eq!(roster.on_duty(person, at), works, "{person} {at}");
        }
        assert!(Roster::default().on_duty("nobody", MONDAY));
    }

    #[test]
    fn who_is_away_is_not_on_duty() {
        let mut roster = roster();
        roster.absences.push(Absence {
            id: "a".into(),
            person: "wang".into(),
            from_ms: MONDAY,
            to_ms: MONDAY + 9 * HOUR,
        });
        assert!(!roster.on_duty("wang", MONDAY + 8 * HOUR));
        assert!(roster.on_duty("wang", MONDAY + 9 * HOUR));
    }

    #[test]
    fn the_one_with_least_to_do_is_asked_and_then_the_next() {
        let rules = Worklist::default().rules().unwrap();
        let life = Life::begin(1, Urgency::Review, MONDAY, MONDAY, &rules);
        let candidate = |person: &str, tier, kinds: &[&str]| Candidate {
            person: person.into(),
            tier,
            subspecialties: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        let people = [
            candidate("busy", Tier::County, &[]),
            candidate("free", Tier::County, &["radiography"]),
            candidate("other", Tier::County, &["ultrasound"]),
            candidate("above", Tier::City, &[]),
        ];
        let loads = [Load {
            person: "busy".into(),
            cases: 3,
        }];
        let chosen = |life: &Life, offered: &[String]| {
            choose(
                life,
                "radiography",
                &people,
                &loads,
                offered,
                &Roster::default(),
                MONDAY,
            )
        };
        assert_eq!(chosen(&life, &[]).as_deref(), Some("free"));
        assert_eq!(chosen(&life, &["free".into()]).as_deref(), Some("busy"));
        let both = ["free".to_owned(), "busy".to_owned()];
        assert_eq!(chosen(&life, &both).as_deref(), Some("free"));
        let mut second = life.clone();
        second.readers.push("free".into());
        assert_eq!(chosen(&second, &[]).as_deref(), Some("busy"));
        let mut city = life;
        city.tier = Tier::City;
        assert_eq!(chosen(&city, &[]).as_deref(), Some("above"));
    }
}
