//! The transforms along y.
//!
//! F(2, r) computes two outputs `y[i] = sum over j of g[j] d[i + j]` of an r-tap filter g from r + 1 inputs d with one
//! multiplication an input: `y = A^T ((G g) * (B^T d))` (Winograd 1980; Lavin and Gray 2016, equation 7). The matrices
//! follow from the points by interpolation (Toom 1963, Cook 1966): product p belongs to the p-th point. A point and its
//! negative share the sums of the even and of the odd inputs.

use crate::ops::real::Real;

/// Values of one transform; what lies beyond its own length is not used.
pub(super) type Values<T> = [T; 8];

/// The first values of a transform.
#[inline(always)]
fn values<T: Real, const N: usize>(first: [T; N]) -> Values<T> {
    let mut values = [T::ZERO; 8];
    values[..N].copy_from_slice(&first);
    values
}

/// F(2, `TAPS`).
pub(super) trait Scheme: Sync {
    /// r.
    const TAPS: usize;
    /// r + 1.
    const PRODUCTS: usize = Self::TAPS + 1;

    /// B^T d.
    fn input<T: Real>(d: Values<T>) -> Values<T>;
    /// G g.
    fn filter<T: Real>(g: Values<T>) -> Values<T>;
    /// A^T p.
    fn output<T: Real>(p: Values<T>) -> Values<T>;
    /// A y: the adjoint of [`Self::output`].
    fn output_adjoint<T: Real>(y: Values<T>) -> Values<T>;
    /// G^T p: the adjoint of [`Self::filter`].
    fn filter_adjoint<T: Real>(p: Values<T>) -> Values<T>;
}

/// The value of a constant in the element type.
#[inline(always)]
fn k<T: Real>(v: f64) -> T {
    T::down(v)
}

/// The points 0, 1 and infinity.
pub(super) struct F2x2;

impl Scheme for F2x2 {
    const TAPS: usize = 2;

    #[inline(always)]
    fn input<T: Real>([d0, d1, d2, ..]: Values<T>) -> Values<T> {
        values([d0 - d1, d1, d2 - d1])
    }

    #[inline(always)]
    fn filter<T: Real>([g0, g1, ..]: Values<T>) -> Values<T> {
        values([g0, g0 + g1, g1])
    }

    #[inline(always)]
    fn output<T: Real>([p0, p1, p2, ..]: Values<T>) -> Values<T> {
        values([p0 + p1, p1 + p2])
    }

    #[inline(always)]
    fn output_adjoint<T: Real>([y0, y1, ..]: Values<T>) -> Values<T> {
        values([y0, y0 + y1, y1])
    }

    #[inline(always)]
    fn filter_adjoint<T: Real>([p0, p1, p2, ..]: Values<T>) -> Values<T> {
        values([p0 + p1, p1 + p2])
    }
}

/// The points 0, 1, -1 and infinity.
pub(super) struct F2x3;

impl Scheme for F2x3 {
    const TAPS: usize = 3;

    #[inline(always)]
    fn input<T: Real>([d0, d1, d2, d3, ..]: Values<T>) -> Values<T> {
        values([d0 - d2, d2 + d1, d2 - d1, d3 - d1])
    }

    #[inline(always)]
    fn filter<T: Real>([g0, g1, g2, ..]: Values<T>) -> Values<T> {
        let (even, odd) = ((g0 + g2) * k(0.5), g1 * k(0.5));
        values([g0, even + odd, even - odd, g2])
    }

    #[inline(always)]
    fn output<T: Real>([p0, p1, p2, p3, ..]: Values<T>) -> Values<T> {
        values([p0 + (p1 + p2), (p1 - p2) + p3])
    }

    #[inline(always)]
    fn output_adjoint<T: Real>([y0, y1, ..]: Values<T>) -> Values<T> {
        values([y0, y0 + y1, y0 - y1, y1])
    }

    #[inline(always)]
    fn filter_adjoint<T: Real>([p0, p1, p2, p3, ..]: Values<T>) -> Values<T> {
        let (even, odd) = ((p1 + p2) * k(0.5), (p1 - p2) * k(0.5));
        values([p0 + even, odd, even + p3])
    }
}

/// The points 0, 1, -1, 2, -2 and infinity.
pub(super) struct F2x5;

impl Scheme for F2x5 {
    const TAPS: usize = 5;

    #[inline(always)]
    fn input<T: Real>([d0, d1, d2, d3, d4, d5, ..]: Values<T>) -> Values<T> {
        let (a, b) = (d4 - k::<T>(4.0) * d2, d3 - k::<T>(4.0) * d1);
        let (e, f) = (d4 - d2, k::<T>(2.0) * (d3 - d1));
        let first = k::<T>(4.0) * d0 - k::<T>(5.0) * d2 + d4;
        let last = k::<T>(4.0) * d1 - k::<T>(5.0) * d3 + d5;
        values([first, a + b, a - b, e + f, e - f, last])
    }

    #[inline(always)]
    fn filter<T: Real>([g0, g1, g2, g3, g4, ..]: Values<T>) -> Values<T> {
        let (a, b) = ((g0 + g2 + g4) * k(-1.0 / 6.0), (g1 + g3) * k(-1.0 / 6.0));
        let e = g0 * k(1.0 / 24.0) + g2 * k(1.0 / 6.0) + g4 * k(2.0 / 3.0);
        let f = g1 * k(1.0 / 12.0) + g3 * k(1.0 / 3.0);
        values([g0 * k(0.25), a + b, a - b, e + f, e - f, g4])
    }

    #[inline(always)]
    fn output<T: Real>([p0, p1, p2, p3, p4, p5, ..]: Values<T>) -> Values<T> {
        values([p0 + (p1 + p2) + (p3 + p4), (p1 - p2) + k::<T>(2.0) * (p3 - p4) + p5])
    }

    #[inline(always)]
    fn output_adjoint<T: Real>([y0, y1, ..]: Values<T>) -> Values<T> {
        let twice = k::<T>(2.0) * y1;
        values([y0, y0 + y1, y0 - y1, y0 + twice, y0 - twice, y1])
    }

    #[inline(always)]
    fn filter_adjoint<T: Real>([p0, p1, p2, p3, p4, p5, ..]: Values<T>) -> Values<T> {
        let (a, b) = ((p1 + p2) * k(-1.0 / 6.0), (p1 - p2) * k(-1.0 / 6.0));
        let (c, d) = (p3 + p4, p3 - p4);
        let (g0, g1) = (p0 * k(0.25) + a + c * k(1.0 / 24.0), b + d * k(1.0 / 12.0));
        let (g2, g3) = (a + c * k(1.0 / 6.0), b + d * k(1.0 / 3.0));
        values([g0, g1, g2, g3, a + c * k(2.0 / 3.0) + p5])
    }
}

/// The points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity.
pub(super) struct F2x7;

impl Scheme for F2x7 {
    const TAPS: usize = 7;

    #[inline(always)]
    fn input<T: Real>([d0, d1, d2, d3, d4, d5, d6, d7]: Values<T>) -> Values<T> {
        let (a, b) = (d2 - k::<T>(4.25) * d4 + d6, d1 - k::<T>(4.25) * d3 + d5);
        let c = k::<T>(0.25) * d2 - k::<T>(1.25) * d4 + d6;
        let d = k::<T>(0.5) * d1 - k::<T>(2.5) * d3 + k::<T>(2.0) * d5;
        let e = k::<T>(4.0) * d2 - k::<T>(5.0) * d4 + d6;
        let f = k::<T>(2.0) * d1 - k::<T>(2.5) * d3 + k::<T>(0.5) * d5;
        let first = k::<T>(5.25) * (d2 - d4) + (d6 - d0);
        let last = k::<T>(5.25) * (d3 - d5) + (d7 - d1);
        [first, a + b, a - b, c + d, c - d, e + f, e - f, last]
    }

    #[inline(always)]
    fn filter<T: Real>([g0, g1, g2, g3, g4, g5, g6, _]: Values<T>) -> Values<T> {
        let (a, b) = ((g0 + g2 + g4 + g6) * k(-2.0 / 9.0), (g1 + g3 + g5) * k(-2.0 / 9.0));
        let c = (g0 + k::<T>(4.0) * g2 + k::<T>(16.0) * g4 + k::<T>(64.0) * g6) * k(1.0 / 90.0);
        let d = (k::<T>(2.0) * g1 + k::<T>(8.0) * g3 + k::<T>(32.0) * g5) * k(1.0 / 90.0);
        let e = (k::<T>(64.0) * g0 + k::<T>(16.0) * g2 + k::<T>(4.0) * g4 + g6) * k(1.0 / 90.0);
        let f = (k::<T>(32.0) * g1 + k::<T>(8.0) * g3 + k::<T>(2.0) * g5) * k(1.0 / 90.0);
        [T::ZERO - g0, a + b, a - b, c + d, c - d, e + f, e - f, g6]
    }

    #[inline(always)]
    fn output<T: Real>([p0, p1, p2, p3, p4, p5, p6, p7]: Values<T>) -> Values<T> {
        let first = p0 + (p1 + p2) + (p3 + p4) + (p5 + p6);
        values([first, (p1 - p2) + k::<T>(2.0) * (p3 - p4) + k::<T>(0.5) * (p5 - p6) + p7])
    }

    #[inline(always)]
    fn output_adjoint<T: Real>([y0, y1, ..]: Values<T>) -> Values<T> {
        let (twice, half) = (k::<T>(2.0) * y1, k::<T>(0.5) * y1);
        [y0, y0 + y1, y0 - y1, y0 + twice, y0 - twice, y0 + half, y0 - half, y1]
    }

    #[inline(always)]
    fn filter_adjoint<T: Real>([p0, p1, p2, p3, p4, p5, p6, p7]: Values<T>) -> Values<T> {
        let (a, b) = ((p1 + p2) * k(-2.0 / 9.0), (p1 - p2) * k(-2.0 / 9.0));
        let (c, d) = ((p3 + p4) * k(1.0 / 90.0), (p3 - p4) * k(1.0 / 90.0));
        let (e, f) = ((p5 + p6) * k(1.0 / 90.0), (p5 - p6) * k(1.0 / 90.0));
        [
            a + c + k::<T>(64.0) * e - p0,
            b + k::<T>(2.0) * d + k::<T>(32.0) * f,
            a + k::<T>(4.0) * c + k::<T>(16.0) * e,
            b + k::<T>(8.0) * d + k::<T>(8.0) * f,
            a + k::<T>(16.0) * c + k::<T>(4.0) * e,
            b + k::<T>(32.0) * d + k::<T>(2.0) * f,
            a + k::<T>(64.0) * c + e + p7,
            T::ZERO,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn check<S: Scheme>() {
        let sines = |len: usize, factor: f64| -> Values<f64> {
            std::array::from_fn(|i| if i < len { ((i + 1) as f64 * factor).sin() } else { 0.0 })
        };
        let (d, g) = (sines(S::PRODUCTS, 1.7), sines(S::TAPS, 2.3));
        let (input, filter) = (S::input(d), S::filter(g));
        let y = S::output(std::array::from_fn(|p| input[p] * filter[p]));
        for (i, y) in y.iter().take(2).enumerate() {
            let off = (y - dot(&g[..S::TAPS], &d[i..])).abs();
            assert!(off < 1e-13, "{} taps, output {i} off by {off:e}", S::TAPS);
        }
        // Adjoints: (A^T p) y = p (A y), and (G g) p = g (G^T p).
        let (p, v) = (sines(S::PRODUCTS, 0.9), sines(2, 0.6));
        assert!((dot(&S::output(p), &v) - dot(&p, &S::output_adjoint(v))).abs() < 1e-13);
        assert!((dot(&filter, &p) - dot(&g, &S::filter_adjoint(p))).abs() < 1e-13);
    }

    #[test]
    fn two_outputs_are_the_plain_sums() {
        check::<F2x2>();
        check::<F2x3>();
        check::<F2x5>();
        check::<F2x7>();
    }
}
