//! Whether the box that comes is the one that came before, or another with the same identity.
//!
//! A box makes a new name at each start of its daemon and says which starts came before: the one that the hub answered last, and
//! those since then of which the hub may have heard. So starts are a chain, whatever the clock says, and however often a
//! box was started without a line. A copy of its disk begins a second chain at the same link: whichever of the two comes
//! next does not know of the other. A disk that was put back to an older state does not know either; it is told from a copy by
//! its machine, which is the same, and by what it left behind, which never comes back. Pure.

use barefoot_wire::{START_BYTES, v1};

pub(crate) type Start = [u8; START_BYTES];

/// Starts that are remembered of a box.
pub(crate) const REMEMBERED: usize = 16;

/// What a box says of its starts with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) start: Start,
    pub(crate) follows: Vec<Start>,
    pub(crate) machine: Vec<u8>,
    pub(crate) session: u64,
}

/// A start that the hub has heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) start: Start,
    pub(crate) machine: Vec<u8>,
    /// The highest of its sessions.
    pub(crate) session: u64,
    /// The box went on from an earlier one: nothing of this start can come any more.
    pub(crate) left_behind: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same start, or the next.
    Itself,
    /// A message that was on its way for long, of a start that is over.
    Late,
    /// The same machine with an older state of its disk.
    Restored,
    /// Two machines, or two disks, with one identity.
    Copied,
}

impl Told {
    /// `None` for the end of a session, and for a box that does not tell.
    pub(crate) fn of(presence: &v1::Presence) -> Option<Self> {
        if presence.state() != v1::PresenceState::Up {
            return None;
        }
        let start = |bytes: &Vec<u8>| Start::try_from(bytes.as_slice()).ok();
        Some(Self {
            start: start(&presence.start)?,
            follows: presence.follows.iter().filter_map(start).collect(),
            machine: presence.machine.clone(),
            session: presence.session,
        })
    }

    fn heard(&self) -> Heard {
        Heard {
            start: self.start,
            machine: self.machine.clone(),
            session: self.session,
            left_behind: false,
        }
    }
}

/// `known` are the box's starts so far, the newest last; what is told is added where the box is itself or was restored.
pub(crate) fn judge(known: &mut Vec<Heard>, told: &Told) -> Verdict {
    let verdict = match known.iter().position(|heard| heard.start == told.start) {
        Some(place) => return again(known, place, told),
        None => match known.last() {
            None => Verdict::Itself,
            Some(last) if told.follows.contains(&last.start) => Verdict::Itself,
            Some(last) => {
                let same_machine = last.machine == told.machine;
                let comes_back = |heard: &Heard| heard.left_behind && told.follows.contains(&heard.start);
                if !same_machine || known.iter().any(comes_back) {
                    return Verdict::Copied;
                }
                if let Some(last) = known.last_mut() {
                    last.left_behind = true;
                }
                Verdict::Restored
            }
        },
    };
    known.push(told.heard());
    let too_many = known.len().saturating_sub(REMEMBERED);
    known.drain(..too_many);
    verdict
}

/// A start that is known: the newest goes on, an older one is over.
fn again(known: &mut [Heard], place: usize, told: &Told) -> Verdict {
    let is_newest = place + 1 == known.len();
    let Some(heard) = known.get_mut(place) else {
        return Verdict::Late;
    };
    // Messages may come twice, and in the order in which they were sent: only a session that was not heard of is new.
    let is_new = heard.session < told.session;
    match (is_newest, is_new) {
        (true, _) => {
            heard.session = heard.session.max(told.session);
            Verdict::Itself
        }
        (false, false) => Verdict::Late,
        (false, true) => Verdict::Copied,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: &[u8] = b"machine";
    const THERE: &[u8] = b"another";

    fn told(start: u8, follows: &[u8], machine: &[u8], session: u64) -> Told {
        Told {
            start: [start; START_BYTES],
            follows: follows.iter().map(|one| [*one; START_BYTES]).collect(),
            machine: machine.to_vec(),
            session,
        }
    }

    fn after(words: &[Told]) -> Verdict {
        let mut known = Vec::new();
        words.iter().map(|word| judge(&mut known, word)).last().unwrap()
    }

    #[test]
    fn a_box_that_starts_again_is_itself() {
        let first = told(1, &[], HERE, 10);
        for next in [
            // A new session of the same start, also one whose number did not rise.
            told(1, &[], HERE, 11),
            told(1, &[], HERE, 9),
            // The next start, after answers and without any: then it names all that it told.
            told(2, &[1], HERE, 11),
            told(4, &[0, 1, 2, 3], HERE, 11),
            // Its disk is in another machine now.
            told(2, &[1], THERE, 11),
        ] {
            assert_eq!(after(&[first.clone(), next.clone()]), Verdict::Itself, "{next:?}");
        }
        // The hub heard of the start before and its answer was lost.
        let words = [first, told(2, &[1], HERE, 11), told(3, &[1, 2], HERE, 12)];
        assert_eq!(after(&words), Verdict::Itself);
        // What was sent before the start, and again, comes late.
        let late = [words.as_slice(), &[told(1, &[], HERE, 10)]].concat();
        assert_eq!(after(&late), Verdict::Late);
    }

    #[test]
    fn a_copy_is_seen_when_the_second_of_the_two_comes() {
        let before = [told(1, &[], HERE, 10), told(2, &[1], HERE, 11)];
        // The copy comes while the box works: the box is put out of its session and comes again.
        for machine in [HERE, THERE] {
            let words = [
                before.as_slice(),
                &[told(9, &[2], machine, 12), told(2, &[1], HERE, 13)],
            ]
            .concat();
            assert_eq!(after(&words), Verdict::Copied);
        }
        // By turns, on two machines.
        let by_turns = [
            before.as_slice(),
            &[told(9, &[2], THERE, 12), told(3, &[2], HERE, 13)],
        ]
        .concat();
        assert_eq!(after(&by_turns), Verdict::Copied);
        // By turns, where machines say nothing of themselves: at the third turn.
        let silent = [
            told(2, &[], b"", 11),
            told(9, &[2], b"", 12),
            told(3, &[2], b"", 13),
            told(10, &[9], b"", 14),
        ];
        assert_eq!(after(&silent[..3]), Verdict::Restored);
        assert_eq!(after(&silent), Verdict::Copied);
        // An older copy, in another machine.
        let old = [before.as_slice(), &[told(9, &[0], THERE, 99)]].concat();
        assert_eq!(after(&old), Verdict::Copied);
    }

    #[test]
    fn a_disk_that_was_put_back_is_no_copy_however_often() {
        let mut known = Vec::new();
        assert_eq!(judge(&mut known, &told(1, &[], HERE, 10)), Verdict::Itself);
        assert_eq!(judge(&mut known, &told(2, &[1], HERE, 11)), Verdict::Itself);
        // Back to what it was at its first start, or without any state at all, with an older number of sessions.
        for again in 0..40 {
            let follows: &[u8] = if again % 2 == 0 { &[1] } else { &[] };
            let back = told(100 + again, follows, HERE, 5);
            assert_eq!(judge(&mut known, &back), Verdict::Restored, "{again}");
            assert!(known.len() <= REMEMBERED);
        }
        let next = told(200, &[139], HERE, 6);
        assert_eq!(judge(&mut known, &next), Verdict::Itself);
    }

    proptest! {
        /// However starts and answers come to pass, a single box with one disk is never taken for two.
        #[test]
        fn one_box_is_always_itself(acts in proptest::collection::vec(0..4_u8, 1..60)) {
            let (mut known, mut follows, mut start, mut session) = (Vec::new(), Vec::new(), 1, 0);
            for act in acts {
                match act {
                    // A start without a word to the hub: nothing is written down.
                    0 => start += 1,
                    // A session; with or without the hub's answer.
                    act => {
                        session += 1;
                        let word = told(start, &follows, HERE, session);
                        prop_assert_eq!(judge(&mut known, &word), Verdict::Itself);
                        prop_assert_eq!(judge(&mut known, &word), Verdict::Itself);
                        if act == 1 {
                            follows = vec![start];
                        } else if !follows.contains(&start) {
                            follows.push(start);
                        }
                        if act == 3 && follows.len() < 30 {
                            start += 1;
                        }
                    }
                }
            }
        }
    }
}
