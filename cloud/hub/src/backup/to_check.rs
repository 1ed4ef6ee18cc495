//! What an older state of a hub cannot know, for the people who restored it.

use super::Error;
use crate::archive::{self, Archive};
use crate::web::iso_time;

pub(super) async fn lines(archive: &Archive, state_at_ms: i64) -> Result<Vec<String>, Error> {
    let mut lines = vec![
        format!("This hub is as it was at {}.", iso_time(state_at_ms)),
        "Results, questions and images that came later are sent again by the boxes as they connect; nothing has to be done."
            .to_owned(),
        "Reports that were signed later are at their clinics and not here: these cases are open again. Ask the readers whether \
         they signed any, before a case is read twice."
            .to_owned(),
        "Releases that were published later are not here: publish them again (barefootctl model release). Boxes take no \
         older ones."
            .to_owned(),
    ];
    revoked(archive, &mut lines).await?;
    boxes(archive, &mut lines).await?;
    people(archive, &mut lines).await?;
    Ok(lines)
}

/// The gravest: a stolen box must not come back by a restore.
async fn revoked(archive: &Archive, lines: &mut Vec<String>) -> Result<(), archive::Error> {
    lines.push(
        "SHUT OUT are only these. Whoever was shut out later is let in again: shut them out now, before the hub is reached \
         by the clinics (barefootctl access revoke):"
            .to_owned(),
    );
    let revocations = archive.revocations().await?;
    if revocations.is_empty() {
        lines.push("  nobody".to_owned());
    }
    for row in revocations {
        lines.push(format!(
            "  {} since {}: {}",
            row.holder,
            iso_time(row.at_ms),
            row.reason
        ));
    }
    Ok(())
}

async fn boxes(archive: &Archive, lines: &mut Vec<String>) -> Result<(), archive::Error> {
    lines.push(
        "These boxes are known. A box that was enrolled later connects until its certificate ends, and then needs a new code; \
         where it took the place of another, the one before is let in and the new one is not: make a new code for it \
         (barefootctl site add). Codes that were open are void:"
            .to_owned(),
    );
    let boxes = archive.enrolled_boxes().await?;
    if boxes.is_empty() {
        lines.push("  none by a code".to_owned());
    }
    for one in boxes {
        let copied = if one.copied_at_ms.is_some() {
            ", shut out as a copy"
        } else {
            ""
        };
        lines.push(format!(
            "  {} since {}{copied}",
            one.clinic,
            iso_time(one.enrolled_at_ms)
        ));
    }
    Ok(())
}

async fn people(archive: &Archive, lines: &mut Vec<String>) -> Result<(), archive::Error> {
    lines.push(
        "These accounts are open, with the passwords and authenticators they had then; all sign-ins have ended. Disable who left \
         since (barefoot-hub person disable):"
            .to_owned(),
    );
    let active = archive.people().await?.into_iter().filter(|person| person.active);
    let mut named = active
        .map(|person| format!("  {} ({})", person.name, person.roles))
        .collect::<Vec<_>>();
    if named.is_empty() {
        named.push("  none".to_owned());
    }
    lines.append(&mut named);
    lines.push(
        "These programs' tokens are good; revoke those that were revoked since (barefoot-hub token revoke):"
            .to_owned(),
    );
    let programs = archive.programs().await?.into_iter();
    let mut named = programs
        .filter(|program| program.revoked_at_ms.is_none())
        .map(|program| format!("  {} ({})", program.name, program.role.word()))
        .collect::<Vec<_>>();
    if named.is_empty() {
        named.push("  none".to_owned());
    }
    lines.append(&mut named);
    Ok(())
}
