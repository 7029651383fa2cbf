//! Batch normalisation beside the CPU's in `f64`.

use candle_core::{DType, Tensor};
use train::ops;

use crate::memory::{Array, ELEMENTS, close, in_both_orders, random, round, tensor, transposed, values, var};
use crate::plan::{Element, Pointer};
use crate::plans_batch_norm::plan::{Norm, enter, forward, gradient_sums, input_gradient, moments};
use crate::plans_batch_norm::plan_last;

const EPS: f64 = 1e-3;

/// One call, forward and backward.
struct Case {
    element: Element,
    dims: (usize, usize, usize, usize),
    x: Vec<f64>,
    g: Vec<f64>,
    gamma: Vec<f64>,
    beta: Vec<f64>,
    /// Mean and variance for evaluation; none: the batch's.
    running: Option<[Vec<f64>; 2]>,
    relu: bool,
    /// Whether the kernels' images are N x H x W x C.
    last: bool,
    /// Values by which arrays begin beyond an address of 16 bytes.
    skip: usize,
}

const NAMES: [&str; 6] = ["mean", "variance", "result", "gradient of beta", "gradient of gamma", "gradient of x"];

impl Case {
    fn new(element: Element, dims: (usize, usize, usize, usize), relu: bool) -> Self {
        let (n, c, h, w) = dims;
        let parameters = if element == Element::Bf16 { Element::F32 } else { element };
        let [x, g] = [1, 2].map(|seed| random(element, seed, n * c * h * w));
        let [gamma, beta] = [3, 4].map(|seed| random(parameters, seed, c));
        Self { element, dims, x, g, gamma, beta, running: None, relu, last: false, skip: 0 }
    }

    fn parameters(&self) -> Element {
        if self.element == Element::Bf16 { Element::F32 } else { self.element }
    }

    /// Figures as in [`NAMES`], by the kernels.
    fn found(&self) -> Vec<Vec<f64>> {
        let ((n, c, h, w), element) = (self.dims, self.element);
        let (dims, rows) = ((n, c, h * w), (n * h * w, c));
        let given = |image: &[f64]| if self.last { transposed(image, dims) } else { image.to_vec() };
        let found = in_both_orders(|on| {
            let [x, g] = [&self.x, &self.g].map(|v| Array::of(element, &given(v), self.skip));
            let [gamma, beta] = [&self.gamma, &self.beta].map(|v| Array::of(self.parameters(), v, 0));
            let [y, gx] = [0, 1].map(|_| Array::poisoned(element, self.x.len(), self.skip));
            let sums = Array::poisoned(self.parameters(), 2 * c, 0);
            let stats = match &self.running {
                Some(running) => Array::of(Element::F64, &running.concat(), 0),
                None => Array::poisoned(Element::F64, 2 * c, 0),
            };
            let norm = Norm { stats: stats.at(), gamma: gamma.at(), beta: beta.at(), eps: EPS, relu: self.relu };
            let (images, through) = ((g.at(), x.at()), (sums.at(), self.running.is_none()));
            if self.last {
                if self.running.is_none() {
                    plan_last::moments(on, element, rows, x.at(), stats.at()).unwrap();
                }
                plan_last::forward(on, element, rows, &norm, x.at(), y.at()).unwrap();
                plan_last::gradient_sums(on, element, rows, &norm, images, sums.at()).unwrap();
                plan_last::input_gradient(on, element, rows, &norm, images, through, gx.at()).unwrap();
            } else {
                if self.running.is_none() {
                    moments(on, element, dims, x.at(), stats.at()).unwrap();
                }
                forward(on, element, dims, &norm, x.at(), y.at()).unwrap();
                gradient_sums(on, element, dims, &norm, images, sums.at()).unwrap();
                input_gradient(on, element, dims, &norm, images, through, gx.at()).unwrap();
            }
            vec![stats, y, sums, gx]
        });
        let halves = |v: &[f64]| v.chunks(c).map(<[f64]>::to_vec).collect::<Vec<_>>();
        let image = |v: &[f64]| if self.last { transposed(v, (n, h * w, c)) } else { v.to_vec() };
        [halves(&found[0]), vec![image(&found[1])], halves(&found[2]), vec![image(&found[3])]].concat()
    }

    /// The same by the CPU's operation in f64.
    fn expected(&self) -> Vec<Vec<f64>> {
        let (n, c, h, w) = self.dims;
        let x = var(&self.x, &[n, c, h, w], DType::F64);
        let [gamma, beta] = [&self.gamma, &self.beta].map(|v| var(v, &[c], DType::F64));
        let (y, mean, variance) = match &self.running {
            Some(running) => {
                let [mean, variance] = running.each_ref().map(|v| tensor(v, &[c], DType::F64));
                let y = ops::batch_norm_eval(&x, &gamma, &beta, &mean, &variance, EPS, self.relu).unwrap();
                (y, mean, variance)
            }
            None => {
                let (y, stats) = ops::batch_norm_train(&x, &gamma, &beta, EPS, self.relu).unwrap();
                (y, stats.mean().unwrap(), stats.var().unwrap())
            }
        };
        let g = tensor(&self.g, &[n, c, h, w], DType::F64);
        let gradients = (&y * g).unwrap().sum_all().unwrap().backward().unwrap();
        let of = |t: &Tensor| values(gradients.get(t).unwrap());
        vec![values(&mean), values(&variance), values(&y), of(&beta), of(&gamma), of(&x)]
    }

    /// In both orders of the images' values.
    fn check(mut self, bounds: [f64; 6]) {
        for last in [false, true] {
            self.last = last;
            self.check_order(bounds);
        }
    }

    fn check_order(&self, bounds: [f64; 6]) {
        for (((name, mut found), mut expected), bound) in
            NAMES.iter().zip(self.found()).zip(self.expected()).zip(bounds)
        {
            let order = if self.last { ", channels last" } else { "" };
            let what = format!("{name}, {:?} {:?}, relu {}{order}", self.dims, self.element, self.relu);
            if *name == "mean" {
                // The mean's error is one of the values', which reach 1, however near to 0 it is.
                found.push(1.0);
                expected.push(1.0);
            }
            close(&what, &found, &expected, bound);
        }
    }
}

/// In f32, a few roundings of 6e-8; in bf16 what is stored has one of 4e-3 (2^-8), statistics and sums none.
fn bounds(element: Element) -> [f64; 6] {
    match element {
        Element::F32 => [1e-6, 1e-6, 2e-6, 2e-6, 2e-6, 2e-6],
        Element::F64 => [1e-13; 6],
        Element::Bf16 => [1e-6, 1e-6, 4e-3, 2e-6, 2e-6, 4e-3],
    }
}

/// Areas, and channels, with whole packs and without, single values, planes shorter than a row of threads, several parts a
/// channel, more channels than a block takes.
const DIMS: [(usize, usize, usize, usize); 11] = [
    (1, 1, 1, 1),
    (2, 3, 5, 7),
    (1, 9, 1, 3),
    (2, 5, 8, 8),
    (40, 2, 7, 9),
    (40, 2, 8, 8),
    (3, 4, 33, 64),
    (2, 1, 96, 101),
    (2, 24, 33, 40),
    (1, 272, 3, 4),
    (1, 35, 9, 30),
];

#[test]
fn training() {
    for element in ELEMENTS {
        for dims in DIMS {
            for relu in [false, true] {
                Case::new(element, dims, relu).check(bounds(element));
            }
        }
    }
}

#[test]
fn evaluation() {
    for element in ELEMENTS {
        let mut case = Case::new(element, (2, 5, 6, 8), true);
        let variance = random(Element::F32, 6, 5).iter().map(|v| v.abs() + 0.5).collect();
        case.running = Some([random(Element::F32, 5, 5), variance]);
        case.check(bounds(element));
    }
}

/// More channels than a block has threads, and one value a channel, whose variance has no unbiased estimate.
#[test]
fn running_statistics() {
    for (element, bound) in [(Element::F32, 1e-6), (Element::F64, 1e-14)] {
        for (dims, momentum, biased) in [
            ((2, 300, 3, 5), 0.1, false),
            ((1, 7, 1, 1), 0.1, true),
            ((2, 3, 8, 8), 1.0, false),
            ((2, 300, 3, 5), 0.3, true),
        ] {
            let c = dims.1;
            let bias = biased.then(|| random(element, 4, c));
            let x = random(element, 1, dims.0 * c * dims.2 * dims.3);
            let running = [random(element, 2, c), random(element, 3, c).iter().map(|v| v.abs()).collect::<Vec<_>>()];
            let found = in_both_orders(|on| {
                let (x, stats) = (Array::of(element, &x, 0), Array::poisoned(Element::F64, 2 * c, 0));
                let [mean, variance] = running.each_ref().map(|v| Array::of(element, v, 1));
                moments(on, element, (dims.0, c, dims.2 * dims.3), x.at(), stats.at()).unwrap();
                let count = (dims.0 * dims.2 * dims.3) as f64;
                let unbiased = count / (count.max(2.0) - 1.0);
                let bias = bias.as_ref().map(|v| Array::of(element, v, 1));
                let given = (stats.at(), bias.as_ref().map_or(Pointer::NULL, Array::at));
                enter(on, element, c, given, (mean.at(), variance.at()), (momentum, unbiased)).unwrap();
                vec![mean, variance]
            });
            let one = tensor(&vec![1.0; c], &[c], DType::F64);
            let x = tensor(&x, &[dims.0, c, dims.2, dims.3], DType::F64);
            let (_, stats) = ops::batch_norm_train(&x, &one, &one, EPS, false).unwrap();
            let [mean, variance] = running.each_ref().map(|v| var(v, &[c], DType::F64));
            let bias = bias.as_ref().map(|v| tensor(v, &[c], DType::F64));
            stats.enter(bias.as_ref(), &mean, &variance, momentum).unwrap();
            for (what, found, expected) in
                [("running mean", &found[0], &mean), ("running variance", &found[1], &variance)]
            {
                // Errors are those of values that reach 1, however near to 0 a mean is.
                let with_one = |v: &[f64]| [v, &[1.0]].concat();
                close(&format!("{what}, {dims:?} {element:?}"), &with_one(found), &with_one(&values(expected)), bound);
            }
        }
    }
}

#[test]
fn arrays_that_begin_anywhere() {
    for element in ELEMENTS {
        for skip in [1, 2, 3] {
            for channels in [3, 16] {
                let case = Case { skip, ..Case::new(element, (2, channels, 16, 16), true) };
                case.check(bounds(element));
            }
        }
    }
}

/// Channels far from 0, whose variance and gradient would drown in f32 sums around 0.
#[test]
fn offset_channels() {
    for element in [Element::F32, Element::F64] {
        let mut case = Case::new(element, (3, 2, 40, 40), true);
        case.x.iter_mut().for_each(|v| *v = round(element, 1000.0 + *v));
        // 1000 has a rounding of 3e-5 in f32: the mean's share of it stays in the result and in the gradient of x.
        let bounds = if element == Element::F32 { [1e-7, 1e-6, 2e-4, 2e-3, 2e-3, 2e-3] } else { [1e-12; 6] };
        case.check(bounds);
    }
}

#[test]
fn nan_and_infinity() {
    for element in ELEMENTS {
        for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for relu in [false, true] {
                // The first value, which sums are taken around, and one in the middle of a pack; in one channel of three.
                for at in [0, 37] {
                    let mut case = Case::new(element, (2, 3, 8, 8), relu);
                    case.x[64 + at] = poison;
                    case.check(bounds(element));
                    let mut case = Case::new(element, (2, 3, 5, 5), relu);
                    case.g[25 + at % 25] = poison;
                    case.check(bounds(element));
                }
            }
        }
    }
}
