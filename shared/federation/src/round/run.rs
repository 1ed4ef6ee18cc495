/// How long a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunRules {
    /// Rounds in all, at least 1.
    pub rounds: u32,
    /// A failed round is tried again this often.
    pub retries: u32,
}

/// What a run does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStep {
    /// Start this attempt of this round; both count from 1.
    Attempt { round: u32, attempt: u32 },
    /// All rounds are done: make the candidate.
    Finish,
    /// The round was tried often enough.
    Fail,
}

impl RunRules {
    pub const FIRST: RunStep = RunStep::Attempt { round: 1, attempt: 1 };

    /// After the end of an attempt.
    #[must_use]
    pub fn after(&self, round: u32, attempt: u32, finished: bool) -> RunStep {
        match (finished, round < self.rounds, attempt <= self.retries) {
            (true, true, _) => RunStep::Attempt {
                round: round + 1,
                attempt: 1,
            },
            (true, false, _) => RunStep::Finish,
            (false, _, true) => RunStep::Attempt {
                round,
                attempt: attempt + 1,
            },
            (false, _, false) => RunStep::Fail,
        }
    }
}
