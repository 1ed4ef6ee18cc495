//! Signed releases after The Update Framework, specification 1.0: what a box installs was signed by enough people who
//! may sign it, is not older than what it knows, and is the state of the repository that was meant.
//!
//! - A box or the hub: [`verify_repository`] with its [`TrustedState`] and any [`ReadMetadata`] (a folder, a stick, a
//!   line) gives the [`Targets`]; [`ReleaseFile::copy_verified`] takes a file of them.
//! - A maintainer: [`RepositoryEditor`] stages a change, several people's [`SigningKey`]s sign it, on one machine or on
//!   several, and it is published when every threshold is met. No key ever lies on the hub.
//!
//! Roles are root, targets, snapshot and timestamp, without delegations; keys are ed25519; snapshots are consistent. A
//! target's path is `<model>/<version>/<file of the bundle>`.

mod error;
pub use error::ReleaseError;

mod canonical;

mod metadata;
pub use metadata::RoleName;

mod source;
pub use source::{DirectorySource, ReadMetadata};

mod targets;
pub use targets::{Release, ReleaseDetails, ReleaseFile, Targets, Withdrawn};

mod state;
pub use state::TrustedState;

mod client;
pub use client::verify_repository;

mod editor_error;
pub use editor_error::EditorError;

mod keys;
pub use keys::{DetachedSignature, PublicKey, SigningKey};

mod contents;
pub use contents::{Change, Contents, Says, Signers};

mod bundle_files;

mod editor;
pub use editor::{Lifetimes, NewRelease, RepositoryEditor, RoleSetting, Roles};

mod published;
pub use published::RoleStatus;

mod staged;

mod signing;
pub use signing::{Progress, Waiting};
