//! The display that everybody passes.

use barefoot_domain::{Author, Progress, Subject, Urgency};

use super::{Clinic, assess, squeezed};
use crate::clinic_page::config::SignIn;
use crate::clock::now_ms;
use crate::reading::tests::{message, report, said, signed, state};

#[tokio::test]
async fn the_wall_counts_and_warns_and_names_nobody() {
    let clinic = Clinic::open_with(SignIn::Pin).await;
    clinic.put("1.2.3", |case| {
        case.received_at_ms = now_ms();
        case.patient.accession = "ACCESSION1".into();
        case.patient.other_names = "Wang Xiaodong".into();
        assess(case, |it| it.urgency = Urgency::Critical);
        let mut late = state(1, Progress::ImagesWanted);
        late.deadline_ms = Some(1);
        case.reading.set_state(late);
        let mut wish = message("01", Author::Expert, "marker of a message", 5);
        wish.subject = Subject::WantImages;
        case.reading.add_message(said(wish));
    });
    clinic.put("1.2.4", |case| {
        case.reading
            .add_report(signed(report("01JD5Z0000000000000000000A", None)))
    });
    for path in ["/wall", "/wall/fragment"] {
        let answer = clinic.get(&format!("{path}?lang=en")).await;
        assert_eq!(answer.status, 200);
        let html = squeezed(&answer.body);
        for text in [
            "<b>1</b> <span>critical</span>",
            "<b>1</b> <span>overdue</span>",
            "<b>1</b> <span>new reports</span>",
            "Critical",
            "asks for more images",
            "Overdue",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        for name in [
            "王小东",
            "Wang",
            "P-0042",
            "1980",
            "ACCESSION1",
            "marker of a message",
            "pneumonia",
            "Clear lungs",
            "1.2.3",
        ] {
            assert!(!html.contains(name), "{name} in {html}");
        }
    }
    clinic.close().await;
}
