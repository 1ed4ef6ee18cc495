use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::PersonView;
use super::roles::{ProgramRole, Right};

/// Names a session; not what the browser holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionId(String);

/// A person who is signed in. Handlers take it as an argument; without one the request never reaches them.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) person: Arc<PersonView>,
    pub(crate) session: SessionId,
    /// For the hidden field `csrf` of every form, or the header `x-csrf-token` of a request by script.
    pub(crate) csrf: String,
    /// When a code was last given to sign a report; 0: never.
    pub(super) coded_at_ms: i64,
    /// The session began at the sign-in provider.
    pub(super) by_provider: bool,
}

/// A program with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: ProgramRole,
}

/// Whoever calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Person(Signed),
    Program(Program),
}

/// What was asked for is not for this account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forbidden;

impl IntoResponse for Forbidden {
    fn into_response(self) -> Response {
        let said = "这个账号无权使用这一功能。 This account may not do this.";
        (StatusCode::FORBIDDEN, said).into_response()
    }
}

impl SessionId {
    pub(super) fn new(id: String) -> Self {
        Self(id)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Signed {
    pub(crate) fn allow(&self, right: Right) -> Result<(), Forbidden> {
        self.person.may(right).then_some(()).ok_or(Forbidden)
    }
}

impl Caller {
    pub(crate) fn may(&self, right: Right) -> bool {
        match self {
            Self::Person(signed) => signed.person.may(right),
            Self::Program(program) => program.role.may(right),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    /// What `guard` found out. A hub without accounts has nobody who could call.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let said = "This needs a sign-in: the hub's configuration has no [people] table.";
            (StatusCode::FORBIDDEN, said).into_response()
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Signed {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Caller::from_request_parts(parts, state).await? {
            Caller::Person(signed) => Ok(signed),
            Caller::Program(_) => Err(Forbidden.into_response()),
        }
    }
}
