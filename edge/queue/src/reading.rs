//! Records out of the store: parts gathered, checked and put together.

use std::ops::ControlFlow;

use crate::layout::{self, KeyValue, Place, Whole};
use crate::store::Store;
use crate::survey::Flaw;
use crate::{Lane, StoreError};

/// Gathers the parts of each wanted record of a place in sequence, until `visit` breaks.
pub(crate) fn each_record(
    store: &dyn Store,
    place: Place,
    wanted: &dyn Fn(u64) -> bool,
    visit: &mut dyn FnMut(u64, &[KeyValue]) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let range = layout::place_range(place, 0);
    let mut current: Option<u64> = None;
    let mut parts: Vec<KeyValue> = Vec::new();
    store.scan(&range.start, &range.end, &mut |key, value| {
        // A key too short to hold a sequence is none of ours.
        let Some(sequence) = layout::sequence_of(key) else {
            return ControlFlow::Continue(());
        };
        if current != Some(sequence) {
            let complete = std::mem::take(&mut parts);
            if let Some(previous) = current.replace(sequence)
                && !complete.is_empty()
                && visit(previous, &complete).is_break()
            {
                current = None;
                return ControlFlow::Break(());
            }
            if !wanted(sequence) {
                return ControlFlow::Continue(());
            }
        } else if parts.is_empty() {
            return ControlFlow::Continue(());
        }
        parts.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    if let Some(last) = current
        && !parts.is_empty()
    {
        // Nothing follows that the answer could stop.
        let _ = visit(last, &parts);
    }
    Ok(())
}

/// One record as it stands now; `None` when it is not there.
pub(crate) fn record(
    store: &dyn Store,
    place: Place,
    sequence: u64,
) -> Result<Option<Result<Whole, Flaw>>, StoreError> {
    let range = layout::record_range(place, sequence);
    let mut parts: Vec<KeyValue> = Vec::new();
    store.scan(&range.start, &range.end, &mut |key, value| {
        parts.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    if parts.is_empty() {
        return Ok(None);
    }
    Ok(Some(layout::assemble(place, sequence, &parts)))
}

/// The first whole record of a lane.
pub(crate) fn first_of(store: &dyn Store, lane: Lane) -> Result<Option<Whole>, StoreError> {
    let place = Place::Lane(lane);
    let mut first = None;
    each_record(
        store,
        place,
        &|_| true,
        &mut |sequence, parts| match layout::assemble(place, sequence, parts) {
            Ok(whole) => {
                first = Some(whole);
                ControlFlow::Break(())
            }
            Err(_) => ControlFlow::Continue(()),
        },
    )?;
    Ok(first)
}
