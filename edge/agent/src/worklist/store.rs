//! Orders on disk and in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_imaging::data_set::DataSet;
use barefoot_imaging::query::WorklistFind;

use super::answer::record;
use crate::durable;
use crate::orders::{Order, OrderState, Wish};

/// Orders at one time; a clinic makes some hundred a day.
const MOST: usize = 20_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Why an order is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there are {MOST} orders already: take back old ones, or keep them for fewer days")]
    TooMany,
    #[error("the order cannot be written down")]
    Write { source: io::Error },
}

/// Cheap to clone; all clones see the same orders.
#[derive(Debug, Clone)]
pub(crate) struct Worklist {
    directory: Arc<PathBuf>,
    orders: Arc<Mutex<BTreeMap<String, Order>>>,
}

impl Worklist {
    /// Reads the orders; a damaged one is passed over and counted in the log.
    ///
    /// # Errors
    /// When the directory cannot be made or listed.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&directory)?;
        if let Some(parent) = directory.parent() {
            crate::study_folder::sync_directory(parent)?;
        }
        let mut orders = BTreeMap::new();
        let mut damaged = 0_usize;
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "order") {
                continue;
            }
            let order = durable::read(&path)?.and_then(|bytes| serde_json::from_slice::<Order>(&bytes).ok());
            match order {
                Some(order) if file_of(&directory, &order.id) == path => {
                    orders.insert(order.id.clone(), order);
                }
                _ => damaged += 1,
            }
        }
        if 0 < damaged {
            tracing::error!(
                damaged,
                "Orders of the worklist are damaged and left out: order anew what is missing."
            );
        }
        Ok(Self {
            directory: Arc::new(directory),
            orders: Arc::new(Mutex::new(orders)),
        })
    }

    /// Adds an order; after `Ok` it survives a power cut.
    ///
    /// # Errors
    /// When there are too many, or the disk fails.
    pub(crate) fn add(&self, order: Order) -> Result<(), Error> {
        let mut orders = self.lock();
        if MOST <= orders.len() {
            return Err(Error::TooMany);
        }
        self.write(&order)?;
        orders.insert(order.id.clone(), order);
        Ok(())
    }

    /// What an ordering system wishes: a new order, or a change of the one that has its number. The same again changes
    /// nothing; what was taken back or carried out stays so.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn wish(&self, wish: Wish, now_ms: i64) -> Result<(), Error> {
        let mut orders = self.lock();
        let known = orders.values_mut().find(|order| same_order(&order.wish, &wish));
        let Some(order) = known else {
            drop(orders);
            return self.add(Order::new(wish, now_ms));
        };
        let mut changed = order.clone();
        changed.change(wish, now_ms);
        if changed != *order && order.state.is_listed() {
            self.write(&changed)?;
            *order = changed;
        }
        Ok(())
    }

    /// Takes back the order with this number; `false` where there is none.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn take_back(&self, wish: &Wish, now_ms: i64) -> Result<bool, Error> {
        self.set_state(OrderState::Cancelled, now_ms, |order| {
            same_order(&order.wish, wish)
        })
    }

    /// Takes back the order with this id of ours; `false` where there is none.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn take_back_id(&self, id: &str, now_ms: i64) -> Result<bool, Error> {
        self.set_state(OrderState::Cancelled, now_ms, |order| order.id == id)
    }

    /// A scanner says how far it is with the study; `false` where no order is meant.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn performed(&self, study_uid: &str, state: OrderState, now_ms: i64) -> Result<bool, Error> {
        self.set_state(state, now_ms, |order| order.study_uid == study_uid)
    }

    fn set_state(
        &self,
        state: OrderState,
        now_ms: i64,
        meant: impl Fn(&Order) -> bool,
    ) -> Result<bool, Error> {
        let mut orders = self.lock();
        let mut found = false;
        for order in orders.values_mut().filter(|order| meant(order)) {
            found = true;
            if order.state != state && order.state.is_listed() {
                let mut changed = order.clone();
                changed.state = state;
                changed.changed_at_ms = now_ms;
                self.write(&changed)?;
                *order = changed;
            }
        }
        Ok(found)
    }

    /// The orders that scanners may ask for, by day and time.
    pub(crate) fn listed(&self) -> Vec<Order> {
        let orders = self.lock();
        let mut listed: Vec<Order> = orders
            .values()
            .filter(|order| order.state.is_listed())
            .cloned()
            .collect();
        drop(orders);
        listed.sort_by(|one, other| {
            let when = |order: &Order| (order.wish.date.clone(), order.wish.time.clone(), order.id.clone());
            when(one).cmp(&when(other))
        });
        listed
    }

    /// The answers to a question of the scanner `asked_by`.
    pub(crate) fn find(&self, find: &WorklistFind, asked_by: &str) -> Vec<DataSet> {
        let records = self.listed().into_iter().map(|order| record(&order, asked_by));
        records
            .filter(|record| find.matches(record))
            .map(|record| find.answer(&record))
            .collect()
    }

    /// Forgets orders whose day, and last change, lie `keep_days` back.
    ///
    /// # Errors
    /// When the disk fails; some may be gone then.
    pub(crate) fn forget_old(&self, keep_days: u16, now_ms: i64) -> io::Result<usize> {
        let mut orders = self.lock();
        let limit = now_ms - i64::from(keep_days) * DAY_MS;
        let old: Vec<String> = orders
            .values()
            .filter(|order| {
                order.changed_at_ms < limit && day_ends_ms(&order.wish.date).is_none_or(|end| end < limit)
            })
            .map(|order| order.id.clone())
            .collect();
        for id in &old {
            match std::fs::remove_file(file_of(&self.directory, id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {
                    orders.remove(id);
                }
            }
        }
        Ok(old.len())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, order: &Order) -> Result<(), Error> {
        let written = serde_json::to_vec(order)
            .map_err(io::Error::other)
            .and_then(|bytes| durable::replace(&file_of(&self.directory, &order.id), &bytes));
        written.map_err(|source| Error::Write { source })
    }
}

/// Ids are ULIDs of ours, so they may be names of files.
fn file_of(directory: &Path, id: &str) -> PathBuf {
    let name: String = id.chars().filter(char::is_ascii_alphanumeric).take(26).collect();
    directory.join(format!("{name}.order"))
}

/// One number is one order; the filler's counts where the placer gives none.
fn same_order(one: &Wish, other: &Wish) -> bool {
    if one.placer.is_empty() && other.placer.is_empty() {
        return !one.filler.is_empty() && one.filler == other.filler;
    }
    one.placer == other.placer
}

/// The end of a day, anywhere on earth.
fn day_ends_ms(date: &str) -> Option<i64> {
    let number = |range| date.get(range).and_then(|text: &str| text.parse::<u16>().ok());
    let month = u8::try_from(number(4..6)?).ok()?;
    let day = u8::try_from(number(6..8)?).ok()?;
    let month = time::Month::try_from(month).ok()?;
    let date = time::Date::from_calendar_date(i32::from(number(0..4)?), month, day).ok()?;
    let start = date.midnight().assume_utc().unix_timestamp().checked_mul(1000)?;
    Some(start + 2 * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::filled_in;
    use barefoot_imaging::data_set::Coding;
    use barefoot_imaging::tags::{self, Tag};

    /// 2026-01-02, noon, UTC.
    const NOON: i64 = 1_767_355_200_000;

    fn open(directory: &Path) -> Worklist {
        Worklist::open(directory.join("worklist")).unwrap()
    }

    fn wish(placer: &str, description: &str) -> Wish {
        let mut wish = filled_in().order(NOON).unwrap().wish;
        wish.placer = placer.to_owned();
        wish.description = description.to_owned();
        for given in [&mut wish.accession, &mut wish.procedure_id, &mut wish.step_id] {
            given.clear();
        }
        wish
    }

    fn ask(step: &[(Tag, &str)], top: &[(Tag, &str)]) -> WorklistFind {
        let mut item = DataSet::default();
        for (tag, value) in step {
            item.put_code(*tag, value);
        }
        let mut set = DataSet::default();
        for (tag, value) in top {
            set.put_text(*tag, value, Coding::Gb18030);
        }
        set.put_items(tags::SCHEDULED_STEPS, vec![item]);
        set.declare(Coding::Gb18030);
        WorklistFind::read(&set).unwrap()
    }

    #[test]
    fn orders_survive_a_restart_and_are_found() {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path())
            .add(filled_in().order(NOON).unwrap())
            .unwrap();
        let worklist = open(directory.path());
        let today = [
            (tags::MODALITY, "DX"),
            (tags::STEP_START_DATE, "20260102"),
            (tags::STATION_AE, ""),
        ];
        let answers = worklist.find(&ask(&today, &[(tags::PATIENT_NAME, "张*")]), "DR1");
        let [answer] = answers.as_slice() else {
            panic!("{} answers", answers.len());
        };
        assert_eq!(answer.view().string(tags::CHARACTER_SET).unwrap(), "GB18030");
        let step = answer.view().items(tags::SCHEDULED_STEPS).next().unwrap();
        assert_eq!(step.string(tags::STATION_AE).unwrap(), "DR1");
        assert!(
            worklist
                .find(&ask(&[(tags::MODALITY, "CT")], &[]), "DR1")
                .is_empty()
        );
    }

    #[test]
    fn an_order_for_one_scanner_is_not_for_another() {
        let directory = tempfile::tempdir().unwrap();
        let worklist = open(directory.path());
        let mut form = filled_in();
        form.station_ae = "DR2".to_owned();
        worklist.add(form.order(NOON).unwrap()).unwrap();
        assert!(
            worklist
                .find(&ask(&[(tags::STATION_AE, "DR1")], &[]), "DR1")
                .is_empty()
        );
        assert_eq!(
            worklist
                .find(&ask(&[(tags::STATION_AE, "DR2")], &[]), "DR2")
                .len(),
            1
        );
    }

    #[test]
    fn the_same_number_is_the_same_order() {
        let directory = tempfile::tempdir().unwrap();
        let worklist = open(directory.path());
        worklist.wish(wish("A1", "one"), NOON).unwrap();
        let first = worklist.listed();
        worklist.wish(wish("A1", "one"), NOON + 5).unwrap();
        assert!(worklist.listed() == first, "the same again changes nothing");
        worklist.wish(wish("A1", "two"), NOON + 9).unwrap();
        worklist.wish(wish("A2", "one"), NOON).unwrap();
        let listed = worklist.listed();
        assert_eq!(listed.len(), 2);
        let changed = listed.iter().find(|order| order.wish.placer == "A1").unwrap();
        assert_eq!(changed.wish.description, "two");
        assert_eq!(
            (&changed.study_uid, &changed.wish.accession),
            (&first[0].study_uid, &first[0].wish.accession)
        );
        assert!(worklist.take_back(&wish("A1", ""), NOON).unwrap());
        assert!(!worklist.take_back(&wish("A9", ""), NOON).unwrap());
        worklist.wish(wish("A1", "three"), NOON).unwrap();
        assert_eq!(
            open(directory.path()).listed().len(),
            1,
            "what was taken back stays so"
        );
    }

    #[test]
    fn what_was_carried_out_leaves_the_list() {
        let directory = tempfile::tempdir().unwrap();
        let worklist = open(directory.path());
        worklist.add(filled_in().order(NOON).unwrap()).unwrap();
        let study = worklist.listed()[0].study_uid.clone();
        assert!(worklist.performed(&study, OrderState::Started, NOON).unwrap());
        assert_eq!(worklist.listed().len(), 1);
        assert!(worklist.performed(&study, OrderState::Done, NOON).unwrap());
        assert!(worklist.listed().is_empty());
        assert!(!worklist.performed("1.2", OrderState::Done, NOON).unwrap());
    }

    #[test]
    fn old_orders_are_forgotten_and_coming_ones_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let worklist = open(directory.path());
        worklist.add(filled_in().order(NOON).unwrap()).unwrap();
        assert_eq!(worklist.forget_old(7, NOON + 7 * DAY_MS).unwrap(), 0);
        assert_eq!(worklist.forget_old(7, NOON + 10 * DAY_MS).unwrap(), 1);
        assert!(open(directory.path()).listed().is_empty());
        let mut form = filled_in();
        form.date = "20270101".to_owned();
        worklist.add(form.order(NOON).unwrap()).unwrap();
        assert_eq!(worklist.forget_old(7, NOON + 100 * DAY_MS).unwrap(), 0);
    }

    #[test]
    fn a_damaged_order_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let worklist = open(directory.path());
        worklist.add(filled_in().order(NOON).unwrap()).unwrap();
        let file = std::fs::read_dir(directory.path().join("worklist"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        std::fs::write(&file, b"damaged").unwrap();
        assert!(open(directory.path()).listed().is_empty());
    }
}
