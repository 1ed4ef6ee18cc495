use ulid::Ulid;

use super::caller::Program;
use super::roles::ProgramRole;
use super::{Error, People, secrets};
use crate::archive::{NewProgram, ProgramRow};
use crate::audit::{Action, Actor, Entry, Object};

const MAX_NAME_CHARS: usize = 64;

/// Why a token was not made or taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("a program's name is 1 to {MAX_NAME_CHARS} characters on one line")]
    Name,
    #[error("this name is taken, maybe by a token that was revoked: choose another")]
    Taken,
    #[error("no token of this name is in use")]
    Unknown,
    #[error(transparent)]
    Failed(#[from] Error),
}

impl People {
    /// A new token, shown this once.
    pub(crate) async fn add_program(
        &self,
        actor: Actor,
        name: &str,
        role: ProgramRole,
        days: u32,
    ) -> Result<String, ProgramError> {
        let name = name.trim();
        if name.is_empty() || MAX_NAME_CHARS < name.chars().count() || name.chars().any(char::is_control) {
            return Err(ProgramError::Name);
        }
        let token = secrets::program_token().map_err(Error::from)?;
        let (id, now) = (Ulid::generate().to_string(), self.now_ms());
        let new = NewProgram {
            id: &id,
            name,
            token: &secrets::token_hash(&token),
            role,
            expires_at_ms: now + i64::from(days) * 86_400_000,
        };
        let details = format!("{name}: {}, {days} days", role.word());
        let entry = Entry::new(actor, Action::TokenMade, Object::subject(&id)).details(&details);
        let added = self.0.archive.add_program(&new, &entry, now).await;
        if added.map_err(Error::from)? {
            Ok(token)
        } else {
            Err(ProgramError::Taken)
        }
    }

    pub(crate) async fn revoke_program(&self, actor: Actor, name: &str) -> Result<(), ProgramError> {
        let entry = Entry::new(actor, Action::TokenRevoked, Object::none()).details(name);
        let revoked = self
            .0
            .archive
            .revoke_program(name.trim(), &entry, self.now_ms())
            .await;
        if revoked.map_err(Error::from)? {
            Ok(())
        } else {
            Err(ProgramError::Unknown)
        }
    }

    pub(crate) async fn programs(&self) -> Result<Vec<ProgramRow>, Error> {
        Ok(self.0.archive.programs().await?)
    }

    /// Whose token it is.
    pub(super) async fn program(&self, token: &str) -> Result<Option<Program>, Error> {
        let row = self
            .0
            .archive
            .program(&secrets::token_hash(token), self.now_ms())
            .await?;
        Ok(row.map(|row| Program {
            id: row.id,
            name: row.name,
            role: row.role,
        }))
    }
}
