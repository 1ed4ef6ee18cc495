//! The inverse discrete cosine transform (T.81 section A.3.3), in integers as libjpeg's accurate one does it: the algorithm of
//! Loeffler, Ligtenberg and Moschytz (ICASSP 1989), thirteen bits behind the point.
//!
//! Sums wrap around: only coefficients that no encoder writes come so far.

use std::array::from_fn;
use std::num::Wrapping;

use super::plane::Sample;

type Number = Wrapping<i32>;

const BITS: u32 = 13;

// So many 1/8192.
const C_0_298: Number = Wrapping(2446);
const C_0_390: Number = Wrapping(3196);
const C_0_541: Number = Wrapping(4433);
const C_0_765: Number = Wrapping(6270);
const C_0_899: Number = Wrapping(7373);
const C_1_175: Number = Wrapping(9633);
const C_1_501: Number = Wrapping(12_299);
const C_1_847: Number = Wrapping(15_137);
const C_1_961: Number = Wrapping(16_069);
const C_2_053: Number = Wrapping(16_819);
const C_2_562: Number = Wrapping(20_995);
const C_3_072: Number = Wrapping(25_172);

/// The level of a block whose first coefficient is its only one.
pub(super) fn flat<S: Sample>(first: i32) -> S {
    let first = Wrapping(first) << S::GUARD as usize;
    level(rounded(first, S::GUARD + 3))
}

/// The block's samples, row by row.
#[expect(clippy::indexing_slicing, reason = "both places are below eight")]
pub(super) fn inverse<S: Sample>(coefficients: &[[i32; 8]; 8]) -> [[S; 8]; 8] {
    let mut columns = [[Wrapping(0); 8]; 8];
    for (x, turned) in columns.iter_mut().enumerate() {
        let column: [Number; 8] = from_fn(|y| Wrapping(coefficients[y][x]));
        let [first, others @ ..] = &column;
        // Most columns are of one coefficient.
        *turned = if others.iter().fold(0, |all, other| all | other.0) == 0 {
            [*first << S::GUARD as usize; 8]
        } else {
            one_dimension(column).map(|sum| rounded(sum, BITS - S::GUARD))
        };
    }
    from_fn(|y| {
        let row = one_dimension(from_fn(|x| columns[x][y]));
        row.map(|sum| level(rounded(sum, BITS + S::GUARD + 3)))
    })
}

/// Halves are rounded up.
fn rounded(sum: Number, bits: u32) -> Number {
    (sum + Wrapping(1 << (bits - 1))) >> bits as usize
}

/// T.81 section A.3.1: samples are shifted to lie about nought.
fn level<S: Sample>(sum: Number) -> S {
    S::clamped((sum + Wrapping(1 << (S::PRECISION - 1))).0)
}

fn one_dimension([s0, s1, s2, s3, s4, s5, s6, s7]: [Number; 8]) -> [Number; 8] {
    let both = (s2 + s6) * C_0_541;
    let (low, high) = (both - s6 * C_1_847, both + s2 * C_0_765);
    let (sum, difference) = ((s0 + s4) << BITS as usize, (s0 - s4) << BITS as usize);
    let even = [sum + high, difference + low, difference - low, sum - high];

    let all = (s7 + s3 + s5 + s1) * C_1_175;
    let outer = -(s7 + s1) * C_0_899;
    let inner = -(s5 + s3) * C_2_562;
    let left = all - (s7 + s3) * C_1_961;
    let right = all - (s5 + s1) * C_0_390;
    let odd = [
        s1 * C_1_501 + outer + right,
        s3 * C_3_072 + inner + left,
        s5 * C_2_053 + inner + right,
        s7 * C_0_298 + outer + left,
    ];
    [
        even[0] + odd[0],
        even[1] + odd[1],
        even[2] + odd[2],
        even[3] + odd[3],
        even[3] - odd[3],
        even[2] - odd[2],
        even[1] - odd[1],
        even[0] - odd[0],
    ]
}
