use crate::chunk::ChunkId;
use crate::noise::share_of;
use crate::secagg::{Params, RoundContext};

/// Standard deviations of its noise beyond the clip norm at which a value is clamped: one in 10^15 is.
const NOISE_REACH: f64 = 8.0;

/// What a round's terms say about secure aggregation. Hub and clinics make [`Params`] of it by the same rule.
#[derive(Debug, Clone, PartialEq)]
pub struct SecureTerms<'a> {
    pub run: &'a str,
    pub round: u32,
    pub attempt: u32,
    /// The chunks of the round's global parameters.
    pub global: &'a [ChunkId],
    /// `P`: values of the model.
    pub values: usize,
    /// Most clinics of the round; from 3 to 1000.
    pub participants: u32,
    /// Fewest clinics, above two thirds of the participants: the threshold.
    pub quorum: u32,
    /// Positive: it bounds every value, and so sets the quantiser's step.
    pub clip_norm: f64,
    /// 0 where no noise is asked for.
    pub noise_multiplier: f64,
    /// A claim of more examples counts as this many. With noise every clinic counts as one example.
    pub example_cap: u32,
}

/// Why no parameters can be made of the terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecureTermsError {
    #[error("The numbers of clinics are out of range.")]
    Clinics,
    #[error("The terms do not fit secure aggregation.")]
    Params(#[from] crate::secagg::Error),
}

impl SecureTerms<'_> {
    /// The parameters of the attempt. Run, round, attempt and the global parameters all enter the keys, so nothing of
    /// one attempt fits another.
    ///
    /// # Errors
    /// [`SecureTermsError`].
    pub fn params(&self) -> Result<Params, SecureTermsError> {
        let small = |count: u32| u16::try_from(count).map_err(|_| SecureTermsError::Clinics);
        let deviation = share_of(self.noise_multiplier * self.clip_norm, self.quorum);
        let reach = self.clip_norm + NOISE_REACH * deviation;
        let names: Vec<u8> = self.global.iter().flat_map(|id| id.0).collect();
        let context = RoundContext {
            run: format!("{} attempt {}", self.run, self.attempt),
            round: self.round,
            model: ChunkId::of(&names).0,
        };
        let (participants, threshold) = (small(self.participants)?, small(self.quorum)?);
        let cap = self.weight_cap();
        Ok(Params::new(
            participants,
            threshold,
            self.values,
            reach as f32,
            cap,
            context,
        )?)
    }

    /// The largest weight of one clinic: with noise all count the same.
    #[must_use]
    pub fn weight_cap(&self) -> u32 {
        if 0.0 < self.noise_multiplier {
            1
        } else {
            self.example_cap.max(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: SecureTerms<'static> = SecureTerms {
        run: "r",
        round: 2,
        attempt: 1,
        global: &[],
        values: 10,
        participants: 8,
        quorum: 6,
        clip_norm: 2.0,
        noise_multiplier: 0.0,
        example_cap: 500,
    };

    #[test]
    fn noise_widens_the_clamp_and_levels_the_weights() {
        let plain = TERMS.params().unwrap();
        assert_eq!(
            (plain.quantiser().clip(), plain.quantiser().weight_cap()),
            (2.0, 500)
        );
        assert_eq!((plain.participants(), plain.threshold()), (8, 6));
        let noised = SecureTerms {
            noise_multiplier: 1.0,
            ..TERMS
        }
        .params()
        .unwrap();
        let expected = 2.0 + 8.0 * 2.0 / 6.0_f32.sqrt();
        assert!((noised.quantiser().clip() - expected).abs() < 1e-5);
        assert_eq!(noised.quantiser().weight_cap(), 1);
    }

    #[test]
    fn another_attempt_or_model_is_another_context() {
        let of = |terms: SecureTerms<'_>| terms.params().unwrap();
        assert_ne!(of(TERMS), of(SecureTerms { attempt: 2, ..TERMS }));
        let other = [ChunkId::of(b"x")];
        assert_ne!(
            of(TERMS),
            of(SecureTerms {
                global: &other,
                ..TERMS
            })
        );
        for bad in [
            SecureTerms {
                clip_norm: 0.0,
                ..TERMS
            },
            SecureTerms {
                clip_norm: f64::NAN,
                ..TERMS
            },
            SecureTerms {
                participants: 70_000,
                ..TERMS
            },
            SecureTerms { quorum: 5, ..TERMS },
        ] {
            bad.params().unwrap_err();
        }
    }
}
