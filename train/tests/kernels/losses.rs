//! The losses beside the CPU's, which computes them in `f64` for both types.

use candle_core::{Result, Tensor};
use train::ops;

use crate::machine::Emulator;
use crate::memory::{Array, close, dtype, in_both_orders, random, round, values, var};
use crate::plan::{Element, Pointer};
use crate::plan_similarity::Images;
use crate::{plan_l1, plan_similarity, plan_statistic};

/// Both types with the bounds of value and gradient: f32 is the rounding of what is stored, which the gradient of SSIM
/// passes twice; f64 is the order of sums, and for the statistic loss the recurrence of 97 phases.
const TYPES: [(Element, f64, f64); 2] = [(Element::F32, 2e-7, 2e-6), (Element::F64, 1e-12, 1e-10)];

/// Images in [0, 1], smooth enough that SSIM's variances are small, with some noise.
fn image(element: Element, seed: u64, (n, c, h, w): (usize, usize, usize, usize)) -> Vec<f64> {
    let noise = random(element, seed, n * c * h * w);
    let value = |(i, noise): (usize, &f64)| {
        let (x, y) = ((i % w) as f64, (i / w % h) as f64);
        round(element, 0.5 + 0.3 * (x * 0.21 + seed as f64).sin() * (y * 0.13).cos() + 0.1 * noise)
    };
    noise.iter().enumerate().map(value).collect()
}

/// A loss by kernels (value, gradients) beside the CPU's.
struct Case<'a> {
    name: &'a str,
    dims: (usize, usize, usize, usize),
    /// How many of the two images have a gradient.
    gradients: usize,
    cpu: &'a dyn Fn(&Tensor, &Tensor) -> Result<Tensor>,
    #[expect(clippy::type_complexity, reason = "images, value, gradients")]
    kernels: &'a dyn Fn(&mut Emulator, Element, [Pointer; 2], Pointer, [Pointer; 2]) -> Result<()>,
}

impl Case<'_> {
    fn check(&self, element: Element, [a, b]: [&[f64]; 2], (value_bound, gradient_bound): (f64, f64)) {
        let (n, c, h, w) = self.dims;
        let found = in_both_orders(|on| {
            let [a, b] = [a, b].map(|v| Array::of(element, v, 0));
            let value = Array::poisoned(element, 1, 0);
            let gradients: Vec<Array> =
                (0..self.gradients).map(|_| Array::poisoned(element, n * c * h * w, 0)).collect();
            let pointer = |i: usize| gradients.get(i).map_or(Pointer::NULL, Array::at);
            (self.kernels)(on, element, [a.at(), b.at()], value.at(), [pointer(0), pointer(1)]).unwrap();
            [value].into_iter().chain(gradients).collect()
        });
        let [a, b] = [a, b].map(|v| var(v, &[n, c, h, w], dtype(element)));
        let loss = (self.cpu)(&a, &b).unwrap();
        let name = format!("{} {:?} {element:?}", self.name, self.dims);
        close(&format!("{name}: value"), &found[0], &values(&loss), value_bound);
        let gradients = loss.backward().unwrap();
        for (of, found) in [&a, &b].iter().zip(&found[1..]) {
            close(&format!("{name}: gradient"), found, &values(gradients.get(of).unwrap()), gradient_bound);
        }
    }

    /// Random images, equal ones, and images with a value that is not finite.
    fn check_all(&self) {
        for (element, value_bound, gradient_bound) in TYPES {
            let [a, b] = [1, 2].map(|seed| image(element, seed, self.dims));
            self.check(element, [&a, &b], (value_bound, gradient_bound));
            if self.gradients == 0 {
                continue;
            }
            for (at, poison) in [(0, f64::NAN), (a.len() / 2, f64::INFINITY), (a.len() - 1, f64::NEG_INFINITY)] {
                let mut bad = a.clone();
                bad[at] = poison;
                self.check(element, [&bad, &b], (value_bound, gradient_bound));
                self.check(element, [&b, &bad], (value_bound, gradient_bound));
            }
        }
    }
}

/// Below and above one tile, odd sizes, thinner than the window.
const IMAGES: [(usize, usize, usize, usize); 6] =
    [(1, 1, 1, 1), (1, 3, 3, 4), (1, 2, 16, 32), (2, 1, 17, 33), (1, 1, 40, 7), (1, 1, 35, 70)];

#[test]
fn similarity() {
    for dims in IMAGES {
        let (n, c, h, w) = dims;
        for (name, kernel) in [("ssim", "ssim"), ("structure index", "structure")] {
            let cpu =
                |a: &Tensor, b: &Tensor| if kernel == "ssim" { ops::ssim(a, b) } else { ops::structure_index(a, b) };
            for gradients in [0, 2] {
                let kernels = |on: &mut Emulator, element, [a, b]: [Pointer; 2], value, [ga, gb]: [Pointer; 2]| {
                    let images = Images { element, planes: n * c, h, w, a, b };
                    plan_similarity::similarity(on, kernel, &images, value, (ga, gb))
                };
                Case { name, dims, gradients, cpu: &cpu, kernels: &kernels }.check_all();
            }
        }
    }
}

#[test]
fn l1() {
    for dims in IMAGES.into_iter().chain([(1, 3, 60, 70)]) {
        for gradients in [0, 1, 2] {
            let values = dims.0 * dims.1 * dims.2 * dims.3;
            let kernels = |on: &mut Emulator, element, [a, b]: [Pointer; 2], value, [ga, gb]: [Pointer; 2]| {
                plan_l1::l1(on, element, values, (a, b), value, (ga, gb))
            };
            let case = Case { name: "L1", dims, gradients, cpu: &ops::l1, kernels: &kernels };
            case.check_all();
            let a = image(Element::F32, 1, dims);
            let mut some_equal = a.clone();
            some_equal.iter_mut().step_by(3).for_each(|v| *v = 0.25);
            case.check(Element::F32, [&a, &some_equal], (2e-7, 1e-7));
        }
    }
}

/// One part a direction, several, and one whose last part is short.
#[test]
fn statistic() {
    for dims in [(1, 3, 2, 2), (2, 3, 5, 6), (3, 3, 2, 31), (2, 3, 40, 53)] {
        for gradients in [0, 1] {
            let kernels = |on: &mut Emulator, element, [a, b]: [Pointer; 2], value, [ga, _]: [Pointer; 2]| {
                plan_statistic::loss(on, element, (dims.0, dims.2, dims.3), (a, b), value, ga)
            };
            let case = Case { name: "statistic loss", dims, gradients, cpu: &ops::statistic_loss, kernels: &kernels };
            case.check_all();
            // Flat targets, whose spread is at its floor.
            let (a, flat) = (image(Element::F64, 1, dims), vec![0.5; dims.0 * 3 * dims.2 * dims.3]);
            case.check(Element::F64, [&a, &flat], (1e-10, 1e-9));
            // An edge of great contrast: softmax gives most of its weight to few pixels.
            let mut edge = a.clone();
            edge.iter_mut().take(dims.3).for_each(|v| *v = 20.0);
            case.check(Element::F64, [&edge, &a], (1e-10, 1e-9));
        }
    }
}
