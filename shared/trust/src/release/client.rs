//! The client's workflow, section 5 of the specification, without delegations.

use time::OffsetDateTime;

use super::metadata::{Listing, MetaFile, Parsed, RoleName, Root, Signed, TargetList, parse};
use super::targets::Targets;
use super::{ReadMetadata, ReleaseError, TrustedState};

/// New roots taken in one go; the next look goes on from there.
const ROTATIONS_LIMIT: u64 = 256;

/// Brings `state` to what `source` offers, as far as it is signed, newer and whole, and returns the releases it lists.
///
/// What is found right is kept even when a later step fails: knowing of a newer version is what refuses an older one.
///
/// # Errors
/// The first thing that is wrong with the source; the state stays usable.
pub fn verify_repository(
    state: &mut TrustedState,
    source: &(impl ReadMetadata + ?Sized),
    now: OffsetDateTime,
) -> Result<Targets, ReleaseError> {
    let now = state.effective(now)?;
    update_root(state, source, now)?;
    let snapshot_file = update_timestamp(state, source, now)?;
    let targets_file = update_snapshot(state, source, &snapshot_file, now)?;
    let targets = update_targets(state, source, &targets_file, now)?;
    state.learn_time(now)?;
    Ok(targets)
}

/// 5.3
fn update_root(
    state: &mut TrustedState,
    source: &(impl ReadMetadata + ?Sized),
    now: OffsetDateTime,
) -> Result<(), ReleaseError> {
    for _ in 0..ROTATIONS_LIMIT {
        let trusted = state.root.version();
        let Some(wanted) = trusted.checked_add(1) else {
            break;
        };
        let Some(bytes) = read(source, RoleName::Root, wanted)? else {
            break;
        };
        let root: Parsed<Root> = parse(RoleName::Root, bytes)?;
        root.verify(&state.root.content)?;
        root.verify(&root.content)?;
        let found = root.version();
        if found <= trusted {
            return Err(ReleaseError::Rollback {
                role: RoleName::Root,
                trusted,
                offered: found,
            });
        }
        if found != wanted {
            return Err(ReleaseError::WrongVersion {
                role: RoleName::Root,
                wanted,
                found,
            });
        }
        state.accept_root(root)?;
    }
    state.root.check_expiry(now)?;
    if !state.root.content.consistent_snapshot {
        return Err(ReleaseError::Malformed {
            role: RoleName::Root,
            what: "no consistent snapshots",
        });
    }
    Ok(())
}

/// 5.4; what the timestamp says of the snapshot.
fn update_timestamp(
    state: &mut TrustedState,
    source: &(impl ReadMetadata + ?Sized),
    now: OffsetDateTime,
) -> Result<MetaFile, ReleaseError> {
    let role = RoleName::Timestamp;
    let bytes = read(source, role, 0)?.ok_or_else(|| missing(role, 0))?;
    let offered: Parsed<Listing> = parse(role, bytes)?;
    offered.verify(&state.root.content)?;
    let snapshot_of = |listing: &Parsed<Listing>| named(listing, RoleName::Snapshot);
    if let Some(trusted) = &state.timestamp {
        check_not_older(role, trusted.version(), offered.version())?;
        check_not_older(
            RoleName::Snapshot,
            snapshot_of(trusted)?.version,
            snapshot_of(&offered)?.version,
        )?;
        if trusted.version() == offered.version() {
            trusted.check_expiry(now)?;
            return snapshot_of(trusted);
        }
    }
    offered.check_expiry(now)?;
    let snapshot = snapshot_of(&offered)?;
    state.keep(&offered)?;
    state.timestamp = Some(offered);
    Ok(snapshot)
}

/// 5.5; what the snapshot says of the targets.
fn update_snapshot(
    state: &mut TrustedState,
    source: &(impl ReadMetadata + ?Sized),
    file: &MetaFile,
    now: OffsetDateTime,
) -> Result<MetaFile, ReleaseError> {
    let role = RoleName::Snapshot;
    if let Some(trusted) = &state.snapshot
        && trusted.check_named(file).is_ok()
    {
        trusted.check_expiry(now)?;
        return named(trusted, RoleName::Targets);
    }
    let offered: Parsed<Listing> = fetch(state, source, role, file)?;
    if let Some(trusted) = &state.snapshot {
        for (name, known) in &trusted.content.meta {
            let role = if name == "targets.json" {
                RoleName::Targets
            } else {
                role
            };
            let offered = offered.content.meta.get(name).map_or(0, |file| file.version);
            check_not_older(role, known.version, offered)?;
        }
    }
    offered.check_expiry(now)?;
    let targets = named(&offered, RoleName::Targets)?;
    state.keep(&offered)?;
    state.snapshot = Some(offered);
    Ok(targets)
}

/// 5.6
fn update_targets(
    state: &mut TrustedState,
    source: &(impl ReadMetadata + ?Sized),
    file: &MetaFile,
    now: OffsetDateTime,
) -> Result<Targets, ReleaseError> {
    if let Some(trusted) = &state.targets
        && trusted.check_named(file).is_ok()
    {
        trusted.check_expiry(now)?;
        return Targets::of(&trusted.content);
    }
    let offered: Parsed<TargetList> = fetch(state, source, RoleName::Targets, file)?;
    offered.check_expiry(now)?;
    let targets = Targets::of(&offered.content)?;
    state.keep(&offered)?;
    state.targets = Some(offered);
    Ok(targets)
}

/// A file that other metadata names: exactly that one, signed by its role's keys.
fn fetch<T: Signed>(
    state: &TrustedState,
    source: &(impl ReadMetadata + ?Sized),
    role: RoleName,
    file: &MetaFile,
) -> Result<Parsed<T>, ReleaseError> {
    let bytes = read(source, role, file.version)?.ok_or_else(|| missing(role, file.version))?;
    let offered: Parsed<T> = parse(role, bytes)?;
    // Who signed it comes first: an unsigned file is worse than a mixed-up one.
    offered.verify(&state.root.content)?;
    offered.check_named(file)?;
    Ok(offered)
}

fn read(
    source: &(impl ReadMetadata + ?Sized),
    role: RoleName,
    version: u64,
) -> Result<Option<Vec<u8>>, ReleaseError> {
    let (path, limit) = (role.path(version), role.limit());
    match source.read(&path, limit) {
        Err(source) => Err(ReleaseError::Read { file: path, source }),
        Ok(Some(bytes)) if limit < bytes.len() => Err(ReleaseError::TooLarge {
            file: path,
            limit: limit as u64,
        }),
        Ok(bytes) => Ok(bytes),
    }
}

fn missing(role: RoleName, version: u64) -> ReleaseError {
    ReleaseError::Missing {
        file: role.path(version),
    }
}

fn named(listing: &Parsed<Listing>, role: RoleName) -> Result<MetaFile, ReleaseError> {
    let file = listing.content.meta.get(&format!("{role}.json"));
    file.cloned().ok_or(ReleaseError::Malformed {
        role: listing.role,
        what: "it does not name what it is for",
    })
}

fn check_not_older(role: RoleName, trusted: u64, offered: u64) -> Result<(), ReleaseError> {
    if offered < trusted {
        return Err(ReleaseError::Rollback {
            role,
            trusted,
            offered,
        });
    }
    Ok(())
}
