use super::{Error, Source};
use crate::worklist::rules::{Rules, Worklist};

/// The list's rules, and who is told of alarms.
pub(super) fn checked(
    table: &Worklist,
    with_people: bool,
    source: &Source<'_>,
) -> Result<(Rules, Option<String>), Error> {
    if !with_people {
        return Err(source.error(
            "worklist",
            "first_tier",
            "needs the table [people]: who reads cases signs in",
        ));
    }
    let rules = table
        .rules()
        .map_err(|(key, problem)| source.error("worklist", key, problem))?;
    let is_url = |address: &str| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| address.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
    };
    if table.webhook.as_deref().is_some_and(|address| !is_url(address)) {
        return Err(source.error(
            "worklist",
            "webhook",
            "must be an address that begins with https:// or http://",
        ));
    }
    Ok((rules, table.webhook.clone()))
}
