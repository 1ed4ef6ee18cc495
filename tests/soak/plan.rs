//! What happens when: days in a region, drawn from a seed. Pure.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How much, over how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) clinics: usize,
    pub(crate) hours: u32,
    /// Studies of one small image, all clinics together.
    pub(crate) results: u32,
    /// Radiographs whose pixels travel too, among the results.
    pub(crate) images: u32,
    pub(crate) seed: u64,
}

/// One thing that a clinic's day holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A patient: the study of this number.
    Study {
        number: u32,
        kind: Kind,
    },
    /// The line is cut until it is said to stand again.
    Cut,
    /// The line is thin, slow and loses packets.
    Township,
    /// A router forgets the connections that stand.
    Strand,
    /// An inn's portal answers in the hub's place until the line is restored.
    Portal,
    /// The line is as good as ever.
    Restore,
    KillBox,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A slice no model takes: a result, no picture.
    Small,
    /// A radiograph that the model calls urgent: a critical result, and its picture travels.
    Radiograph,
}

/// What strikes everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    Hub,
    Broker,
}

#[derive(Debug)]
pub(crate) struct Plan {
    /// By clinic; in order of time, which is simulated time since the start.
    pub(crate) clinics: Vec<Vec<(Duration, Event)>>,
    pub(crate) blows: Vec<(Duration, Blow)>,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Plan {
    pub(crate) fn draw(scale: &Scale) -> Self {
        let mut random = StdRng::seed_from_u64(scale.seed);
        let end = HOUR * scale.hours;
        let clinics = (0..scale.clinics)
            .map(|clinic| day(&mut random, scale, clinic, end))
            .collect();
        let mut blows: Vec<_> = (0..scale.hours / 6)
            .map(|_| {
                let blow = if random.random_bool(0.5) {
                    Blow::Hub
                } else {
                    Blow::Broker
                };
                (at(&mut random, end), blow)
            })
            .collect();
        blows.sort_by_key(|(at, _)| *at);
        Self { clinics, blows }
    }
}

fn at(random: &mut StdRng, end: Duration) -> Duration {
    end.mul_f64(random.random_range(0.0..1.0))
}

/// Patients come in the daytime, half of them in two floods of an hour.
fn arrival(random: &mut StdRng, end: Duration) -> Duration {
    let days = end.as_secs().div_ceil(24 * 3600).max(1);
    let day = HOUR * 24 * u32::try_from(random.random_range(0..days)).unwrap_or(0);
    let hour = match random.random_range(0..4) {
        0 => random.random_range(8.0..9.0),
        1 => random.random_range(14.0..15.0),
        _ => random.random_range(7.0..19.0),
    };
    (day + HOUR.mul_f64(hour)).min(end)
}

/// This clinic's part of a total that is dealt out evenly.
pub(crate) fn share(total: u32, clinics: usize, clinic: usize) -> u32 {
    let clinics = u32::try_from(clinics).unwrap_or(1).max(1);
    let more = u32::from(u32::try_from(clinic).unwrap_or(0) < total % clinics);
    total / clinics + more
}

fn day(random: &mut StdRng, scale: &Scale, clinic: usize, end: Duration) -> Vec<(Duration, Event)> {
    let studies = share(scale.results, scale.clinics, clinic);
    let radiographs = share(scale.images, scale.clinics, clinic).min(studies);
    let mut events: Vec<_> = (0..studies)
        .map(|number| {
            let kind = if number < radiographs {
                Kind::Radiograph
            } else {
                Kind::Small
            };
            (arrival(random, end), Event::Study { number, kind })
        })
        .collect();
    // Every twelve hours something is wrong with the line, for minutes or for half a day.
    for _ in 0..scale.hours.div_ceil(12) {
        let begins = at(random, end);
        let trouble = match random.random_range(0..4) {
            0 | 1 => Event::Cut,
            2 => Event::Township,
            _ => Event::Portal,
        };
        let lasts = HOUR.mul_f64(random.random_range(0.1..12.0));
        events.push((begins, trouble));
        events.push(((begins + lasts).min(end), Event::Restore));
        events.push((at(random, end), Event::Strand));
    }
    for _ in 0..scale.hours.div_ceil(24) {
        events.push((at(random, end), Event::KillBox));
    }
    events.sort_by_key(|(at, _)| *at);
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale {
        clinics: 3,
        hours: 72,
        results: 1000,
        images: 50,
        seed: 7,
    };

    #[test]
    fn everything_is_dealt_out_once_and_in_order() {
        let plan = Plan::draw(&SCALE);
        let all = || plan.clinics.iter().flatten();
        let of = |wanted: Kind| {
            all()
                .filter(|(_, event)| matches!(event, Event::Study { kind, .. } if *kind == wanted))
                .count()
        };
        assert_eq!((of(Kind::Small), of(Kind::Radiograph)), (950, 50));
        for events in &plan.clinics {
            assert!(events.is_sorted_by_key(|(at, _)| *at));
            assert!(events.iter().all(|(at, _)| *at <= HOUR * 72));
        }
    }

    #[test]
    fn a_seed_is_a_plan() {
        let other = Scale { seed: 8, ..SCALE };
        assert_eq!(Plan::draw(&SCALE).clinics, Plan::draw(&SCALE).clinics);
        assert_ne!(Plan::draw(&SCALE).clinics, Plan::draw(&other).clinics);
    }
}
