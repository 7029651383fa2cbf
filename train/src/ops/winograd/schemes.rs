//! The transforms along one axis.
//!
//! A scheme F(m, r) computes m outputs `y[i] = sum over j of g[j] d[i + j]` of an r-tap filter g from m + r - 1 inputs d
//! with one multiplication an input: `y = A^T ((G g) * (B^T d))` (Winograd 1980; Lavin and Gray 2016, equation 7).

use crate::ops::real::Real;

/// F(`OUT`, `TAPS`). Arrays are as long as the largest scheme needs; what lies beyond a scheme's own length is not used.
pub(in crate::ops) trait Scheme: Sync {
    /// r.
    const TAPS: usize;
    /// m.
    const OUT: usize;
    /// m + r - 1.
    const SIDE: usize = Self::OUT + Self::TAPS - 1;
    /// Multiplications of a tile.
    const PRODUCTS: usize = Self::SIDE * Self::SIDE;
    /// Tenths of the multiplications left that plain sums would take, at least, before the transforms pay.
    const GAIN: usize;

    /// B^T d.
    fn input<T: Real>(d: [T; 6]) -> [T; 6];
    /// G g.
    fn filter<T: Real>(g: [T; 3]) -> [T; 6];
    /// A^T p.
    fn output<T: Real>(p: [T; 6]) -> [T; 4];
    /// A y: the adjoint of [`Self::output`].
    fn output_adjoint<T: Real>(y: [T; 4]) -> [T; 6];
    /// G^T p: the adjoint of [`Self::filter`].
    fn filter_adjoint<T: Real>(p: [T; 6]) -> [T; 3];
}

/// The value of a constant in the element type.
#[inline(always)]
fn k<T: Real>(v: f64) -> T {
    T::down(v)
}

/// F(4, 3), from the points 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016, section 4.2).
pub(in crate::ops) struct F4x3;

impl Scheme for F4x3 {
    const TAPS: usize = 3;
    const OUT: usize = 4;
    const GAIN: usize = 19;

    #[inline(always)]
    fn input<T: Real>(d: [T; 6]) -> [T; 6] {
        let (a, b) = (d[4] - k::<T>(4.0) * d[2], d[3] - k::<T>(4.0) * d[1]);
        let (e, f) = (d[4] - d[2], k::<T>(2.0) * (d[3] - d[1]));
        let first = k::<T>(4.0) * d[0] - k::<T>(5.0) * d[2] + d[4];
        let last = k::<T>(4.0) * d[1] - k::<T>(5.0) * d[3] + d[5];
        [first, a + b, a - b, e + f, e - f, last]
    }

    #[inline(always)]
    fn filter<T: Real>(g: [T; 3]) -> [T; 6] {
        let even = (g[0] + g[2]) * k(-1.0 / 6.0);
        let odd = g[1] * k(-1.0 / 6.0);
        let far = g[0] * k(1.0 / 24.0) + g[2] * k(1.0 / 6.0);
        let half = g[1] * k(1.0 / 12.0);
        [g[0] * k(0.25), even + odd, even - odd, far + half, far - half, g[2]]
    }

    #[inline(always)]
    fn output<T: Real>(p: [T; 6]) -> [T; 4] {
        let (a, b) = (p[1] + p[2], p[1] - p[2]);
        let (c, d) = (p[3] + p[4], p[3] - p[4]);
        [p[0] + a + c, b + k::<T>(2.0) * d, a + k::<T>(4.0) * c, b + k::<T>(8.0) * d + p[5]]
    }

    #[inline(always)]
    fn output_adjoint<T: Real>(y: [T; 4]) -> [T; 6] {
        let (even, odd) = (y[0] + y[2], y[1] + y[3]);
        let (far, further) = (y[0] + k::<T>(4.0) * y[2], k::<T>(2.0) * y[1] + k::<T>(8.0) * y[3]);
        [y[0], even + odd, even - odd, far + further, far - further, y[3]]
    }

    #[inline(always)]
    fn filter_adjoint<T: Real>(p: [T; 6]) -> [T; 3] {
        let (a, b) = ((p[1] + p[2]) * k(-1.0 / 6.0), (p[1] - p[2]) * k(-1.0 / 6.0));
        let (c, d) = (p[3] + p[4], p[3] - p[4]);
        [p[0] * k(0.25) + a + c * k(1.0 / 24.0), b + d * k(1.0 / 12.0), a + c * k(1.0 / 6.0) + p[5]]
    }
}

/// F(3, 2), from the points 0, 1, -1 and infinity.
pub(in crate::ops) struct F3x2;

impl Scheme for F3x2 {
    const TAPS: usize = 2;
    const OUT: usize = 3;
    const GAIN: usize = 16;

    #[inline(always)]
    fn input<T: Real>(d: [T; 6]) -> [T; 6] {
        [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1], T::ZERO, T::ZERO]
    }

    #[inline(always)]
    fn filter<T: Real>(g: [T; 3]) -> [T; 6] {
        [g[0], (g[0] + g[1]) * k(0.5), (g[0] - g[1]) * k(0.5), g[1], T::ZERO, T::ZERO]
    }

    #[inline(always)]
    fn output<T: Real>(p: [T; 6]) -> [T; 4] {
        [p[0] + p[1] + p[2], p[1] - p[2], p[1] + p[2] + p[3], T::ZERO]
    }

    #[inline(always)]
    fn output_adjoint<T: Real>(y: [T; 4]) -> [T; 6] {
        let even = y[0] + y[2];
        [y[0], even + y[1], even - y[1], y[2], T::ZERO, T::ZERO]
    }

    #[inline(always)]
    fn filter_adjoint<T: Real>(p: [T; 6]) -> [T; 3] {
        let (a, b) = ((p[1] + p[2]) * k(0.5), (p[1] - p[2]) * k(0.5));
        [p[0] + a, b + p[3], T::ZERO]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outputs are the filter's sums, and each adjoint is one: `<F x, y> = <x, F^T y>`.
    fn check<S: Scheme>() {
        let value = |i: usize| ((i * 7919 + 13) % 101) as f64 / 50.0 - 1.0;
        let d: [f64; 6] = std::array::from_fn(value);
        let g: [f64; 3] = std::array::from_fn(|i| if i < S::TAPS { value(i + 20) } else { 0.0 });
        let (u, v) = (S::filter(g), S::input(d));
        let y = S::output(std::array::from_fn(|i| if i < S::SIDE { u[i] * v[i] } else { 0.0 }));
        for i in 0..S::OUT {
            let sum: f64 = (0..S::TAPS).map(|j| g[j] * d[i + j]).sum();
            assert!((y[i] - sum).abs() < 1e-12, "output {i}: {} instead of {sum}", y[i]);
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let p: [f64; 6] = std::array::from_fn(|i| if i < S::SIDE { value(i + 40) } else { 0.0 });
        let z: [f64; 4] = std::array::from_fn(|i| if i < S::OUT { value(i + 60) } else { 0.0 });
        let (left, right) = (dot(&S::output(p)[..S::OUT], &z[..S::OUT]), dot(&p, &S::output_adjoint(z)));
        assert!((left - right).abs() < 1e-12);
        assert!((dot(&u[..S::SIDE], &p[..S::SIDE]) - dot(&g, &S::filter_adjoint(p))).abs() < 1e-12);
    }

    #[test]
    fn schemes() {
        check::<F4x3>();
        check::<F3x2>();
    }
}
