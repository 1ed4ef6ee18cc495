//! Who may open an association: our AE title called, a known scanner calling.

use std::net::IpAddr;

use dicom_ul::association::server::AccessControl;
use dicom_ul::pdu::{AssociationRJServiceUserReason as Reason, UserIdentity};

use crate::clock::now_ms;
use crate::scanners::Scanners;

pub(super) struct AePolicy {
    pub(super) scanners: Scanners,
    pub(super) address: IpAddr,
}

impl AccessControl for AePolicy {
    fn check_access(
        &self,
        this_ae_title: &str,
        calling_ae_title: &str,
        called_ae_title: &str,
        _user_identity: Option<&UserIdentity>,
    ) -> Result<(), Reason> {
        let (calling, called) = (calling_ae_title.trim(), called_ae_title.trim());
        if called != this_ae_title {
            tracing::warn!(
                scanner = %printable(calling),
                called = %printable(called),
                ours = this_ae_title,
                address = %self.address,
                "An association for another AE title was refused; correct the scanner's settings."
            );
            return Err(Reason::CalledAETitleNotRecognized);
        }
        if !is_ae_title(calling) || !self.scanners.admit(calling, self.address, now_ms()) {
            tracing::warn!(
                scanner = %printable(calling),
                address = %self.address,
                "An unknown scanner was refused; allow it on the clinic page or in the site file."
            );
            return Err(Reason::CallingAETitleNotRecognized);
        }
        Ok(())
    }
}

/// PS3.5 table 6.2-1: 1 to 16 characters, no backslash, no control characters.
pub(super) fn is_ae_title(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\')
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(16)
        .collect()
}
