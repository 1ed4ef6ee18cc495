use sqlx::{QueryBuilder, Row, Sqlite};

use super::read::query;
use super::{Archive, Error};

/// Where a search looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ImageLevel {
    Study,
    Series,
    Instance,
}

/// How a value is matched (PS3.4 section C.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Matching {
    OneOf(Vec<String>),
    /// With `*` and `?`; letters of either case.
    Pattern(String),
    /// A person's name, letters of either case.
    Name(String),
    /// Both included.
    Range {
        from: Option<String>,
        to: Option<String>,
    },
    /// One of several values that stand between backslashes.
    Holds(Vec<String>),
}

/// A search for studies, series or instances. The columns are this program's own words, never a caller's.
#[derive(Debug, Clone)]
pub(crate) struct ImageSearch {
    pub(crate) level: ImageLevel,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) conditions: Vec<(&'static str, Matching)>,
    pub(crate) limit: u32,
    pub(crate) offset: u32,
}

impl Archive {
    /// The values of the columns, as text, of all that match: newest studies first.
    pub(crate) async fn search_images(&self, search: &ImageSearch) -> Result<Vec<Vec<String>>, Error> {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
        let mut columns = sql.separated(", ");
        for column in &search.columns {
            columns.push(format!("CAST({column} AS TEXT)"));
        }
        sql.push(" FROM dicom_studies st");
        // Where nothing below the study is asked for the studies lead, in their order: the page ends the search. SQLite lets
        // the tables of a cross join stand as they are written.
        let studies_lead = search
            .conditions
            .iter()
            .all(|(column, _)| column.starts_with("st."));
        let join = if studies_lead { "CROSS JOIN" } else { "JOIN" };
        if ImageLevel::Series <= search.level {
            sql.push(format!(" {join} dicom_series se ON se.study = st.number"));
        }
        if ImageLevel::Instance <= search.level {
            sql.push(format!(" {join} dicom_instances i ON i.series = se.number"));
        }
        sql.push(" WHERE 1");
        for (column, matching) in &search.conditions {
            sql.push(format!(" AND {column}"));
            condition(&mut sql, column, matching);
        }
        sql.push(" ORDER BY st.study_date DESC, st.study_time DESC, st.number DESC");
        if ImageLevel::Series <= search.level {
            sql.push(", CAST(se.series_number AS INTEGER), se.number");
        }
        if ImageLevel::Instance <= search.level {
            sql.push(", CAST(i.instance_number AS INTEGER), i.number");
        }
        sql.push(" LIMIT ").push_bind(search.limit);
        sql.push(" OFFSET ").push_bind(search.offset);
        let rows = sql.build().fetch_all(&self.pool).await.map_err(query)?;
        rows.iter()
            .map(|row| {
                (0..search.columns.len())
                    .map(|at| row.try_get::<String, _>(at).map_err(query))
                    .collect()
            })
            .collect()
    }
}

fn condition(sql: &mut QueryBuilder<Sqlite>, column: &str, matching: &Matching) {
    match matching {
        Matching::OneOf(values) => {
            sql.push(" IN (");
            let mut list = sql.separated(", ");
            for value in values {
                list.push_bind(value.clone());
            }
            sql.push(")");
        }
        Matching::Pattern(pattern) => {
            sql.push(" LIKE ").push_bind(like(pattern)).push(" ESCAPE '!'");
        }
        Matching::Name(name) => {
            sql.push(" = ").push_bind(name.clone()).push(" COLLATE NOCASE");
        }
        Matching::Range { from, to } => {
            sql.push(" <> ''");
            if let Some(from) = from {
                sql.push(format!(" AND {column} >= ")).push_bind(from.clone());
            }
            if let Some(to) = to {
                sql.push(format!(" AND {column} <= ")).push_bind(to.clone());
            }
        }
        Matching::Holds(values) => {
            sql.push(" <> '' AND (0");
            for value in values {
                sql.push(format!(" OR {column} LIKE "))
                    .push_bind(format!("%\\{}\\%", like(value)))
                    .push(" ESCAPE '!'");
            }
            sql.push(")");
        }
    }
}

/// DICOM's wildcards as SQL's.
fn like(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for letter in pattern.chars() {
        match letter {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '!' => like.extend(['!', letter]),
            _ => like.push(letter),
        }
    }
    like
}
