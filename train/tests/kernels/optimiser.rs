//! Adam, clipping and averages over tables of tensors, beside `train::optim` on the CPU.

use candle_core::{DType, Var};
use train::optim::{Adam, AdamConfig, Average};

use crate::memory::{Array, close, dtype, in_both_orders, random, tensor, values, var};
use crate::plan::{Element, Machine, Pointer};
use crate::plan_optim::{Slot, Tables, chunks, clip};
use crate::rule::constants;

/// Below, at and above a block's values, and a single value; the fourth takes no gradient.
const SIZES: [usize; 6] = [1, 7, 4096, 300, 4097, 10_000];
const WITHOUT_GRADIENT: usize = 3;

/// Everything that the kernels read and write.
struct State {
    element: Element,
    values: Vec<Array>,
    first: Vec<Array>,
    second: Vec<Array>,
    slots: Vec<Slot>,
    chunks: Vec<[u32; 2]>,
}

impl State {
    /// Variables of [`SIZES`] with moments 0; every other one begins anywhere.
    fn new(element: Element) -> Self {
        let arrays = |make: &dyn Fn(usize, usize) -> Vec<f64>| -> Vec<Array> {
            SIZES.iter().enumerate().map(|(i, n)| Array::of(element, &make(i, *n), i % 2)).collect()
        };
        let zeros = |_: usize, n: usize| vec![0.0; n];
        let values = arrays(&|i, n| random(element, i as u64, n));
        let (first, second) = (arrays(&zeros), arrays(&zeros));
        let slot = |i: usize| [values[i].at().0, first[i].at().0, second[i].at().0, SIZES[i] as u64];
        let slots: Vec<Slot> = (0..SIZES.len()).map(slot).collect();
        let chunks = chunks(&slots).unwrap();
        Self { element, values, first, second, slots, chunks }
    }

    fn tables(&self) -> Tables {
        let (slots, chunks) = (Pointer(self.slots.as_ptr() as u64), Pointer(self.chunks.as_ptr() as u64));
        Tables { element: self.element, slots, chunks, blocks: self.chunks.len() as u32 }
    }

    fn arrays(self) -> Vec<Array> {
        [self.values, self.first, self.second].into_iter().flatten().collect()
    }
}

fn gradient(element: Element, step: u64, i: usize) -> Vec<f64> {
    random(element, 100 * step + i as u64, SIZES[i])
}

/// The gradients of a step and the list of their addresses.
fn gradients(element: Element, step: u64) -> (Vec<Array>, Vec<u64>) {
    let arrays: Vec<Array> =
        (0..SIZES.len()).map(|i| Array::of(element, &gradient(element, step, i), i / 2 % 2)).collect();
    let pointer = |(i, a): (usize, &Array)| if i == WITHOUT_GRADIENT { 0 } else { a.at().0 };
    let pointers = arrays.iter().enumerate().map(pointer).collect();
    (arrays, pointers)
}

fn vars(element: Element) -> Vec<(String, Var)> {
    let make = |(i, n): (usize, &usize)| (format!("v{i}"), var(&random(element, i as u64, *n), &[*n], dtype(element)));
    SIZES.iter().enumerate().map(make).collect()
}

/// Steps of Adam on the CPU with the gradients times `factor`: variables, first and second moments.
fn expected(element: Element, config: AdamConfig, steps: u64, factor: f64) -> Vec<Vec<f64>> {
    let vars = vars(element);
    let mut adam = Adam::new(vars.clone(), config).unwrap();
    for step in 1..=steps {
        let mut loss = tensor(&[0.0], &[], dtype(element));
        for (i, (_, var)) in vars.iter().enumerate().filter(|(i, _)| *i != WITHOUT_GRADIENT) {
            let g: Vec<f64> = gradient(element, step, i).iter().map(|g| g * factor).collect();
            let term = (var.as_tensor() * tensor(&g, &[SIZES[i]], dtype(element))).unwrap().sum_all().unwrap();
            loss = (loss + term).unwrap();
        }
        adam.step(&loss.backward().unwrap()).unwrap();
    }
    let state = adam.state().unwrap();
    let moments = |k: usize| state.iter().skip(k).step_by(2).map(|(_, t)| values(t)).collect::<Vec<_>>();
    [vars.iter().map(|(_, v)| values(v)).collect(), moments(0), moments(1)].concat()
}

#[test]
fn adam() {
    let base = AdamConfig { lr: 1e-2, ..AdamConfig::default() };
    let decay = AdamConfig { weight_decay: 0.1, beta1: 0.8, ..base };
    for (element, bound) in [(Element::F32, 1e-6), (Element::F64, 1e-14)] {
        for config in [base, decay, AdamConfig { decoupled: true, ..decay }] {
            // A factor that is a power of 2 rounds nothing.
            for factor in [None, Some(0.25)] {
                let found = in_both_orders(|on| {
                    let state = State::new(element);
                    let times = factor.map(|f| Array::of(Element::F64, &[f], 0));
                    let times = times.as_ref().map_or(Pointer::NULL, Array::at);
                    for step in 1..=3 {
                        let (_arrays, pointers) = gradients(element, step);
                        let at = Pointer(pointers.as_ptr() as u64);
                        state.tables().step(on, at, constants(&config, step), times).unwrap();
                    }
                    state.arrays()
                });
                for (found, expected) in found.iter().zip(expected(element, config, 3, factor.unwrap_or(1.0))) {
                    close(&format!("Adam {element:?}"), found, &expected, bound);
                }
            }
        }
    }
}

#[test]
fn a_factor_that_is_not_finite_changes_nothing() {
    for factor in [f64::NAN, f64::INFINITY] {
        let found = in_both_orders(|on| {
            let state = State::new(Element::F32);
            let ((_arrays, pointers), factor) = (gradients(Element::F32, 1), Array::of(Element::F64, &[factor], 0));
            let rule = constants(&AdamConfig::default(), 1);
            state.tables().step(on, Pointer(pointers.as_ptr() as u64), rule, factor.at()).unwrap();
            state.arrays()
        });
        let start: Vec<_> = State::new(Element::F32).arrays().iter().map(Array::values).collect();
        assert_eq!(found, start);
    }
}

#[test]
fn clipping() {
    for element in [Element::F32, Element::F64] {
        let squares: f64 = (0..SIZES.len())
            .filter(|i| *i != WITHOUT_GRADIENT)
            .flat_map(|i| gradient(element, 1, i))
            .map(|g| g * g)
            .sum();
        let norm = squares.sqrt() * 0.5;
        let (half, none) = (0.5, f64::NAN);
        for (poison, scale, limit, factor) in [
            (0.0, half, 1.0, 0.5 / (norm + 1e-6)),
            (0.0, half, 1e6, 0.5),
            (none, half, 1.0, none),
            // As of a loss that is no number.
            (0.0, none, 1.0, none),
        ] {
            let found = in_both_orders(|on| {
                let (state, (mut arrays, mut pointers)) = (State::new(element), gradients(element, 1));
                if poison != 0.0 {
                    let mut bad = arrays[5].values();
                    bad[9_999] = poison;
                    arrays[5] = Array::of(element, &bad, 0);
                    pointers[5] = arrays[5].at().0;
                }
                let (scale, result) = (Array::of(Element::F64, &[scale], 0), Array::poisoned(Element::F64, 2, 0));
                let tables = [(state.tables(), Pointer(pointers.as_ptr() as u64))];
                clip(on, &tables, (scale.at(), limit), result.at()).unwrap();
                vec![result]
            });
            let norm = if factor.is_finite() { norm } else { f64::NAN };
            close("norm and factor", &found[0], &[norm, factor], 1e-12);
        }
    }
}

/// A machine that keeps the addresses it was given would not notice an empty list: nothing is launched.
#[test]
fn no_tensor_is_no_launch() {
    struct Refusing;
    impl Machine for Refusing {
        fn scratch(&mut self, _: usize) -> candle_core::Result<Pointer> {
            Ok(Pointer::NULL)
        }
        fn launch(&mut self, launch: crate::plan::Launch) -> candle_core::Result<()> {
            panic!("{launch:?}")
        }
    }
    let tables = Tables { element: Element::F32, slots: Pointer::NULL, chunks: Pointer::NULL, blocks: 0 };
    tables.step(&mut Refusing, Pointer::NULL, [0.0; 9], Pointer::NULL).unwrap();
    tables.swap(&mut Refusing).unwrap();
}

#[test]
fn copies() {
    for element in [Element::F32, Element::F64] {
        let start = |i: usize| if i == 0 { vec![f64::NAN] } else { random(element, i as u64, SIZES[i]) };
        let found = in_both_orders(|on| {
            let mut state = State::new(element);
            for i in 0..SIZES.len() {
                state.values[i] = Array::of(element, &start(i), i % 2);
                state.first[i] = Array::of(element, &vec![1e9; SIZES[i]], i % 2);
                (state.slots[i][0], state.slots[i][1]) = (state.values[i].at().0, state.first[i].at().0);
            }
            state.tables().copy(on).unwrap();
            state.arrays()
        });
        for i in 0..SIZES.len() {
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found[i]), bits(&start(i)), "the variables");
            assert_eq!(bits(&found[SIZES.len() + i]), bits(&start(i)), "the copies");
        }
    }
}

#[test]
fn averages() {
    for (element, bound) in [(Element::F32, 1e-7), (Element::F64, 1e-15)] {
        let start = vars(element);
        let average = Average::new(start.clone(), 0.6).unwrap();
        for (i, (_, var)) in start.iter().enumerate() {
            var.set(&tensor(&gradient(element, 7, i), &[SIZES[i]], dtype(element))).unwrap();
        }
        average.update(1).unwrap();
        let part = 1.0 - 2.0 / 11.0;
        let found = in_both_orders(|on| {
            let mut state = State::new(element);
            // The average begins as the variables were, which then move.
            for i in 0..SIZES.len() {
                state.first[i] = Array::of(element, &random(element, i as u64, SIZES[i]), i % 2);
                state.values[i] = Array::of(element, &gradient(element, 7, i), i % 2);
                (state.slots[i][0], state.slots[i][1]) = (state.values[i].at().0, state.first[i].at().0);
            }
            state.tables().approach(on, part).unwrap();
            state.tables().swap(on).unwrap();
            state.arrays()
        });
        let averages = average.state().unwrap();
        for i in 0..SIZES.len() {
            close("average, in the variables' place", &found[i], &values(&averages[i].1), bound);
            close("variables, in the average's place", &found[SIZES.len() + i], &values(&start[i].1), bound);
        }
    }
    assert_eq!(dtype(Element::F32), DType::F32);
}
