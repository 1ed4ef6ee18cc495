use super::key::{Demand, Key};
use super::record::{Record, Value};
use crate::data_set::{Coding, DataSet, Vr};
use crate::tags::Tag;

/// The requested attributes of what `find` looks up, with no value where there is none.
pub(super) fn requested<'a>(
    keys: &[Key],
    find: &dyn Fn(Tag) -> Option<&'a Value>,
    coding: Coding,
) -> DataSet {
    let mut answer = DataSet::default();
    for key in keys {
        match (find(key.tag), &key.demand) {
            (None, _) if key.conditional => {}
            (None, _) => answer.put_empty(key.tag),
            (Some(Value::Text(text)), _) => put(&mut answer, key.tag, text, coding),
            (Some(Value::Items(items)), Demand::Items(keys)) if !keys.is_empty() => {
                let items = items
                    .iter()
                    .map(|item| requested(keys, &|tag| item.get(tag), coding))
                    .collect();
                answer.put_items(key.tag, items);
            }
            // Asked for as a whole.
            (Some(Value::Items(items)), _) => {
                answer.put_items(key.tag, items.iter().map(|item| whole(item, coding)).collect());
            }
        }
    }
    answer
}

fn whole(record: &Record, coding: Coding) -> DataSet {
    let mut set = DataSet::default();
    for (tag, value) in record.iter() {
        match value {
            Value::Text(text) => put(&mut set, tag, text, coding),
            Value::Items(items) => {
                set.put_items(tag, items.iter().map(|item| whole(item, coding)).collect());
            }
        }
    }
    set
}

fn put(set: &mut DataSet, tag: Tag, text: &str, coding: Coding) {
    if Vr::of(tag) != Vr::US {
        set.put_text(tag, text, coding);
        return;
    }
    match text.parse() {
        Ok(number) => set.put_u16(tag, number),
        Err(_) => set.put_empty(tag),
    }
}
