//! Writes every object of made assessments into a folder:
//! `cargo run -p barefoot-imaging --example result_objects -- target/results`.

#[path = "made.rs"]
mod made;
#[path = "../patient/made_up.rs"]
mod made_up;

use std::error::Error;
use std::path::Path;

use barefoot_imaging::evidence::{
    fhir_bundle, presentation_state, secondary_capture, segmentation, structured_report,
};
use barefoot_imaging::report::{FontFiles, Fonts};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("say which folder to write to")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let fonts = Fonts::load(&FontFiles::default())?;
    for case in made::cases(folder)? {
        let evidence = case.evidence();
        let objects = [
            ("sr", Some(structured_report(&evidence)?)),
            ("sc", secondary_capture(&evidence, &fonts)?),
            ("pr", presentation_state(&evidence)?),
            ("seg", segmentation(&evidence, &case.segments())?),
        ];
        for (kind, object) in objects {
            if let Some(object) = object {
                std::fs::write(folder.join(format!("{}.{kind}.dcm", case.name)), object.file)?;
            }
        }
        std::fs::write(
            folder.join(format!("{}.fhir.json", case.name)),
            fhir_bundle(&evidence)?,
        )?;
    }
    Ok(())
}
