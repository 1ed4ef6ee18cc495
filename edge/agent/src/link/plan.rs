//! What is sent next: pure. Critical records before all others and never behind more of them than the line swallows in a
//! moment; the others together where that saves bytes.

/// What a record is to whoever waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    Critical,
    Routine,
    Telemetry,
}

/// A record that could be sent now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) class: Class,
    pub(super) bytes: usize,
}

/// What is on its way without an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct UnderWay {
    pub(super) messages: usize,
    /// Those that are not critical.
    pub(super) others: usize,
    /// Their bytes on the line.
    pub(super) other_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Messages under way at once.
    pub(super) messages: usize,
    /// Bytes under way from which on nothing that is not critical is added.
    pub(super) other_bytes: usize,
    /// Records in one message.
    pub(super) batch: usize,
    /// Their bytes before they are compressed; one larger record goes alone.
    pub(super) batch_bytes: usize,
}

impl Limits {
    /// Places that only critical messages may take.
    fn reserved(&self) -> usize {
        (self.messages / 4).max(1)
    }
}

/// The records of the next message, by their places in `waiting`, all of one class; `None` when nothing may go now.
///
/// `waiting` is in the order of sending. A message that is not full waits for the one before it: meanwhile more records
/// come together, and nobody waits longer than the line takes for an answer. Critical records wait for nobody.
pub(super) fn next(waiting: &[Waiting], under_way: &UnderWay, limits: &Limits) -> Option<Vec<usize>> {
    if limits.messages <= under_way.messages {
        return None;
    }
    let of = |class| waiting.iter().any(|record| record.class == class);
    if of(Class::Critical) {
        return Some(group(waiting, Class::Critical, limits).0);
    }
    let free = limits.messages.saturating_sub(limits.reserved()).max(1);
    let has_room = under_way.others < free && under_way.other_bytes < limits.other_bytes;
    if !has_room {
        return None;
    }
    let class = if of(Class::Routine) {
        Class::Routine
    } else if of(Class::Telemetry) {
        Class::Telemetry
    } else {
        return None;
    };
    let (records, is_full) = group(waiting, class, limits);
    (is_full || under_way.others == 0).then_some(records)
}

/// The first records of a class that fit into one message, and whether more would not.
fn group(waiting: &[Waiting], class: Class, limits: &Limits) -> (Vec<usize>, bool) {
    let (mut records, mut bytes) = (Vec::new(), 0);
    for (place, record) in waiting.iter().enumerate() {
        if record.class != class {
            continue;
        }
        let fits = records.len() < limits.batch && bytes + record.bytes <= limits.batch_bytes;
        if !(fits || records.is_empty()) {
            return (records, true);
        }
        records.push(place);
        bytes += record.bytes;
    }
    let is_full = limits.batch <= records.len();
    (records, is_full)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        messages: 8,
        other_bytes: 1_000,
        batch: 4,
        batch_bytes: 1_000,
    };

    fn waiting(classes: &[Class]) -> Vec<Waiting> {
        classes
            .iter()
            .map(|class| Waiting {
                class: *class,
                bytes: 100,
            })
            .collect()
    }

    #[test]
    fn a_critical_record_goes_although_routine_ones_fill_the_line() {
        use Class::{Critical, Routine};
        let full = UnderWay {
            messages: 6,
            others: 6,
            other_bytes: 5_000,
        };
        let records = waiting(&[Critical, Routine]);
        assert_eq!(next(&records, &full, &LIMITS), Some(vec![0]));
        assert_eq!(next(&records[1..], &full, &LIMITS), None);
    }

    #[test]
    fn what_is_not_full_waits_for_the_message_before_it() {
        use Class::{Routine, Telemetry};
        let none = UnderWay::default();
        let one = UnderWay {
            messages: 1,
            others: 1,
            other_bytes: 100,
        };
        let records = waiting(&[Routine, Telemetry, Routine]);
        assert_eq!(
            next(&records, &none, &LIMITS),
            Some(vec![0, 2]),
            "one class a message"
        );
        assert_eq!(next(&records, &one, &LIMITS), None);
        let many = waiting(&[Routine; 9]);
        assert_eq!(next(&many, &one, &LIMITS), Some(vec![0, 1, 2, 3]));
        assert_eq!(next(&waiting(&[Telemetry]), &none, &LIMITS), Some(vec![0]));
        assert_eq!(next(&[], &none, &LIMITS), None);
    }

    #[test]
    fn a_hub_without_batches_gets_one_record_a_message() {
        let single = Limits { batch: 1, ..LIMITS };
        let one = UnderWay {
            messages: 1,
            others: 1,
            other_bytes: 100,
        };
        assert_eq!(next(&waiting(&[Class::Routine; 3]), &one, &single), Some(vec![0]));
    }

    fn class() -> impl Strategy<Value = Class> {
        prop_oneof![
            Just(Class::Critical),
            Just(Class::Routine),
            Just(Class::Telemetry)
        ]
    }

    proptest! {
        /// Everything is sent in the end, once, in order within its class, whatever is answered when.
        #[test]
        fn everything_goes_once_and_within_the_limits(
            records in proptest::collection::vec((class(), 1usize..1_500), 0..60),
            messages in 1usize..12,
            batch in 1usize..20,
            answer_first in proptest::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let limits = Limits { messages, batch, ..LIMITS };
            let mut left: Vec<(usize, Waiting)> = records
                .iter()
                .map(|(class, bytes)| Waiting { class: *class, bytes: *bytes })
                .enumerate()
                .collect();
            let (mut sent, mut open): (Vec<usize>, Vec<(Class, usize)>) = (Vec::new(), Vec::new());
            for step in answer_first {
                let under_way = UnderWay {
                    messages: open.len(),
                    others: open.iter().filter(|(class, _)| *class != Class::Critical).count(),
                    other_bytes: open.iter().filter(|(class, _)| *class != Class::Critical).map(|(_, bytes)| bytes).sum(),
                };
                let candidates: Vec<Waiting> = left.iter().map(|(_, waiting)| *waiting).collect();
                let urgent = candidates.iter().any(|waiting| waiting.class == Class::Critical);
                match next(&candidates, &under_way, &limits) {
                    Some(places) => {
                        prop_assert!(open.len() < limits.messages && !places.is_empty() && places.len() <= batch);
                        let class = candidates[places[0]].class;
                        prop_assert!(places.iter().all(|place| candidates[*place].class == class));
                        prop_assert!(!urgent || class == Class::Critical, "critical first");
                        let bytes: usize = places.iter().map(|place| candidates[*place].bytes).sum();
                        prop_assert!(bytes <= limits.batch_bytes || places.len() == 1);
                        prop_assert!(class == Class::Critical || under_way.other_bytes < limits.other_bytes);
                        open.push((class, bytes));
                        sent.extend(places.iter().map(|place| left[*place].0));
                        for place in places.iter().rev() {
                            left.remove(*place);
                        }
                    }
                    None if open.is_empty() => break,
                    None => {
                        let first = step.index(open.len());
                        open.remove(first);
                    }
                }
            }
            prop_assert!(left.is_empty(), "{:?} left", left);
            for class in [Class::Critical, Class::Routine, Class::Telemetry] {
                let of: Vec<_> = sent.iter().filter(|place| records[**place].0 == class).collect();
                prop_assert!(of.is_sorted());
            }
        }

        /// Room is kept: at any moment with a place for a message, a critical one may go.
        #[test]
        fn routine_records_never_take_the_last_place(messages in 2usize..40, others in 0usize..40) {
            let limits = Limits { messages, batch: 1, other_bytes: usize::MAX, ..LIMITS };
            let under_way = UnderWay { messages: others, others, other_bytes: 0 };
            let goes = next(&waiting(&[Class::Routine]), &under_way, &limits).is_some();
            prop_assert!(!goes || others + 1 < messages);
        }
    }
}
