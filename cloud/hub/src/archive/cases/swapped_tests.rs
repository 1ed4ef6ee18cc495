//! What somebody with the database file can and cannot do.

use barefoot_domain::{CaseId, Urgency};
use barefoot_wire::v1;
use sqlx::Row;

use super::tests::{Desk, NOW, ask, claim, clinic, key, report, signed};
use super::{CaseKey, NewReport};
use crate::archive::{Archive, CodeState, NewCode, WorkitemRow};
use crate::at_rest::{Cell, Column, Vault};
use crate::audit::{Action, Actor, Entry, Object};
use crate::worklist::life::Event;

const CASES: [&str; 2] = ["2.25.1", "2.25.2"];
const REPORTS: [&str; 2] = ["01ARZ3NDEKTSV4RRFFQ69G5FA1", "01ARZ3NDEKTSV4RRFFQ69G5FA2"];
static CODES: [[u8; 32]; 2] = [[1; 32], [2; 32]];

/// Two of everything that is sealed, each of another case.
async fn two_of_each() -> Desk {
    let desk = Desk::new().await;
    for (at, case) in CASES.into_iter().enumerate() {
        desk.result(case, 1, Urgency::Review).await;
        desk.triage().await;
        let word = ask(&format!("01ARZ3NDEKTSV4RRFFQ69G5FB{at}"), case, case);
        let heard = desk.archive.hear(&clinic(), &word, &desk.rules, NOW).await;
        heard.unwrap();
        desk.act(case, claim("wang")).await.unwrap();
        desk.act(case, Event::WantSecond { by: "wang".into() })
            .await
            .unwrap();
        let (archive, rules) = (&desk.archive, &desk.rules);
        archive
            .give_opinion(&key(case), "wang", case.as_bytes(), None, rules, NOW)
            .await
            .unwrap();
        desk.act(case, claim("li")).await.unwrap();
        let report = report(case, REPORTS[at], None);
        let new = NewReport {
            report: &report,
            signed: &signed(&report),
            signer: "li",
            corrections: &[],
            statements: &[],
        };
        archive.sign_report(&new, Some(true), rules, NOW).await.unwrap();
        // What somebody wrote beside it.
        let draft = format!(
            "INSERT INTO drafts (clinic, case_id, person, version, content, revision, saved_at_ms) \
             VALUES ('clinic-7', '{case}', 'wang', 1, CAST('{case}' AS BLOB), 1, {NOW})"
        );
        archive.run_sql(&draft).await;
        let workitem = WorkitemRow {
            uid: case.into(),
            state: "SCHEDULED".into(),
            transaction_uid: None,
            created_by: "ris".into(),
            claimed_by: None,
            created_at_ms: NOW,
            changed_at_ms: NOW,
            attributes: Some(case.into()),
        };
        assert!(archive.insert_workitem(&workitem).await.unwrap());
        let code = NewCode {
            id: &CODES[at],
            secret: &CODES[at],
            clinic: &barefoot_domain::ClinicId::new(format!("clinic-{at}")).unwrap(),
            by: "mara",
            expires_at_ms: NOW + 1,
        };
        let entry = Entry::new(Actor::Console, Action::Start, Object::none());
        archive.add_code(&code, &entry, NOW).await.unwrap();
    }
    desk
}

/// What of each kind is read of both cases, by the ways that pages and daemons read it: right, or not at all.
async fn readable(archive: &Archive) -> Vec<Column> {
    let mut whole = Column::ALL.to_vec();
    let mut lost = |column: Column| whole.retain(|one| *one != column);
    if archive.results(10).await.is_err() {
        lost(Column::Result);
    }
    match archive.unsettled(&clinic()).await {
        Err(_) => lost(Column::Outgoing),
        Ok(waiting) => assert!(waiting.len() >= 4),
    }
    for (at, case) in CASES.into_iter().enumerate() {
        let key: CaseKey = key(case);
        match archive.newest_result(&key).await {
            Err(_) => lost(Column::Result),
            Ok(result) => assert_eq!(result.unwrap().case, CaseId::new(case).unwrap()),
        }
        match archive.draft(&key, "wang").await {
            Err(_) => lost(Column::Draft),
            Ok(draft) => assert_eq!(draft.unwrap().content, case.as_bytes()),
        }
        match archive.reader_opinions(&key, 1).await {
            Err(_) => lost(Column::Opinion),
            Ok(opinions) => assert_eq!(opinions[0].content, case.as_bytes()),
        }
        match archive.report(REPORTS[at]).await {
            Err(_) => lost(Column::Report),
            Ok(report) => assert_eq!(
                report.unwrap().signed,
                signed(&self::report(case, REPORTS[at], None))
            ),
        }
        match archive.messages(&key).await {
            Err(_) => lost(Column::Message),
            Ok(messages) => assert_eq!(messages[0].message.text, case),
        }
        match archive.workitem(case).await {
            Err(_) => lost(Column::Workitem),
            Ok(item) => assert_eq!(item.unwrap().attributes.as_deref(), Some(case)),
        }
        match archive.code(&CODES[at]).await {
            Err(_) => lost(Column::EnrolmentSecret),
            Ok(code) => {
                let code = code.unwrap();
                assert_eq!((code.secret, code.state), (Some(CODES[at]), CodeState::Open));
            }
        }
    }
    whole
}

/// The first two values of a column, by the other cases' rows.
async fn swap(archive: &Archive, column: Column) {
    let home = column.home();
    let (table, value) = (home.table, home.column);
    // Reports and states in `outgoing`: two of one kind.
    let only = match column {
        Column::Outgoing => format!("WHERE kind = {}", i32::from(v1::Kind::Report)),
        _ => String::new(),
    };
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT rowid AS number, CAST({value} AS BLOB) AS stored FROM {table} {only} ORDER BY rowid LIMIT 2"
    )))
    .fetch_all(&archive.pool)
    .await
    .unwrap()
    .iter()
    .map(|row| (row.get("number"), row.get("stored")))
    .collect();
    for ((_, stored), (number, _)) in rows.iter().zip(rows.iter().rev()) {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE {table} SET {value} = ? WHERE rowid = ?"
        )))
        .bind(stored)
        .bind(number)
        .execute(&archive.pool)
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn what_was_sealed_for_one_case_is_not_read_as_another_ones() {
    let desk = two_of_each().await;
    let bound = desk.archive.bind_rows().await.unwrap();
    // The drafts of this test, which were written plainly.
    assert_eq!((bound.sealed, bound.left), (2, 0));
    assert_eq!(readable(&desk.archive).await, Column::ALL);
    for column in Column::ALL {
        swap(&desk.archive, column).await;
        let rest: Vec<Column> = Column::ALL.into_iter().filter(|one| *one != column).collect();
        assert_eq!(readable(&desk.archive).await, rest, "{column:?}");
        swap(&desk.archive, column).await;
        assert_eq!(readable(&desk.archive).await, Column::ALL, "{column:?}");
    }
    // The index may name another case's envelope: the result itself says whose it is.
    for back in [false, true] {
        let step = "UPDATE results SET envelope_id = (SELECT other.envelope_id FROM results other \
                    WHERE other.number <> results.number)";
        if back {
            desk.archive
                .run_sql("UPDATE results SET envelope_id = (SELECT id FROM kept WHERE kept.number = results.number)")
                .await;
            assert_eq!(readable(&desk.archive).await, Column::ALL);
        } else {
            desk.archive
                .run_sql("CREATE TABLE kept AS SELECT number, envelope_id AS id FROM results")
                .await;
            desk.archive.run_sql(step).await;
            assert!(desk.archive.newest_result(&key(CASES[0])).await.is_err());
        }
    }
    // A line for somebody else, in clear.
    desk.archive
        .run_sql("UPDATE case_messages SET text = 'all is well'")
        .await;
    assert!(desk.archive.messages(&key(CASES[0])).await.is_err());
}

#[tokio::test]
async fn what_an_older_hub_sealed_is_read_bound_to_its_rows_and_then_opens_nowhere_else() {
    let desk = two_of_each().await;
    let archive = &desk.archive;
    let vault = Vault::for_tests(desk.folder.path());
    // As the hub before this one kept it: sealed for the column; some of it is older and plain.
    let mut older = 0;
    for column in Column::ALL {
        let home = column.home();
        let (table, value) = (home.table, home.column);
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT rowid AS number, {value} AS stored, {} FROM {table}",
            home.row
                .iter()
                .map(|part| format!("CAST({part} AS BLOB) AS of_{part}"))
                .collect::<Vec<_>>()
                .join(", ")
        )))
        .fetch_all(&archive.pool)
        .await
        .unwrap();
        for (at, row) in rows.iter().enumerate() {
            let parts: Vec<Vec<u8>> = home
                .row
                .iter()
                .map(|part| row.get(format!("of_{part}").as_str()))
                .collect();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let cell = Cell::new(column, &parts);
            let plain = vault.unseal(&cell, row.get("stored")).unwrap();
            let sealed = vault.seal_as_before(column, &plain);
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "UPDATE {table} SET {value} = ? WHERE rowid = ?"
            )))
            .bind(if at == 0 { plain } else { sealed })
            .bind(row.get::<i64, _>("number"))
            .execute(&archive.pool)
            .await
            .unwrap();
            older += 1;
        }
    }
    assert_eq!(readable(archive).await, Column::ALL, "before it is bound");
    archive
        .run_sql("CREATE TABLE earlier AS SELECT id, signed FROM reports")
        .await;
    let bound = archive.bind_rows().await.unwrap();
    assert_eq!((bound.sealed, bound.left), (older, 0));
    assert_eq!(readable(archive).await, Column::ALL);
    for column in Column::ALL {
        swap(archive, column).await;
        assert!(!readable(archive).await.contains(&column), "{column:?}");
        swap(archive, column).await;
    }
    // Nor do the values of then pass any more, in their own rows or in others.
    archive
        .run_sql("UPDATE reports SET signed = (SELECT signed FROM earlier WHERE earlier.id = reports.id)")
        .await;
    assert!(archive.report(REPORTS[0]).await.is_err() && archive.report(REPORTS[1]).await.is_err());
    // The next start has nothing to do, and does not take them in.
    archive.close().await;
    let again = Archive::open_with_keys(&desk.folder.path().join("hub.db"))
        .await
        .unwrap();
    assert_eq!(again.bind_rows().await.unwrap().sealed, 0);
    assert!(again.report(REPORTS[1]).await.is_err());
}

#[tokio::test]
async fn a_value_that_does_not_open_leaves_the_rows_to_the_next_start() {
    let desk = two_of_each().await;
    let broken = "UPDATE case_messages SET text = x'BF41520100' WHERE case_id = '2.25.1'";
    desk.archive.run_sql(broken).await;
    let bound = desk.archive.bind_rows().await.unwrap();
    assert_eq!((bound.sealed, bound.left), (2, 1));
    let restored = "UPDATE case_messages SET text = '2.25.1' WHERE case_id = '2.25.1'";
    desk.archive.run_sql(restored).await;
    let bound = desk.archive.bind_rows().await.unwrap();
    assert_eq!((bound.sealed, bound.left), (1, 0));
    assert_eq!(readable(&desk.archive).await, Column::ALL);
}
