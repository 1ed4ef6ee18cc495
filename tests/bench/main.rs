//! `barefoot-bench [NAME]`, behind `cargo xtask bench`: each benchmark is one file here, and one line in [`ALL`].

mod process;
mod report;

mod dicom;
mod federation;
mod image_to_page;
mod images;
mod inference;
mod line;
mod queue;
mod reading;
mod study;

mod orthanc;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use report::Report;

type Run = fn() -> Pin<Box<dyn Future<Output = anyhow::Result<Report>>>>;

/// Name, what it measures, and how.
const ALL: [(&str, &str, Run); 9] = [
    (
        dicom::NAME,
        "C-STORE beside Orthanc, dcmtk, dicom-rs and the bare disk: pace, processor time, memory",
        || Box::pin(dicom::run()),
    ),
    (
        image_to_page::NAME,
        "store and image-to-page times beside Orthanc; start-up, memory, sizes",
        || Box::pin(image_to_page::run()),
    ),
    (
        images::NAME,
        "images as they leave the clinic: bytes and time of de-identification and lossless compression",
        || Box::pin(images::run()),
    ),
    (
        inference::NAME,
        "our engines beside onnxruntime on the same graphs: time of a run, load time, memory; float and int8, one and two threads",
        || Box::pin(inference::run()),
    ),
    (
        line::NAME,
        "bytes on a township's line and the time to an expert's first picture, beside C-STORE to Orthanc over the same line",
        || Box::pin(line::run()),
    ),
    (
        federation::NAME,
        "aggregation and a whole round beside Flower: processor time, memory, time",
        || Box::pin(federation::run()),
    ),
    (
        queue::NAME,
        "the box's queue beside the bare disk, SQLite and Mosquitto: appends, drains, disk, opening, loss",
        || Box::pin(queue::run()),
    ),
    (
        reading::NAME,
        "an expert's waits: a list of 100,000 cases, a case's first picture over 2 Mbit/s beside Orthanc, a signature",
        || Box::pin(reading::run()),
    ),
    (
        study::NAME,
        "a clinic's waits: a radiograph and a CT of 300 slices to the result on the page, stage by stage, beside Orthanc",
        || Box::pin(study::run()),
    ),
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next();
    if wanted.as_deref() == Some(federation::CHILD) {
        return federation::child(arguments);
    }
    if wanted.as_deref() == Some(inference::CHILD) {
        return inference::child(arguments);
    }
    if wanted.as_deref() == Some(queue::CHILD) {
        return queue::child(arguments);
    }
    let chosen: Vec<_> = ALL
        .iter()
        .filter(|(name, _, _)| wanted.as_deref().is_none_or(|wanted| wanted == *name))
        .collect();
    if chosen.is_empty() {
        eprintln!("There is no such benchmark. There are:");
        for (name, what, _) in ALL {
            eprintln!("  {name}  {what}");
        }
        return ExitCode::from(2);
    }
    for (name, what, run) in chosen {
        println!("{name}: {what}");
        let outcome = match run().await {
            Ok(report) => report.publish(),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            eprintln!("{name} failed: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
