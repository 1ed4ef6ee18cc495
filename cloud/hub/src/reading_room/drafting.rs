//! From the form to a report's content, and back. Pure.

use std::collections::BTreeMap;

use barefoot_domain::{Call, Correction, FindingCode, Presence, Region, Report, Shape, Side, Statement};
use barefoot_wire::{MAX_REPORT_CHARS, StudyResult};
use serde::Deserialize;
use ulid::Ulid;

use crate::archive::StatementRow;

/// Why a form is no report. The words are for its reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mistake {
    #[error("{field} has more than {MAX_REPORT_CHARS} characters")]
    TooLong { field: &'static str },
    #[error("{field} holds characters that are no text")]
    NoText { field: &'static str },
    #[error("the impression is empty")]
    NoImpression,
    #[error("a mark in the picture cannot be read: reload the page")]
    Marks,
    #[error("a finding is of another page than this: reload the page")]
    Finding,
}

/// What a reader has put into the form.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Written {
    pub(crate) description: String,
    pub(crate) impression: String,
    pub(crate) advice: String,
    pub(crate) statements: Vec<Statement>,
    /// Marks of findings that have no statement yet.
    pub(crate) marks: Vec<(String, Region)>,
}

/// A mark as the viewer writes it.
#[derive(Debug, Deserialize)]
struct Mark {
    instance: String,
    frame: u32,
    shape: String,
    points: Vec<(f32, f32)>,
    finding: String,
}

const MOST_MARKS: usize = 64;
const MOST_POINTS: usize = 256;

/// Reads the form's fields. What was left empty is not said.
pub(crate) fn read(fields: &[(String, String)]) -> Result<Written, Mistake> {
    let text = |name: &'static str| -> Result<String, Mistake> {
        let raw = fields
            .iter()
            .find(|(field, _)| field == name)
            .map_or("", |(_, value)| value.as_str());
        // Browsers send lines as CR LF.
        let value = raw.replace("\r\n", "\n").trim_end().to_owned();
        if MAX_REPORT_CHARS < value.chars().count() {
            return Err(Mistake::TooLong { field: name });
        }
        if value.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(Mistake::NoText { field: name });
        }
        Ok(value.replace('\t', " "))
    };
    let mut regions = marks(fields)?;
    let mut statements = Vec::new();
    for (name, value) in fields {
        let Some(code) = name.strip_prefix("finding-") else {
            continue;
        };
        let presence = match value.as_str() {
            "present" => Presence::Present,
            "absent" => Presence::Absent,
            "possible" => Presence::Possible,
            "" => continue,
            _ => return Err(Mistake::Finding),
        };
        let side = fields
            .iter()
            .find(|(field, _)| field.strip_prefix("side-") == Some(code))
            .map(|(_, value)| value.as_str());
        statements.push(Statement {
            finding: FindingCode::new(code).map_err(|_| Mistake::Finding)?,
            presence,
            side: match side {
                Some("left") => Some(Side::Left),
                Some("right") => Some(Side::Right),
                Some("both") => Some(Side::Both),
                None | Some("") => None,
                Some(_) => return Err(Mistake::Finding),
            },
            note: String::new(),
            regions: regions.remove(code).unwrap_or_default(),
        });
    }
    Ok(Written {
        description: text("description")?,
        impression: text("impression")?,
        advice: text("advice")?,
        statements,
        marks: regions
            .into_iter()
            .flat_map(|(finding, regions)| regions.into_iter().map(move |region| (finding.clone(), region)))
            .collect(),
    })
}

fn marks(fields: &[(String, String)]) -> Result<BTreeMap<String, Vec<Region>>, Mistake> {
    let text = fields
        .iter()
        .find(|(name, _)| name == "marks")
        .map_or("", |(_, value)| value.as_str());
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    let marks: Vec<Mark> = serde_json::from_str(text).map_err(|_| Mistake::Marks)?;
    if MOST_MARKS < marks.len() {
        return Err(Mistake::Marks);
    }
    let mut regions: BTreeMap<String, Vec<Region>> = BTreeMap::new();
    for mark in marks {
        let (shape, fits) = match mark.shape.as_str() {
            "rectangle" => (Shape::Rectangle, mark.points.len() == 2),
            "ellipse" => (Shape::Ellipse, mark.points.len() == 2),
            "polygon" => (Shape::Polygon, (3..=MOST_POINTS).contains(&mark.points.len())),
            _ => return Err(Mistake::Marks),
        };
        let inside = |value: f32| (0.0..=65_536.0).contains(&value);
        let points_fit = mark
            .points
            .iter()
            .all(|(column, row)| inside(*column) && inside(*row));
        let names_fit = FindingCode::new(mark.finding.as_str()).is_ok()
            && barefoot_domain::CaseId::new(mark.instance.as_str()).is_ok();
        if !fits || !points_fit || !names_fit || mark.frame == 0 {
            return Err(Mistake::Marks);
        }
        regions.entry(mark.finding).or_default().push(Region {
            instance: mark.instance,
            frame: mark.frame,
            shape,
            points: mark.points,
        });
    }
    Ok(regions)
}

impl Written {
    /// What a report can be signed of. A mark whose finding was not said is said to be present: who draws a box around
    /// something sees it.
    pub(crate) fn finished(mut self) -> Result<Self, Mistake> {
        if self.impression.trim().is_empty() {
            return Err(Mistake::NoImpression);
        }
        for (finding, region) in std::mem::take(&mut self.marks) {
            let code = FindingCode::new(finding).map_err(|_| Mistake::Finding)?;
            match self.statements.iter_mut().find(|one| one.finding == code) {
                Some(statement) => statement.regions.push(region),
                None => self.statements.push(Statement {
                    finding: code,
                    presence: Presence::Present,
                    side: None,
                    note: String::new(),
                    regions: vec![region],
                }),
            }
        }
        Ok(self)
    }

    /// The same of a draft as it is kept: nothing is missing from it.
    pub(crate) fn into_report(self, empty: Report) -> Report {
        let mut written = self;
        for (finding, region) in std::mem::take(&mut written.marks) {
            let Ok(code) = FindingCode::new(finding) else {
                continue;
            };
            match written.statements.iter_mut().find(|one| one.finding == code) {
                Some(statement) => statement.regions.push(region),
                None => written.statements.push(Statement {
                    finding: code,
                    presence: Presence::Present,
                    side: None,
                    note: String::new(),
                    regions: vec![region],
                }),
            }
        }
        Report {
            description: written.description,
            impression: written.impression,
            advice: written.advice,
            statements: written.statements,
            ..empty
        }
    }
}

/// Whether two readers say the same of what can be picked. What neither says is the same as what is absent.
pub(crate) fn agree(one: &[Statement], other: &[Statement]) -> bool {
    let seen = |statements: &[Statement]| {
        let mut codes: Vec<(String, bool)> = statements
            .iter()
            .filter(|statement| statement.presence != Presence::Absent)
            .map(|statement| {
                (
                    statement.finding.as_str().to_owned(),
                    statement.presence == Presence::Present,
                )
            })
            .collect();
        codes.sort();
        codes
    };
    seen(one) == seen(other)
}

/// Each statement beside the model's call; and of what the model called and the report does not name, that it is absent.
pub(crate) fn beside_the_model(statements: &[Statement], result: Option<&StudyResult>) -> Vec<StatementRow> {
    let called = |code: &str| {
        result?
            .assessment
            .findings
            .iter()
            .find(|finding| finding.code.as_str() == code)
            .map(|finding| finding.call == Call::Positive)
    };
    let mut rows: Vec<StatementRow> = statements
        .iter()
        .map(|statement| StatementRow {
            finding: statement.finding.as_str().to_owned(),
            presence: statement.presence,
            called: called(statement.finding.as_str()),
        })
        .collect();
    let model = result.map_or(&[][..], |result| result.assessment.findings.as_slice());
    for finding in model {
        let code = finding.code.as_str();
        if !rows.iter().any(|row| row.finding == code) {
            rows.push(StatementRow {
                finding: code.to_owned(),
                presence: Presence::Absent,
                called: Some(finding.call == Call::Positive),
            });
        }
    }
    rows
}

/// What becomes a label in the clinic: the reader's word on what the model was asked about. `Possible` is no label.
pub(crate) fn corrections(report: &Report, result: Option<&StudyResult>, now_ms: i64) -> Vec<Correction> {
    let model = result.map_or(&[][..], |result| result.assessment.findings.as_slice());
    model
        .iter()
        .filter_map(|finding| {
            let statement = report.statements.iter().find(|one| one.finding == finding.code)?;
            let present = match statement.presence {
                Presence::Present => true,
                Presence::Absent => false,
                Presence::Possible => return None,
            };
            Some(Correction {
                id: Ulid::generate().to_string(),
                case: report.case.clone(),
                version: report.version,
                finding: finding.code.clone(),
                present,
                regions: statement.regions.clone(),
                recorded_at_ms: now_ms,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    const MARK: &str = r#"[{"id":"a","instance":"2.25.9","frame":1,"shape":"rectangle","points":[[1,2],[3,4]],"finding":"nodule"}]"#;

    #[test]
    fn a_form_is_read_as_it_was_filled_in() {
        let written = read(&fields(&[
            ("description", "两肺清晰\r\n心影正常 "),
            ("impression", "未见异常"),
            ("finding-pneumonia", "present"),
            ("side-pneumonia", "left"),
            ("finding-mass", ""),
            ("marks", MARK),
        ]))
        .unwrap();
        assert_eq!(written.description, "两肺清晰\n心影正常");
        assert_eq!(written.statements.len(), 1);
        assert_eq!(written.statements[0].side, Some(Side::Left));
        assert_eq!(written.marks.len(), 1);
        let finished = written.finished().unwrap();
        assert_eq!(finished.statements.len(), 2, "what is marked is present");
        assert_eq!(finished.statements[1].regions[0].points, [(1.0, 2.0), (3.0, 4.0)]);
    }

    #[test]
    fn what_is_no_report_is_said() {
        let mistake = |pairs: &[(&str, &str)]| read(&fields(pairs)).and_then(Written::finished).unwrap_err();
        assert_eq!(mistake(&[("impression", "  ")]), Mistake::NoImpression);
        let long = "x".repeat(MAX_REPORT_CHARS + 1);
        assert!(matches!(
            mistake(&[("advice", &long)]),
            Mistake::TooLong { field: "advice" }
        ));
        assert!(matches!(
            mistake(&[("impression", "\u{1b}")]),
            Mistake::NoText { .. }
        ));
        assert_eq!(mistake(&[("finding-x", "perhaps")]), Mistake::Finding);
        assert_eq!(mistake(&[("finding-A!", "present")]), Mistake::Finding);
        for marks in [
            "{",
            r#"[{"instance":"../x","frame":1,"shape":"rectangle","points":[[1,2],[3,4]],"finding":"nodule"}]"#,
            r#"[{"instance":"2.25.9","frame":0,"shape":"rectangle","points":[[1,2],[3,4]],"finding":"nodule"}]"#,
            r#"[{"instance":"2.25.9","frame":1,"shape":"polygon","points":[[1,2],[3,4]],"finding":"nodule"}]"#,
            r#"[{"instance":"2.25.9","frame":1,"shape":"ellipse","points":[[-1,2],[3,4]],"finding":"nodule"}]"#,
        ] {
            assert_eq!(mistake(&[("marks", marks)]), Mistake::Marks, "{marks}");
        }
    }

    #[test]
    fn readers_agree_on_what_they_see() {
        let statement = |code: &str, presence| Statement {
            finding: FindingCode::new(code).unwrap(),
            presence,
            side: None,
            note: String::new(),
            regions: vec![],
        };
        let sees = [statement("mass", Presence::Present)];
        let also = [
            statement("nodule", Presence::Absent),
            statement("mass", Presence::Present),
        ];
        assert!(agree(&sees, &also));
        assert!(agree(&[], &[statement("mass", Presence::Absent)]));
        assert!(!agree(&sees, &[]));
        assert!(!agree(&sees, &[statement("mass", Presence::Possible)]));
    }

    proptest! {
        #[test]
        fn any_form_is_answered(pairs in prop::collection::vec((".{0,20}", ".{0,80}"), 0..12)) {
            let _ = read(&pairs).and_then(Written::finished);
        }
    }
}
