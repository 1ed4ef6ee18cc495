//! Shamir's secret sharing over the scalar field of Curve25519 (about 2^252, so one share is 32 bytes and a thousand
//! holders are no limit). Share `x` is the polynomial at `x`, from 1; the secret is its value at 0. The field's
//! arithmetic is curve25519-dalek's, in constant time.

use curve25519_dalek::scalar::Scalar;
use zeroize::Zeroizing;

/// Coefficients, lowest first; the first is the secret. Any `len` shares determine it, fewer tell nothing.
pub(crate) struct Polynomial(Zeroizing<Vec<Scalar>>);

impl Polynomial {
    pub(crate) fn new(secret: Scalar, others: impl Iterator<Item = Scalar>) -> Self {
        // Collected in one allocation: a grown one would leave a copy behind.
        let mut coefficients = Vec::with_capacity(others.size_hint().0 + 1);
        coefficients.push(secret);
        coefficients.extend(others);
        Self(Zeroizing::new(coefficients))
    }

    pub(crate) fn share(&self, x: u16) -> Scalar {
        let x = Scalar::from(x);
        self.0
            .iter()
            .rev()
            .fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient)
    }
}

/// Lagrange's weights at 0 for distinct places `xs`, none of them 0.
pub(crate) fn weights(xs: &[u16]) -> Vec<Scalar> {
    let product: Scalar = xs.iter().map(|x| Scalar::from(*x)).product();
    // weight_i = Π_{j≠i} x_j / (x_j - x_i)
    let mut weights: Vec<Scalar> = xs
        .iter()
        .map(|x_i| {
            let differences = xs.iter().filter(|x_j| *x_j != x_i);
            differences.fold(Scalar::from(*x_i), |denominator, x_j| {
                denominator * (Scalar::from(*x_j) - Scalar::from(*x_i))
            })
        })
        .collect();
    Scalar::invert_batch_alloc(&mut weights);
    for weight in &mut weights {
        *weight *= product;
    }
    weights
}

/// The secret, from shares at the places the weights were made for.
pub(crate) fn combine<'a>(weights: &[Scalar], shares: impl IntoIterator<Item = &'a Scalar>) -> Scalar {
    weights
        .iter()
        .zip(shares)
        .map(|(weight, share)| weight * share)
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scalar(n: u64) -> Scalar {
        Scalar::from(n) * Scalar::from(u64::MAX) + Scalar::from(n)
    }

    proptest! {
        #[test]
        fn any_threshold_of_shares_gives_the_secret_and_one_less_does_not(
            secret in any::<u64>(),
            others in prop::collection::vec(1..u64::MAX, 1..12),
            mut holders in Just((1..=1000_u16).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let threshold = others.len() + 1;
            let polynomial = Polynomial::new(scalar(secret), others.into_iter().map(scalar));
            holders.truncate(threshold);
            let shares: Vec<Scalar> = holders.iter().map(|x| polynomial.share(*x)).collect();
            prop_assert_eq!(combine(&weights(&holders), &shares), scalar(secret));
            let fewer = weights(&holders[1..]);
            prop_assert_ne!(combine(&fewer, &shares[1..]), scalar(secret));
        }
    }
}
