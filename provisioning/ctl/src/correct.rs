//! An expert's word on a finding.

use barefoot_domain::{CaseId, ClinicId, FindingCode};
use barefoot_wire::v1::RecordCorrectionRequest;

use crate::hub;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The clinic's id.
    #[arg(long)]
    clinic: String,
    /// The case's id, as the hub's page shows it.
    #[arg(long)]
    case: String,
    /// The result's version.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    version: u32,
    /// The finding's code, for instance pneumonia.
    #[arg(long)]
    finding: String,
    #[command(flatten)]
    word: Word,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Word {
    /// The finding is there.
    #[arg(long)]
    present: bool,
    /// The finding is not there.
    #[arg(long)]
    absent: bool,
}

pub(crate) async fn run(arguments: &Arguments, options: &hub::Options) -> anyhow::Result<String> {
    let clinic = ClinicId::new(arguments.clinic.as_str())?;
    let case = CaseId::new(arguments.case.as_str())?;
    let finding = FindingCode::new(arguments.finding.as_str())?;
    let hub = options.hub()?;
    let request = RecordCorrectionRequest {
        clinic: clinic.as_str().to_owned(),
        case_id: case.as_str().to_owned(),
        version: arguments.version,
        finding: finding.as_str().to_owned(),
        present: arguments.word.present,
    };
    let reply = hub
        .corrections()
        .record_correction(request)
        .await
        .map_err(|status| hub.told(&status))?;
    Ok(format!(
        "Recorded as {}: {finding} is {} in this case. It is on its way to {clinic}.",
        reply.into_inner().correction_id,
        if arguments.word.present {
            "present"
        } else {
            "absent"
        }
    ))
}
