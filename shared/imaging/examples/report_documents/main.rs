//! Writes every document of made reports into a folder:
//! `cargo run -p barefoot-imaging --example report_documents -- target/reports`.

#[path = "made.rs"]
mod made;
#[path = "../patient/made_up.rs"]
mod made_up;

use std::error::Error;
use std::path::Path;

use barefoot_domain::Report;
use barefoot_imaging::report::{
    FontFiles, Fonts, Language, Sheet, Subject, encapsulated_pdf, fhir_bundle, pdf, structured_report,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("say which folder to write to")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let fonts = Fonts::load(&FontFiles::default())?;
    let jpeg = made::chest()?;
    let (patient, case) = (made::patient(), made::case());
    for language in [Language::Zh, Language::En] {
        let kinds: [(&str, Report, &Subject, bool); 7] = [
            ("patient", made::report(language), &patient, true),
            ("case", made::report(language), &case, true),
            ("plain", made::plain(language), &patient, false),
            ("critical", made::critical(language), &patient, true),
            ("addendum", made::addendum(language), &patient, false),
            ("odd", made::odd(language), &patient, false),
            ("long", made::long(language), &patient, true),
        ];
        for (kind, report, subject, has_picture) in &kinds {
            let mut sheet = made::sheet(report, subject, language);
            if *has_picture {
                sheet.key_image = Some(made::key_image(&jpeg));
            }
            let name = format!("{kind}.{}", language.tag());
            write(folder, &name, &sheet, &fonts)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, sheet: &Sheet<'_>, fonts: &Fonts) -> Result<(), Box<dyn Error>> {
    let page = pdf(sheet, fonts)?;
    println!(
        "{name}: {} pages, {} bytes, missing {:?}",
        page.pages,
        page.bytes.len(),
        page.missing
    );
    let structured = structured_report(sheet)?;
    let encapsulated = encapsulated_pdf(sheet, &page.bytes)?;
    let bundle = fhir_bundle(sheet, Some(&page.bytes))?;
    std::fs::write(folder.join(format!("{name}.pdf")), &page.bytes)?;
    std::fs::write(folder.join(format!("{name}.sr.dcm")), structured.file)?;
    std::fs::write(folder.join(format!("{name}.pdf.dcm")), encapsulated.file)?;
    std::fs::write(folder.join(format!("{name}.fhir.json")), bundle)?;
    Ok(())
}
