use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::dicomweb::answer::{self, DICOM_JSON};

/// Failure Reason (0008,1197), PS3.18 table I.2-2 and PS3.4 table B.2-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Reason {
    ProcessingFailure = 0x0110,
    /// The UID is here, with other content.
    Duplicate = 0x0111,
    NotAuthorized = 0x0124,
    OutOfResources = 0xA700,
    Mismatch = 0xA900,
    CannotUnderstand = 0xC000,
}

/// One object of a request that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// Class and instance, where it could be read.
    pub(super) named: Option<(String, String)>,
    pub(super) reason: Reason,
    pub(super) why: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) sop_class_uid: String,
    pub(super) sop_instance_uid: String,
    pub(super) study_uid: String,
    pub(super) series: String,
}

/// The Store Instances Response Module (PS3.18 table I.2-1).
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) stored: Vec<Stored>,
    pub(super) failed: Vec<Failed>,
}

impl Report {
    pub(super) fn status(&self) -> StatusCode {
        match (self.stored.is_empty(), self.failed.is_empty()) {
            (false, true) => StatusCode::OK,
            (false, false) => StatusCode::ACCEPTED,
            (true, _) => StatusCode::CONFLICT,
        }
    }

    pub(super) fn module(&self, base: &str) -> Value {
        let mut module = Map::new();
        let text = |vr: &str, value: String| json!({ "vr": vr, "Value": [value] });
        if let Some(first) = self.stored.first()
            && self
                .stored
                .iter()
                .all(|stored| stored.study_uid == first.study_uid)
        {
            module.insert(
                "00081190".to_owned(),
                text("UR", format!("{base}/studies/{}", first.study_uid)),
            );
        }
        let referenced = |stored: &Stored| {
            let (study, series) = (&stored.study_uid, &stored.series);
            let address = format!(
                "{base}/studies/{study}/series/{series}/instances/{}",
                stored.sop_instance_uid
            );
            json!({
                "00081150": text("UI", stored.sop_class_uid.clone()),
                "00081155": text("UI", stored.sop_instance_uid.clone()),
                "00081190": text("UR", address),
            })
        };
        sequence(
            &mut module,
            "00081199",
            self.stored.iter().map(referenced).collect(),
        );
        let failed = |failed: &Failed| {
            let mut item = Map::new();
            if let Some((class, instance)) = &failed.named {
                item.insert("00081150".to_owned(), text("UI", class.clone()));
                item.insert("00081155".to_owned(), text("UI", instance.clone()));
            }
            item.insert(
                "00081197".to_owned(),
                json!({ "vr": "US", "Value": [failed.reason as u16] }),
            );
            // Error Comment: words of ours.
            let short: String = failed.why.chars().take(64).collect();
            item.insert("00000902".to_owned(), text("LO", short));
            Value::Object(item)
        };
        let (named, nameless): (Vec<&Failed>, Vec<&Failed>) =
            self.failed.iter().partition(|failed| failed.named.is_some());
        sequence(&mut module, "00081198", named.into_iter().map(failed).collect());
        sequence(
            &mut module,
            "0008119A",
            nameless.into_iter().map(failed).collect(),
        );
        Value::Object(module)
    }

    pub(super) fn response(&self, base: &str) -> Response {
        answer::json(self.status(), DICOM_JSON, &self.module(base))
    }
}

fn sequence(module: &mut Map<String, Value>, key: &str, items: Vec<Value>) {
    if !items.is_empty() {
        module.insert(key.to_owned(), json!({ "vr": "SQ", "Value": items }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_each_object_and_its_reason() {
        let stored = Stored {
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".into(),
            sop_instance_uid: "2.25.3".into(),
            study_uid: "2.25.1".into(),
            series: "2.25.2".into(),
        };
        let failed = |named: Option<&str>| Failed {
            named: named.map(|uid| ("1.2".to_owned(), uid.to_owned())),
            reason: Reason::Duplicate,
            why: "it is here with other bytes".into(),
        };
        let mut report = Report {
            stored: vec![stored],
            failed: Vec::new(),
        };
        assert_eq!(report.status(), StatusCode::OK);
        report.failed = vec![failed(Some("2.25.4")), failed(None)];
        assert_eq!(report.status(), StatusCode::ACCEPTED);
        let module = report.module("http://hub/dicom-web");
        assert_eq!(
            module.pointer("/00081199/Value/0/00081190/Value/0").unwrap(),
            "http://hub/dicom-web/studies/2.25.1/series/2.25.2/instances/2.25.3"
        );
        assert_eq!(
            module.pointer("/00081198/Value/0/00081155/Value/0").unwrap(),
            "2.25.4"
        );
        assert_eq!(
            module.pointer("/00081198/Value/0/00081197/Value/0").unwrap(),
            0x0111
        );
        assert!(module.pointer("/0008119A/Value/0/00081155").is_none());
        report.stored.clear();
        assert_eq!(report.status(), StatusCode::CONFLICT);
    }
}
