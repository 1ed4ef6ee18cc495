//! One step of writing, and the sealed columns in it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::{Archive, Error};
use crate::at_rest::{Cell, Vault};

/// An immediate transaction: all of it or nothing. Dropped, nothing.
#[derive(Debug)]
pub(super) struct Step {
    transaction: Transaction<'static, Sqlite>,
    vault: Arc<Vault>,
}

impl Archive {
    pub(super) async fn step(&self) -> Result<Step, sqlx::Error> {
        Ok(Step {
            transaction: self.pool.begin_with("BEGIN IMMEDIATE").await?,
            vault: Arc::clone(&self.vault),
        })
    }

    /// What a sealed column says.
    pub(super) fn unseal(&self, cell: &Cell, stored: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.vault
            .unseal(cell, stored)
            .map_err(|source| Error::Sealed { source })
    }

    pub(super) fn seal(&self, cell: &Cell, plain: &[u8]) -> Result<Vec<u8>, sqlx::Error> {
        self.vault
            .seal(cell, plain)
            .map_err(|error| sqlx::Error::Encode(Box::new(error)))
    }
}

impl Step {
    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await
    }

    pub(super) fn seal(&self, cell: &Cell, plain: &[u8]) -> Result<Vec<u8>, sqlx::Error> {
        self.vault
            .seal(cell, plain)
            .map_err(|error| sqlx::Error::Encode(Box::new(error)))
    }

    pub(super) fn unseal(&self, cell: &Cell, stored: Vec<u8>) -> Result<Vec<u8>, sqlx::Error> {
        self.vault
            .unseal(cell, stored)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }
}

impl Deref for Step {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Step {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}
