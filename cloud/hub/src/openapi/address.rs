use serde_json::Value;

use crate::people::Right;

/// One method of one address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    pub(super) verb: Verb,
    /// As the router has it.
    pub(super) path: &'static str,
    /// One line.
    pub(super) says: &'static str,
    pub(super) who: Who,
    pub(super) query: &'static [Field],
    pub(super) takes: Takes,
    pub(super) gives: &'static [Gives],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
    Options,
}

/// Who gets more than a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anybody,
    /// A person or a program, of whatever role.
    Known,
    KnownPerson,
    Caller(Right),
    Person(Right),
    Program(Right),
}

/// A parameter of the query, or a field of a form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

/// What may stand in a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Never shown again.
    Secret,
    Choice(&'static [&'static str]),
    /// From 0 on.
    Number,
    Flag,
    /// `08:30`.
    Time,
    /// `2026-11-23T08:30`, local.
    Moment,
}

/// The body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    Nothing,
    /// Of a page of this hub: with the token `csrf`, as a field or as the header `x-csrf-token`.
    Form(&'static [Field]),
    /// A question anybody may ask; a file goes as multipart.
    OpenForm(&'static [Field]),
    /// One data set, DICOM JSON model.
    DicomJson,
    /// DICOM objects.
    Objects,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gives {
    pub(super) status: u16,
    pub(super) content: Content,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// Nothing, or words whose form is not promised.
    Any,
    Media(&'static [&'static str]),
    Json(fn() -> Value),
    DicomJson,
}

impl Verb {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Options => "options",
        }
    }
}

const fn row(verb: Verb, path: &'static str, who: Who, says: &'static str) -> Address {
    Address {
        verb,
        path,
        says,
        who,
        query: &[],
        takes: Takes::Nothing,
        gives: &[],
    }
}

pub(super) const fn get(path: &'static str, who: Who, says: &'static str) -> Address {
    row(Verb::Get, path, who, says)
}

pub(super) const fn post(path: &'static str, who: Who, says: &'static str) -> Address {
    row(Verb::Post, path, who, says)
}

pub(super) const fn put(path: &'static str, who: Who, says: &'static str) -> Address {
    row(Verb::Put, path, who, says)
}

pub(super) const fn delete(path: &'static str, who: Who, says: &'static str) -> Address {
    row(Verb::Delete, path, who, says)
}

pub(super) const fn options(path: &'static str, who: Who, says: &'static str) -> Address {
    row(Verb::Options, path, who, says)
}

impl Address {
    pub(super) const fn asks(mut self, query: &'static [Field]) -> Self {
        self.query = query;
        self
    }

    pub(super) const fn takes(mut self, takes: Takes) -> Self {
        self.takes = takes;
        self
    }

    pub(super) const fn gives(mut self, gives: &'static [Gives]) -> Self {
        self.gives = gives;
        self
    }
}

pub(super) const fn must(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

pub(super) const fn may(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

pub(super) const fn any(status: u16) -> Gives {
    Gives {
        status,
        content: Content::Any,
    }
}

pub(super) const fn media(status: u16, kinds: &'static [&'static str]) -> Gives {
    Gives {
        status,
        content: Content::Media(kinds),
    }
}

pub(super) const fn json(shape: fn() -> Value) -> Gives {
    Gives {
        status: 200,
        content: Content::Json(shape),
    }
}

pub(super) const fn dicom_json(status: u16) -> Gives {
    Gives {
        status,
        content: Content::DicomJson,
    }
}

pub(super) const HTML: &[&str] = &["text/html; charset=utf-8"];

/// A page.
pub(super) const PAGE: Gives = media(200, HTML);

/// On to another page.
pub(super) const ONWARD: Gives = any(303);

/// What is named is not there.
pub(super) const NOT_THERE: Gives = any(404);

/// As things stand it cannot be done.
pub(super) const NOT_NOW: Gives = any(409);

/// What was typed does not do.
pub(super) const UNFIT: Gives = any(422);
