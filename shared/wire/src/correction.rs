use barefoot_domain::{CaseId, ClinicId, Correction, FindingCode};
use prost::Message;

use crate::cases::{MAX_REGIONS, region_from_wire, region_to_wire};
use crate::convert::{envelope, is_ulid};
use crate::{DecodeError, v1};

/// `id` is the envelope's; the correction has its own.
#[must_use]
pub fn correction_envelope(id: String, clinic: &ClinicId, correction: &Correction) -> v1::Envelope {
    let body = v1::Correction {
        correction_id: correction.id.clone(),
        case_id: correction.case.as_str().to_owned(),
        version: correction.version,
        finding: correction.finding.as_str().to_owned(),
        present: correction.present,
        recorded_at_ms: correction.recorded_at_ms,
        region: correction.regions.iter().map(region_to_wire).collect(),
    };
    envelope(id, clinic, v1::Kind::Correction, body.encode_to_vec())
}

/// # Errors
/// When the body is no correction, or one of its fields is missing or outside its range.
pub fn decode_correction(body: &[u8]) -> Result<Correction, DecodeError> {
    let correction = v1::Correction::decode(body).map_err(|source| DecodeError::Protobuf {
        message: "Correction",
        source,
    })?;
    let field = |field| DecodeError::Field { field };
    if !is_ulid(&correction.correction_id) {
        return Err(field("correction_id"));
    }
    if correction.version == 0 {
        return Err(field("version"));
    }
    if MAX_REGIONS < correction.region.len() {
        return Err(field("region (too many items)"));
    }
    Ok(Correction {
        id: correction.correction_id,
        case: CaseId::new(correction.case_id).map_err(|_| field("case_id"))?,
        version: correction.version,
        finding: FindingCode::new(correction.finding).map_err(|_| field("finding"))?,
        present: correction.present,
        regions: correction
            .region
            .into_iter()
            .map(region_from_wire)
            .collect::<Result<_, _>>()?,
        recorded_at_ms: correction.recorded_at_ms,
    })
}

#[cfg(test)]
mod tests {
    use barefoot_domain::{Region, Shape};
    use proptest::prelude::*;

    use super::*;
    use crate::decode_envelope;

    fn correction() -> Correction {
        Correction {
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            case: CaseId::new("2.25.7").unwrap(),
            version: 2,
            finding: FindingCode::new("pneumonia").unwrap(),
            present: true,
            regions: vec![Region {
                instance: "2.25.9".into(),
                frame: 1,
                shape: Shape::Ellipse,
                points: vec![(10.0, 20.5), (30.0, 40.0)],
            }],
            recorded_at_ms: 5,
        }
    }

    #[test]
    fn a_correction_comes_back_as_it_went() {
        let clinic = ClinicId::new("clinic-7").unwrap();
        let sent = correction_envelope("01ARZ3NDEKTSV4RRFFQ69G5FAW".into(), &clinic, &correction());
        let received = decode_envelope(&sent.encode_to_vec()).unwrap();
        assert_eq!(received.kind(), v1::Kind::Correction);
        assert_eq!(decode_correction(&received.body).unwrap(), correction());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = decode_correction(&bytes);
        }
    }
}
