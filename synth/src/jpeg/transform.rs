//! From a block's lowest frequencies to 1, 2 or 4 values along each side.
//!
//! The values are those of the inverse transform of as many points (the DCT-II of N points on the N lowest frequencies):
//! with JPEG's scale,
//!
//! ```text
//! x(n, m) = 1/8 sum over l, k < N of a(n, l) a(m, k) X(l, k),  a(n, 0) = 1, a(n, k) = sqrt 2 cos((2n + 1) k pi / 2N)
//! ```

/// Frequencies of a block, 4 x 4, row by row, dequantised.
pub(super) type Block = [i32; 16];

/// Row and column of the first 25 coefficients in the order of the scan (T.81, figure A.6); the rest lies beyond 4 x 4.
const ORDER: [(usize, usize); 25] = [
    (0, 0),
    (0, 1),
    (1, 0),
    (2, 0),
    (1, 1),
    (0, 2),
    (0, 3),
    (1, 2),
    (2, 1),
    (3, 0),
    (4, 0),
    (3, 1),
    (2, 2),
    (1, 3),
    (0, 4),
    (0, 5),
    (1, 4),
    (2, 3),
    (3, 2),
    (4, 1),
    (5, 0),
    (6, 0),
    (5, 1),
    (4, 2),
    (3, 3),
];

/// Fractional bits of the factors.
const FRACTION: u32 = 12;
/// sqrt 2 cos(pi / 8) and sqrt 2 cos(3 pi / 8).
const WIDE: i32 = 5352;
const NARROW: i32 = 2217;
const ONE: i32 = 1 << FRACTION;

/// a(n, k) for 4 points.
const FOUR: [[i32; 4]; 4] =
    [[ONE, WIDE, ONE, NARROW], [ONE, NARROW, -ONE, -WIDE], [ONE, -NARROW, -ONE, WIDE], [ONE, -WIDE, ONE, -NARROW]];
/// For 2 points: sqrt 2 cos(pi / 4) is 1.
const TWO: [[i32; 4]; 2] = [[ONE, ONE, 0, 0], [ONE, -ONE, 0, 0]];
const SINGLE: [[i32; 4]; 1] = [[ONE, 0, 0, 0]];

/// How many values a block becomes.
pub(super) struct Shape {
    pub(super) height: usize,
    pub(super) width: usize,
    /// The last coefficient, in the order of the scan, that they depend on.
    pub(super) last: usize,
}

impl Shape {
    /// None for sides other than 1, 2 and 4.
    pub(super) fn new(height: usize, width: usize) -> Option<Self> {
        let known = |n| matches!(n, 1 | 2 | 4);
        let last = ORDER.iter().rposition(|(l, k)| *l < height && *k < width)?;
        (known(height) && known(width)).then_some(Self { height, width, last })
    }

    /// Where a coefficient belongs in a [`Block`], if the values depend on it.
    #[inline]
    pub(super) fn place(&self, at: usize) -> Option<usize> {
        let (l, k) = *ORDER.get(at)?;
        (l < self.height && k < self.width).then_some(l * 4 + k)
    }

    /// Writes the values of a block, 0 to 255, to the top left of `to`.
    #[inline]
    pub(super) fn write(&self, block: &Block, to: &mut [u8], stride: usize) {
        match (self.height, self.width) {
            (1, 1) => to[0] = byte(block[0]),
            (2, 2) => {
                let (sum, difference) = (block[0] + block[4], block[0] - block[4]);
                let (sum_1, difference_1) = (block[1] + block[5], block[1] - block[5]);
                (to[0], to[1]) = (byte(sum + sum_1), byte(sum - sum_1));
                (to[stride], to[stride + 1]) = (byte(difference + difference_1), byte(difference - difference_1));
            }
            _ => self.write_any(block, to, stride),
        }
    }

    fn write_any(&self, block: &Block, to: &mut [u8], stride: usize) {
        let basis = |n: usize| -> &[[i32; 4]] {
            match n {
                1 => &SINGLE,
                2 => &TWO,
                _ => &FOUR,
            }
        };
        for (n, row) in basis(self.height).iter().enumerate() {
            // Two fractional bits stay: 2^13 x 2^12.4 x 4 / 2^10 x 2^12.4 x 4 is below 2^31.
            let line: [i32; 4] = std::array::from_fn(|k| {
                (0..self.height).map(|l| row[l] * block[l * 4 + k]).sum::<i32>() >> (FRACTION - 2)
            });
            for (m, column) in basis(self.width).iter().enumerate() {
                let sum: i32 = (0..self.width).map(|k| column[k] * line[k]).sum();
                to[n * stride + m] = byte((sum + (1 << (FRACTION + 1))) >> (FRACTION + 2));
            }
        }
    }
}

/// A coefficient times its step, kept within four times what 8-bit pictures have, so that no sum overflows.
#[inline(always)]
pub(super) fn dequantised(value: i32, step: u8) -> i32 {
    (value.clamp(-4096, 4095) * i32::from(step)).clamp(-4096, 4095)
}

/// From eight times a value around 0 to a byte around 128, rounded.
#[inline(always)]
fn byte(eightfold: i32) -> u8 {
    (((eightfold + 4) >> 3) + 128).clamp(0, 255) as u8
}
