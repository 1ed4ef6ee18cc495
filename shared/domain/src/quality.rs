/// How usable a picture is. C goes to a person whatever the model said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QualityGrade {
    /// Good.
    A,
    /// Usable, with a remark.
    B,
    /// Not to be trusted: retake when possible, and an expert looks.
    C,
}

/// What is wrong with a picture; each has its retake advice in the clinic's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QualityProblem {
    /// Hardly any grey levels are used: blank, unexposed or wrong file.
    Blank,
    /// Much of the picture is fully white.
    Overexposed,
    /// Much of the picture is fully black.
    Underexposed,
    /// The grey levels used span a narrow range.
    LowContrast,
    /// Fewer pixels than the reading needs.
    LowResolution,
    /// The pixels could not be decoded.
    Undecodable,
    /// The detector got much more dose than was meant (deviation index).
    DoseHigh,
    /// The detector got much less dose than was meant (deviation index).
    DoseLow,
    /// The picture's edge cuts through what should be on it.
    AnatomyCut,
    /// Much of the field is open air: the beam was not narrowed to the patient.
    NotCollimated,
    /// The patient moved, or the picture is out of focus.
    Blurred,
    /// Turned on its side or tilted.
    Rotated,
    /// Black and white are swapped.
    Inverted,
    /// The view (PA, AP, lateral) is not named.
    ViewMissing,
    /// The side of a paired part is not named.
    LateralityMissing,
    /// The part of the body is not named.
    BodyPartMissing,
    /// The part of the body named is not the one ordered or shown.
    BodyPartWrong,
    /// Text is burnt into the picture where a name may stand.
    BurnedInText,
    /// Slices are missing within a series.
    SlicesMissing,
    /// Two slices lie at one place.
    SlicesDoubled,
    /// The slices are not equally far apart.
    SpacingUneven,
    /// Frames without a picture.
    FramesBlack,
    /// The same frame over and over.
    FramesFrozen,
    /// A film, and nothing here to decode it with.
    NoVideoDecoder,
    /// A film's stream has another size, another number of frames or another speed than its header says.
    VideoDiffers,
}

/// The grade and every reason for it; an A has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityVerdict {
    pub grade: QualityGrade,
    pub problems: Vec<QualityProblem>,
}
