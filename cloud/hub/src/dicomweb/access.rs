//! Who may ask, and where it is written down that they did. Both are decided elsewhere: here stands what is asked of them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use barefoot_domain::ClinicId;

use super::answer;

/// An answer that is waited for.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Tells accounts and tokens apart, whatever they are called.
    pub(crate) id: String,
    /// For logs.
    pub(crate) name: String,
    pub(crate) by: By,
    pub(crate) may: Vec<Right>,
}

/// How a caller showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A browser's session. It may read; what changes something is for programs, which no other site's page can make act.
    Session,
    /// A machine's token, or whatever no browser sends by itself.
    Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Search and retrieve images.
    SeeImages,
    /// Store images.
    StoreImages,
    /// Search and retrieve workitems, and hear of them.
    SeeWork,
    /// Make, claim and change workitems.
    DoWork,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not known, or not any more.
    Unknown,
}

/// Knows people and programs.
pub(crate) trait Access: fmt::Debug + Send + Sync {
    fn caller<'a>(&'a self, request: &'a Parts) -> Later<'a, Result<Caller, Refused>>;
}

/// What was done with a case's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// Looked at: pictures, frames, attributes.
    View,
    /// Taken out as DICOM objects.
    Export,
    /// Brought in.
    Store,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) act: Act,
    pub(crate) clinic: &'a ClinicId,
    pub(crate) case: &'a str,
}

/// The log could not be written; what was asked for is then not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub(crate) struct NotWritten;

/// Keeps the log of who saw what.
pub(crate) trait Audit: fmt::Debug + Send + Sync {
    fn record<'a>(&'a self, entry: Entry<'a>) -> Later<'a, Result<(), NotWritten>>;
}

/// A door: who goes through it has the right, and stands in the request's extensions as [`Caller`].
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) access: Arc<dyn Access>,
    pub(super) right: Right,
    /// What another site's page could make a signed-in browser do is not open to browsers' sessions.
    pub(super) programs_only: bool,
}

pub(super) async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match door.access.caller(&parts).await {
        Ok(caller) => caller,
        Err(refused) => return turned_away(refused),
    };
    if !caller.may.contains(&door.right) {
        return answer::refused(
            StatusCode::FORBIDDEN,
            "this account or token does not have the right to do this",
        );
    }
    if door.programs_only && caller.by == By::Session {
        return answer::refused(
            StatusCode::FORBIDDEN,
            "this needs a machine's token (Authorization: Bearer), a browser's session is not enough",
        );
    }
    parts.extensions.insert(Arc::new(caller));
    next.run(Request::from_parts(parts, body)).await
}

fn turned_away(refused: Refused) -> Response {
    match refused {
        Refused::Unknown => {
            let mut response = answer::refused(
                StatusCode::UNAUTHORIZED,
                "sign in, or send a machine's token (Authorization: Bearer)",
            );
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}
