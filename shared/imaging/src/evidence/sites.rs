//! Where in the body a finding lies by its nature.

use barefoot_domain::FindingCode;

use crate::report::codes::{Code, Scheme, code};

/// In SNOMED CT; `None` where the finding's name does not say it.
pub(super) fn site_of(finding: &FindingCode) -> Option<Code> {
    let (value, meaning) = match finding.as_str() {
        "pneumonia" | "tuberculosis" | "lung_nodule" | "atelectasis" | "consolidation" | "emphysema"
        | "pulmonary_edema" | "interstitial" => ("39607008", "Lung"),
        "pneumothorax" | "pleural_effusion" => ("3120008", "Pleura"),
        "cardiomegaly" => ("80891009", "Heart"),
        "rib_fracture" => ("113197003", "Rib"),
        "intracranial_haemorrhage" | "cerebral_infarction" => ("12738006", "Brain"),
        "fatty_liver" | "liver_lesion" => ("10200004", "Liver"),
        "gallstone" => ("28231008", "Gallbladder"),
        "hydronephrosis" => ("64033007", "Kidney"),
        "appendicitis" => ("66754008", "Appendix"),
        "thyroid_nodule" => ("69748006", "Thyroid"),
        _ => return None,
    };
    Some(code(Scheme::Snomed, value, meaning))
}

/// What was done, by the images' modality and the finding's place.
pub(super) fn procedure(modality: &str) -> Code {
    let (value, meaning) = match modality {
        "CR" | "DX" | "RG" => ("168537006", "Plain radiography"),
        "CT" => ("77477000", "Computed tomography"),
        "MR" => ("113091000", "Magnetic resonance imaging"),
        "US" => ("16310003", "Ultrasonography"),
        _ => ("363679005", "Imaging"),
    };
    code(Scheme::Snomed, value, meaning)
}
