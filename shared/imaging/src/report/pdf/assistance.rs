//! What the model had said, or that none did.

use barefoot_domain::{Assessment, Call, FindingResult};

use super::super::Sheet;
use super::super::words::Words;
use super::paper::{Align, Cell, LEFT, Paper, Role, WIDTH};
use super::{AMBER, AMBER_TINT, BODY, FINE, GREY, INK, LINES, SMALL, TINT};

/// What a model said of so many findings is not parted.
const KEPT_TOGETHER: usize = 12;

pub(super) fn draw(paper: &mut Paper<'_>, sheet: &Sheet<'_>, words: &Words) {
    let section = |paper: &mut Paper<'_>| {
        paper.part(Role::Section, |paper| {
            super::heading(paper, words.assisted);
            match &sheet.report.assessment {
                None => line(paper, words.no_ai),
                Some(assessment) => said(paper, sheet, assessment, words),
            }
        });
    };
    let assessment = sheet.report.assessment.as_ref();
    if assessment.is_none_or(|said| said.findings.len() <= KEPT_TOGETHER) {
        paper.together(section);
    } else {
        section(paper);
    }
}

fn line(paper: &mut Paper<'_>, text: &str) {
    paper.part(Role::Paragraph, |paper| {
        paper.text(LEFT + 9.0, WIDTH - 9.0, text, BODY.sized(9.6), Align::Left);
    });
}

fn said(paper: &mut Paper<'_>, sheet: &Sheet<'_>, assessment: &Assessment, words: &Words) {
    let source = source(assessment, words);
    if assessment.model.as_ref().is_some_and(|model| model.demonstration) {
        super::notice(paper, words.demonstration, &source, (AMBER, AMBER_TINT));
    } else {
        line(paper, &source);
    }
    if assessment.findings.is_empty() {
        line(paper, words.no_answer);
    } else {
        paper.part(Role::Table, |paper| {
            table(paper, sheet, &assessment.findings, words);
        });
    }
    let reasons: Vec<String> = assessment
        .reasons
        .iter()
        .map(|reason| words.of_reason(reason, sheet.names))
        .collect();
    let mut judged = vec![words.of_urgency(assessment.urgency).to_owned()];
    judged.extend(reasons);
    paper.part(Role::Paragraph, |paper| {
        paper.y += 3.0;
        let text = format!(
            "{}{}{}　{}",
            words.why,
            words.colon,
            judged.join(words.comma),
            words.clinician_decides
        );
        let style = FINE.sized(8.6).coloured(INK);
        paper.text(LEFT + 9.0, WIDTH - 9.0, &text, style, Align::Left);
    });
}

/// Which release answered, how it was computed, on how good a picture.
fn source(assessment: &Assessment, words: &Words) -> String {
    let mut parts = Vec::new();
    if let Some(model) = &assessment.model {
        parts.push(format!("{}{}{model}", words.model, words.colon));
    }
    if let Some(used) = &assessment.engine {
        parts.push(format!(
            "{}{}{} {}",
            words.engine, words.colon, used.engine, used.precision
        ));
    }
    let mut quality = words.of_grade(assessment.quality.grade).to_owned();
    for problem in &assessment.quality.problems {
        quality.push_str(words.comma);
        quality.push_str(words.of_problem(*problem));
    }
    parts.push(format!("{}{}{quality}", words.quality, words.colon));
    parts.join("　")
}

fn table(paper: &mut Paper<'_>, sheet: &Sheet<'_>, findings: &[FindingResult], words: &Words) {
    const COLUMNS: [(f32, f32); 4] = [(9.0, 180.0), (200.0, 80.0), (290.0, 80.0), (380.0, 100.0)];
    let mut row = |texts: [String; 4], colour, is_header| {
        let style = SMALL.coloured(colour);
        let height = style.line_height() + 4.0;
        if is_header {
            paper.y += 2.0;
            paper.room(2.0 * height);
            let ground = super::paper::rectangle(LEFT, paper.y, WIDTH, height);
            paper.ornament(ground, Some(TINT), None);
        }
        let cells: Vec<Cell> = COLUMNS
            .iter()
            .zip(texts)
            .map(|((x, width), text)| Cell {
                x: LEFT + x,
                width: *width,
                text,
                style,
                is_header,
            })
            .collect();
        paper.row(&cells, 2.0);
        paper.rule(LINES, 0.4);
    };
    let titles = [words.finding, words.call, words.score, words.confidence];
    row(titles.map(str::to_owned), GREY, true);
    for finding in findings {
        let texts = [
            words.finding(&finding.code, sheet.names),
            words.of_call(finding.call).to_owned(),
            format!("{:.2}", finding.score.value()),
            percent(finding.confidence.value()),
        ];
        let colour = match finding.call {
            Call::Positive => super::RED,
            Call::Negative => INK,
        };
        row(texts, colour, false);
    }
}

/// Nothing is rounded up to certainty.
fn percent(share: f32) -> String {
    let percent = (f64::from(share) * 100.0 + 1e-4).floor();
    format!("{percent:.0}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certainty_is_not_made_by_rounding() {
        assert_eq!(percent(0.999), "99%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.93), "93%");
        assert_eq!(percent(0.0), "0%");
    }
}
