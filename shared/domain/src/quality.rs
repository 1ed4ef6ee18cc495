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
}

/// The grade and every reason for it; an A has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityVerdict {
    pub grade: QualityGrade,
    pub problems: Vec<QualityProblem>,
}
