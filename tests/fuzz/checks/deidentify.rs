//! Data sets on their way out of a clinic: whatever stands in them, what comes out has the profile's form.

use barefoot_imaging::data_set::{Limits, read, write};
use barefoot_imaging::deidentify::{
    Characteristics, Dates, Policy, Pseudonyms, check as check_file, check_attributes, clean_attributes,
};

const SYNTAXES: [&str; 3] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"];

struct Names;

impl Pseudonyms for Names {
    fn uid(&self, uid: &str) -> String {
        format!("2.25.{}", uid.len())
    }

    fn patient(&self, identity: &str) -> String {
        format!("P{:032X}", identity.len())
    }

    fn days(&self, identity: &str) -> i64 {
        -30 - i64::try_from(identity.len() % 100).unwrap_or(0)
    }
}

/// The first byte says which transfer syntax and policy, the others are a data set, or a whole file that claims to be
/// de-identified.
pub(crate) fn check(bytes: &[u8]) {
    let _ = check_file(bytes);
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let syntax = SYNTAXES[usize::from(*which) % SYNTAXES.len()];
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let Ok(set) = read(bytes, syntax, &limits) else {
        return;
    };
    let base = if which & 0x80 == 0 {
        Policy::care()
    } else {
        Policy::research()
    };
    let policy = Policy {
        dates: if which & 0x10 == 0 {
            Dates::Shifted
        } else {
            Dates::Kept
        },
        characteristics: if which & 0x20 == 0 {
            Characteristics::Kept
        } else {
            Characteristics::SexAndAgeBand
        },
        trust_declared_clean: which & 0x40 == 0,
        ..base
    };
    let clean = clean_attributes(&set, "id", &Names, &policy);
    check_attributes(&clean).expect("what was cleaned has the form");
    let written = write(&clean, "1.2.840.10008.1.2.1").expect("what was cleaned can be written");
    let again = read(&written, "1.2.840.10008.1.2.1", &limits).expect("what was written can be read");
    check_attributes(&again).expect("what was written has the form");
}
