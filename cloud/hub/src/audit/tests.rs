use barefoot_domain::{CaseId, ClinicId};
use barefoot_trust::audit::{BadLine, Checker, Whole};
use barefoot_trust::{Authority, TlsPaths};
use futures_util::TryStreamExt;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::*;

struct House {
    audit: Audit,
    _dir: TempDir,
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(dir.path(), "Test region", now).unwrap();
        let hub = authority.issue_hub(&["localhost".into()], now, time::Duration::days(1));
        hub.unwrap().save(dir.path(), "hub").unwrap();
        let identity = TlsIdentity::load(&TlsPaths {
            authority: dir.path().join("authority.crt"),
            certificate: dir.path().join("hub.crt"),
            key: dir.path().join("hub.key"),
        });
        let archive = Archive::open_with_keys(&dir.path().join("barefoot.db"))
            .await
            .unwrap();
        Self {
            audit: Audit::new(archive, identity.unwrap().into()),
            _dir: dir,
        }
    }

    async fn view(&self, number: u32) {
        let clinic = ClinicId::new("clinic-7").unwrap();
        let case = CaseId::new(format!("2.25.{number}")).unwrap();
        let actor = Actor::person("01ARZ3NDEKTSV4RRFFQ69G5FAV", "李伟");
        let entry = Entry::new(actor, Action::ViewCase, Object::case(&clinic, &case));
        self.audit.record(entry).await.unwrap();
    }

    async fn export(&self) -> Vec<String> {
        self.exported(Form::Signed).await
    }

    async fn exported(&self, form: Form) -> Vec<String> {
        let pieces: Vec<String> = export(self.audit.clone(), form)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        pieces.concat().lines().map(str::to_owned).collect()
    }

    fn check(&self, lines: &[String]) -> Result<Whole, BadLine> {
        let mut checker = Checker::new(self.audit.identity.authorities());
        lines.iter().try_for_each(|line| checker.line(line))?;
        checker.finish()
    }

    /// Somebody with the database in hand.
    async fn tamper(&self, sql: &str) {
        let archive = &self.audit.archive;
        for trigger in [
            "audit_is_not_changed",
            "audit_is_not_deleted",
            "audit_heads_are_not_changed",
            "audit_heads_are_not_deleted",
        ] {
            archive
                .run_sql(&format!("DROP TRIGGER IF EXISTS {trigger}"))
                .await;
        }
        archive.run_sql(sql).await;
    }
}

#[tokio::test]
async fn what_is_exported_holds() {
    let house = House::new().await;
    assert_eq!(house.check(&house.export().await).unwrap().entries, 0);
    for number in 1..=4 {
        house.view(number).await;
        house.audit.sign_head(false).await.unwrap();
        house.audit.sign_head(false).await.unwrap();
    }
    house.view(5).await;
    let lines = house.export().await;
    let whole = house.check(&lines).unwrap();
    assert_eq!(
        (whole.entries, whole.heads),
        (5, 6),
        "a head for each entry but where nothing came"
    );
    // A second copy holds as well, and so does the first still.
    assert_eq!(house.check(&house.export().await).unwrap().heads, 7);
    house.check(&lines).unwrap();
}

#[tokio::test]
async fn what_was_done_to_the_database_is_found() {
    for (sql, said) in [
        (
            "DELETE FROM audit WHERE number = 2",
            "entries 2 to 2 were deleted",
        ),
        (
            "UPDATE audit SET actor_name = 'another' WHERE number = 2",
            "entry 2 was altered",
        ),
        (
            "UPDATE audit SET at_ms = at_ms + 1 WHERE number = 3",
            "entry 3 was altered",
        ),
        (
            "DELETE FROM audit WHERE number = 4",
            "4 entries were signed, 3 are here",
        ),
        ("DELETE FROM audit_heads", "the hub"),
    ] {
        let house = House::new().await;
        for number in 1..=4 {
            house.view(number).await;
        }
        house.audit.sign_head(false).await.unwrap();
        house.check(&house.export().await).unwrap();
        house.tamper(sql).await;
        let found = house.check(&house.export().await);
        if sql == "DELETE FROM audit_heads" {
            // The entries hold; the export's own head is the only one. The journal has the others.
            assert_eq!(found.unwrap().heads, 1);
            continue;
        }
        let error = found.unwrap_err().to_string();
        assert!(error.contains(said), "{sql}: {error}");
    }
}

#[tokio::test]
async fn the_log_is_given_out_as_messages_of_dicom_too() {
    let house = House::new().await;
    for number in 1..=1500 {
        house.view(number).await;
    }
    let lines = house.exported(Form::Dicom).await;
    assert_eq!(lines.len(), 1500 + 3, "a line each, and what is around them");
    assert!(lines[2].starts_with("<AuditMessage>") && lines[2].contains("csd-code=\"110103\""));
    assert!(lines[1501].contains("urn:barefoot:audit:hub:1500") && lines[1502] == "</AuditMessages>");
}

#[tokio::test]
async fn the_database_itself_refuses_changes() {
    let house = House::new().await;
    house.view(1).await;
    for sql in [
        "DELETE FROM audit",
        "UPDATE audit SET details = 'x'",
        "REPLACE INTO audit SELECT * FROM audit",
    ] {
        let archive = house.audit.archive.clone();
        let refused = tokio::spawn(async move { archive.run_sql(sql).await }).await;
        assert!(refused.is_err(), "{sql}");
    }
    assert_eq!(house.check(&house.export().await).unwrap().entries, 1);
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_seen() {
    let house = House::new().await;
    house.view(1).await;
    let entry = Entry::new(Actor::Hub("test"), Action::Settings, Object::none());
    house.audit.archive.append_audit(&entry, 5).await.unwrap();
    house.view(2).await;
    assert_eq!(house.check(&house.export().await).unwrap().clock_went_back, 1);
}

#[tokio::test]
async fn entries_of_many_at_once_stand_in_one_row() {
    let house = House::new().await;
    let views = (1..=20).map(|number| house.view(number));
    futures_util::future::join_all(views).await;
    assert_eq!(house.check(&house.export().await).unwrap().entries, 20);
}
