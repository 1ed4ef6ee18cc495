//! A query's parameters as a search. Pure.

use barefoot_imaging::query::is_date;
use barefoot_imaging::tags;

use super::attributes::{ATTRIBUTES, Attribute, named, tag_of};
use crate::archive::{ImageLevel, ImageSearch, Matching};

/// Answers at once; who wants more asks for the next page.
pub(super) const MOST: u32 = 5_000;
const WITHOUT_LIMIT: u32 = 1_000;
const MOST_VALUES: usize = 500;
const MOST_PARAMETERS: usize = 100;

/// What a query comes to.
#[derive(Debug, Clone)]
pub(in crate::dicomweb) struct Query {
    pub(in crate::dicomweb) search: ImageSearch,
    pub(super) attributes: Vec<&'static Attribute>,
    /// The Accept header's place in the query.
    pub(super) accept: Option<String>,
    pub(super) fuzzy: bool,
}

/// Why a query is not answered: names the parameter, not its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::dicomweb) enum Error {
    #[error("more than {MOST_PARAMETERS} parameters")]
    TooMany,
    #[error("nothing can be matched by this parameter: {name}")]
    Unknown { name: String },
    #[error("{keyword} cannot be matched when searching for {what}")]
    Level {
        keyword: &'static str,
        what: &'static str,
    },
    #[error("{name} is no {what}")]
    Value { name: String, what: &'static str },
}

/// Parameters as they stand in the address, decoded.
pub(in crate::dicomweb) type Parameters = [(String, String)];

/// `fixed` is what the path says.
pub(in crate::dicomweb) fn parse(
    level: ImageLevel,
    fixed: &[(&'static str, String)],
    parameters: &Parameters,
) -> Result<Query, Error> {
    if MOST_PARAMETERS < parameters.len() {
        return Err(Error::TooMany);
    }
    let mut query = Query {
        search: ImageSearch {
            level,
            columns: Vec::new(),
            conditions: fixed
                .iter()
                .map(|(column, value)| (*column, Matching::OneOf(vec![value.clone()])))
                .collect(),
            limit: WITHOUT_LIMIT,
            offset: 0,
        },
        attributes: ATTRIBUTES
            .iter()
            .filter(|attribute| attribute.level <= level && attribute.always)
            .collect(),
        accept: None,
        fuzzy: false,
    };
    for (name, value) in parameters {
        query.take(level, name, value)?;
    }
    query.attributes.sort_by_key(|attribute| attribute.tag);
    query.attributes.dedup_by_key(|attribute| attribute.tag);
    query.search.columns = query
        .attributes
        .iter()
        .map(|attribute| attribute.column)
        .collect();
    Ok(query)
}

impl Query {
    fn take(&mut self, level: ImageLevel, name: &str, value: &str) -> Result<(), Error> {
        let wrong = |what| Error::Value {
            name: shortened(name),
            what,
        };
        match name {
            "limit" => {
                let limit: u32 = value.parse().map_err(|_| wrong("number"))?;
                self.search.limit = limit.min(MOST);
            }
            "offset" => self.search.offset = value.parse().map_err(|_| wrong("number"))?,
            "fuzzymatching" => {
                self.fuzzy = value.parse().map_err(|_| wrong("true or false"))?;
            }
            "accept" => self.accept = Some(value.to_owned()),
            "charset" => {}
            "includefield" => {
                for field in value.split(',').map(str::trim) {
                    self.include(level, field)?;
                }
            }
            _ => self.condition(level, name, value)?,
        }
        Ok(())
    }

    /// What is known of but not here is left out, as the standard allows.
    fn include(&mut self, level: ImageLevel, field: &str) -> Result<(), Error> {
        if field == "all" {
            let all = ATTRIBUTES.iter().filter(|attribute| attribute.level <= level);
            self.attributes.extend(all);
            return Ok(());
        }
        match named(field) {
            Some(attribute) if attribute.level <= level => self.attributes.push(attribute),
            Some(_) => {}
            None if tag_of(field).is_some() || is_keyword(field) => {}
            None => {
                return Err(Error::Value {
                    name: "includefield".to_owned(),
                    what: "attribute",
                });
            }
        }
        Ok(())
    }

    fn condition(&mut self, level: ImageLevel, name: &str, value: &str) -> Result<(), Error> {
        let attribute = named(name).ok_or_else(|| Error::Unknown {
            name: shortened(name),
        })?;
        if level < attribute.level {
            return Err(Error::Level {
                keyword: attribute.keyword,
                what: match level {
                    ImageLevel::Study => "studies",
                    ImageLevel::Series => "series",
                    ImageLevel::Instance => "instances",
                },
            });
        }
        self.attributes.push(attribute);
        if let Some(matching) = matching(attribute, value)? {
            self.search.conditions.push((attribute.column, matching));
        }
        Ok(())
    }
}

/// `None` for what matches everything: an empty value, or `*` alone.
fn matching(attribute: &'static Attribute, value: &str) -> Result<Option<Matching>, Error> {
    let wrong = |what| Error::Value {
        name: attribute.keyword.to_owned(),
        what,
    };
    let value = value.trim();
    if value.is_empty() || value == "*" || value == "\"\"" {
        return Ok(None);
    }
    if 64 * 1024 < value.len() {
        return Err(wrong("value of this length"));
    }
    let list = || -> Vec<String> {
        let parts = value.split([',', '\\']).map(|part| part.trim().to_owned());
        parts
            .filter(|part| !part.is_empty())
            .take(MOST_VALUES + 1)
            .collect()
    };
    let bounded = |values: Vec<String>| match (1..=MOST_VALUES).contains(&values.len()) {
        true => Ok(values),
        false => Err(wrong("list of 1 to 500 values")),
    };
    Ok(Some(match attribute.vr {
        "UI" => {
            let values = bounded(list())?;
            if !values
                .iter()
                .all(|uid| barefoot_domain::StudyUid::new(uid.as_str()).is_ok())
            {
                return Err(wrong("UID or list of UIDs"));
            }
            Matching::OneOf(values)
        }
        "DA" => range(value, is_date).ok_or_else(|| wrong("date or range of dates (YYYYMMDD)"))?,
        "TM" => range(value, is_time).ok_or_else(|| wrong("time or range of times (HHMMSS)"))?,
        _ if attribute.tag == tags::MODALITIES_IN_STUDY => Matching::Holds(bounded(list())?),
        "CS" => {
            let values = bounded(list())?;
            match values.iter().any(|value| value.contains(['*', '?'])) {
                true if 1 < values.len() => return Err(wrong("list without wildcards")),
                true => Matching::Pattern(value.to_owned()),
                false => Matching::OneOf(values),
            }
        }
        "IS" | "US" => {
            let number: i64 = value.parse().map_err(|_| wrong("number"))?;
            Matching::OneOf(vec![number.to_string()])
        }
        _ if value.contains(['*', '?']) => Matching::Pattern(value.to_owned()),
        "PN" => Matching::Name(value.to_owned()),
        _ => Matching::OneOf(vec![value.to_owned()]),
    }))
}

/// One value, `from-`, `-to` or `from-to`. Compared as text, which dates and times allow.
fn range(value: &str, is_one: fn(&str) -> bool) -> Option<Matching> {
    let Some((from, to)) = value.split_once('-') else {
        let one = is_one(value).then(|| value.to_owned())?;
        return Some(match one.len() {
            8 => Matching::OneOf(vec![one]),
            // What is less precise stands for all it may mean.
            _ => Matching::Range {
                to: Some(format!("{one}~")),
                from: Some(one),
            },
        });
    };
    let bound = |text: &str| match text.trim() {
        "" => Some(None),
        text => is_one(text).then(|| Some(text.to_owned())),
    };
    let (from, to) = (bound(from)?, bound(to)?);
    if from.is_none() && to.is_none() {
        return None;
    }
    // `~` sorts behind every digit: the end's own fractions are within.
    let to = to.map(|to| if to.len() == 8 { to } else { format!("{to}~") });
    Some(Matching::Range { from, to })
}

fn is_time(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    matches!(whole.len(), 2 | 4 | 6) && digits(whole) && digits(fraction) && fraction.len() <= 6
}

fn is_keyword(field: &str) -> bool {
    (1..=64).contains(&field.len())
        && field
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// A parameter's name as an answer may repeat it.
fn shortened(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '.')
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(level: ImageLevel, text: &[(&str, &str)]) -> Result<Query, Error> {
        let parameters: Vec<(String, String)> = text
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        parse(level, &[], &parameters)
    }

    fn conditions(text: &[(&str, &str)]) -> Vec<(&'static str, Matching)> {
        of(ImageLevel::Study, text).unwrap().search.conditions
    }

    fn one_of(values: &[&str]) -> Matching {
        Matching::OneOf(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn keys_come_by_keyword_or_tag_and_match_as_the_standard_says() {
        assert_eq!(
            conditions(&[("StudyInstanceUID", "1.2,1.3\\1.4"), ("PatientName", "P12*")]),
            [
                ("st.study_uid", one_of(&["1.2", "1.3", "1.4"])),
                ("st.patient_name", Matching::Pattern("P12*".into())),
            ]
        );
        assert_eq!(
            conditions(&[("PatientName", "P12"), ("PatientID", "P12")]),
            [
                ("st.patient_name", Matching::Name("P12".into())),
                ("st.patient_id", one_of(&["P12"])),
            ]
        );
        assert_eq!(
            conditions(&[("0020000D", "1.2")]),
            conditions(&[("StudyInstanceUID", "1.2")])
        );
        assert_eq!(
            conditions(&[("StudyDate", "20260101")]),
            [("st.study_date", one_of(&["20260101"]))]
        );
        let range = |from: &str, to: &str| Matching::Range {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
        };
        assert_eq!(
            conditions(&[("StudyDate", "20260101-20260131"), ("StudyTime", "10-1130")]),
            [
                ("st.study_date", range("20260101", "20260131")),
                ("st.study_time", range("10", "1130~")),
            ]
        );
        assert_eq!(
            conditions(&[
                ("ModalitiesInStudy", "CT,DX"),
                ("PatientID", "*"),
                ("AccessionNumber", "")
            ]),
            [("st.modalities", Matching::Holds(vec!["CT".into(), "DX".into()]))]
        );
    }

    #[test]
    fn what_cannot_be_matched_is_refused_and_never_ignored() {
        let error = |level, name: &str, value: &str| of(level, &[(name, value)]).unwrap_err().to_string();
        assert!(error(ImageLevel::Study, "OtherPatientIDs", "1").contains("OtherPatientIDs"));
        assert!(error(ImageLevel::Study, "Modality", "CT").contains("studies"));
        for (name, value) in [
            ("StudyDate", "2026"),
            ("StudyDate", "-"),
            ("StudyInstanceUID", "abc"),
            ("limit", "many"),
            ("fuzzymatching", "maybe"),
            ("includefield", "?"),
        ] {
            assert!(of(ImageLevel::Study, &[(name, value)]).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn fields_and_pages_are_as_asked() {
        let query = of(
            ImageLevel::Study,
            &[
                ("includefield", "00081030,00080060"),
                ("limit", "101"),
                ("offset", "5"),
                ("fuzzymatching", "false"),
            ],
        )
        .unwrap();
        let described = |attribute: &&Attribute| attribute.keyword == "StudyDescription";
        assert!(query.attributes.iter().any(described));
        assert_eq!(
            (query.search.limit, query.search.offset, query.fuzzy),
            (101, 5, false)
        );
        let all = of(ImageLevel::Instance, &[("includefield", "all")]).unwrap();
        assert_eq!(all.attributes.len(), ATTRIBUTES.len());
        assert_eq!(
            of(ImageLevel::Study, &[("limit", "999999")])
                .unwrap()
                .search
                .limit,
            MOST
        );
    }
}
