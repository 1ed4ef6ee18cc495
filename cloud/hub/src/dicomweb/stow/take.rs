use barefoot_domain::CaseId;
use barefoot_imaging::header::read_header;
use tokio::task::spawn_blocking;

use super::report::{Failed, Reason, Stored};
use crate::clock::now_ms;
use crate::dicomweb::Dicomweb;
use crate::dicomweb::access::{Act, Caller};
use crate::image_store::{ImageStore, Judged, NotKept};

/// Stores one object that was looked at, or says why not.
pub(super) async fn keep(
    hub: &Dicomweb,
    caller: &Caller,
    judged: Judged,
    wanted_study: Option<&str>,
) -> Result<Stored, Failed> {
    let checked = judged.checked.clone();
    let failed = |reason, why: &str| Failed {
        named: Some((checked.sop_class_uid.clone(), checked.sop_instance_uid.clone())),
        reason,
        why: why.to_owned(),
    };
    let database = |error: crate::archive::Error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "An image of another system could not be stored.");
        failed(Reason::ProcessingFailure, "it cannot be stored at the moment")
    };
    let later = || failed(Reason::ProcessingFailure, "it cannot be stored at the moment");
    let brought = ImageStore::brought().ok_or_else(later)?;
    if wanted_study.is_some_and(|wanted| wanted != checked.study_uid) {
        return Err(failed(
            Reason::Mismatch,
            "it is not of the study that the address names",
        ));
    }
    let study = CaseId::new(checked.study_uid.as_str())
        .map_err(|_| failed(Reason::CannotUnderstand, "its study's UID is none"))?;
    if hub
        .archive
        .is_case_of_clinic(study.as_str(), &brought)
        .await
        .map_err(database)?
    {
        return Err(failed(
            Reason::NotAuthorized,
            "the study is a clinic's case, to which only the clinic adds",
        ));
    }
    let here = hub
        .archive
        .locate_instance(&checked.sop_instance_uid)
        .await
        .map_err(database)?;
    if here
        .iter()
        .any(|image| image.clinic != brought || image.object != judged.id())
    {
        return Err(failed(Reason::Duplicate, "its UID is here with other bytes"));
    }
    hub.audited
        .record(caller, Act::Store, &brought, study.as_str())
        .await
        .map_err(|_| later())?;
    let object = judged.id();
    let kept = judged
        .keep()
        .await
        .map_err(|error| failed(reason(&error), &error.to_string()))?;
    let added = hub
        .archive
        .add_brought_image(&brought, &study, (kept.id, &checked.sop_instance_uid), now_ms())
        .await
        .map_err(database)?;
    if !added {
        return Err(failed(Reason::Duplicate, "its UID is here with other bytes"));
    }
    hub.changes.announce();
    let file = hub.store.kept(&brought, object);
    let header = spawn_blocking(move || read_header(&file)).await;
    let series = header.ok().and_then(Result::ok);
    Ok(Stored {
        series: series
            .and_then(|header| header.series_uid().map(str::to_owned))
            .unwrap_or_default(),
        sop_class_uid: checked.sop_class_uid,
        sop_instance_uid: checked.sop_instance_uid,
        study_uid: checked.study_uid,
    })
}

pub(super) fn reason(error: &NotKept) -> Reason {
    match error {
        NotKept::TooLarge | NotKept::QuotaUsed => Reason::OutOfResources,
        NotKept::Refused { .. } => Reason::CannotUnderstand,
        NotKept::Failed { .. } => Reason::ProcessingFailure,
    }
}
