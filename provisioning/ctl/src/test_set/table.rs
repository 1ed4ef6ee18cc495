//! The CSV that says which picture shows what.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const IMAGE: &str = "image";

/// A checked table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Those of the bundle's findings that are labelled, in the bundle's order.
    pub(super) findings: Vec<String>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Line of the file, for messages.
    pub(super) line: u64,
    pub(super) image: PathBuf,
    /// In the order of the table's findings.
    pub(super) present: Vec<bool>,
    /// `sex=F`.
    pub(super) subgroups: Vec<String>,
}

pub(super) fn read(path: &Path, known: &[String], ignored: &[String]) -> anyhow::Result<Table> {
    let reader = csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(reader, folder, known, ignored).with_context(|| path.display().to_string())
}

fn parse<R: std::io::Read>(
    mut reader: csv::Reader<R>,
    folder: &Path,
    known: &[String],
    ignored: &[String],
) -> anyhow::Result<Table> {
    let header = reader
        .headers()
        .context("the first line must name the columns")?
        .clone();
    let names: Vec<&str> = header
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').trim())
        .collect();
    let column = |wanted: &str| names.iter().position(|name| *name == wanted);
    let image = column(IMAGE).context("there is no column `image`")?;
    let labels: Vec<(&String, usize)> = known
        .iter()
        .filter_map(|finding| Some((finding, column(finding)?)))
        .collect();
    if labels.is_empty() {
        bail!(
            "no column is named as a finding of the bundle: {}",
            known.join(", ")
        );
    }
    let mut groups = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let other = place == image || ignored.iter().any(|ignored| ignored == name);
        if other || labels.iter().any(|(_, label)| *label == place) {
            continue;
        }
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            bail!(
                "column `{name}`: a subgroup is named in small letters and '_'; leave the column out with --ignore"
            );
        }
        groups.push((*name, place));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.context("a line has not as many columns as the first")?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |place: usize| record.get(place).unwrap_or_default().trim();
        if cell(image).is_empty() {
            bail!("line {line}: no image is named");
        }
        let present = labels.iter().map(|(finding, place)| match cell(*place) {
            "1" => Ok(true),
            "0" => Ok(false),
            _ => bail!("line {line}: {finding} must be 1 or 0"),
        });
        let subgroups = groups.iter().filter(|(_, place)| !cell(*place).is_empty());
        rows.push(Row {
            line,
            image: folder.join(cell(image)),
            present: present.collect::<anyhow::Result<_>>()?,
            subgroups: subgroups
                .map(|(name, place)| format!("{name}={}", cell(*place)))
                .collect(),
        });
    }
    if rows.is_empty() {
        bail!("it lists no image");
    }
    Ok(Table {
        findings: labels.into_iter().map(|(finding, _)| finding.clone()).collect(),
        rows,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(text: &str, ignored: &[&str]) -> anyhow::Result<Table> {
        let known = ["pneumonia".to_owned(), "effusion".to_owned()];
        let ignored: Vec<String> = ignored.iter().map(|name| (*name).to_owned()).collect();
        parse(
            csv::Reader::from_reader(text.as_bytes()),
            Path::new("set"),
            &known,
            &ignored,
        )
    }

    #[test]
    fn columns_are_found_by_name() {
        let text =
            "\u{feff}sex,image,pneumonia,age,Patient\nF,a/1.png,1,0-17,x\n,2.dcm, 0 ,\"18, or so\",y\n";
        let table = table(text, &["Patient"]).unwrap();
        assert_eq!(table.findings, ["pneumonia"]);
        assert_eq!(table.rows[0].image, Path::new("set/a/1.png"));
        assert_eq!(table.rows[0].present, [true]);
        assert_eq!(table.rows[0].subgroups, ["sex=F", "age=0-17"]);
        assert_eq!((table.rows[1].line, &table.rows[1].present), (3, &vec![false]));
        assert_eq!(table.rows[1].subgroups, ["age=18, or so"]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let cases = [
            ("", "no column `image`"),
            ("image,sex\na,F\n", "pneumonia, effusion"),
            ("image,pneumonia\na,yes\n", "line 2: pneumonia must be 1 or 0"),
            ("image,pneumonia\na,1\nb,\n", "line 3: pneumonia must be 1 or 0"),
            ("image,pneumonia\n,1\n", "line 2: no image"),
            ("image,pneumonia\na\n", "not as many columns"),
            ("image,pneumonia\n", "no image"),
            ("image,pneumonia,Name\na,1,x\n", "column `Name`"),
        ];
        for (text, wanted) in cases {
            let said = format!("{:#}", table(text, &[]).unwrap_err());
            assert!(said.contains(wanted), "{text:?}: {said}");
        }
    }

    proptest! {
        #[test]
        fn no_file_panics(text in "(?s).{0,200}", body in "[a-z0-9,\n\"]{0,100}") {
            let _ = table(&text, &[]);
            let _ = table(&format!("image,pneumonia,sex\n{body}"), &[]);
        }
    }
}
