//! Every address of the web server, as one table: what is asked there, by whom, what comes back. `/api/openapi.json` is made of
//! it, and what stands in no row is not served.
//!
//! ```text
//! address    what a row says
//! pages      rows of results, models, accounts and the log
//! room       rows of the reading room
//! dicomweb   rows below /dicom-web
//! shapes     the JSON that programs read
//! document   all of it as OpenAPI 3.1
//! listed     stands before the pages, and serves the document
//! ```

mod address;
mod dicomweb;
mod document;
mod listed;
mod pages;
mod room;
mod shapes;

pub(crate) use listed::{only_listed, router};

use self::address::Address;

/// All rows.
fn addresses() -> impl Iterator<Item = &'static Address> {
    pages::ADDRESSES
        .iter()
        .chain(room::ADDRESSES)
        .chain(dicomweb::ADDRESSES)
}

#[cfg(test)]
mod tests;
