//! Pooling, pointwise functions and the Sobel magnitude: the same values as on the CPU, to the bit where nothing is rounded.

use candle_core::Tensor;
use train::ops;

use crate::memory::{Array, ELEMENTS, close, dtype, in_both_orders, random, round, tensor, transposed, values, var};
use crate::plan::{Element, Pointer};
use crate::{plan_cat, plan_max_pool, plan_pointwise, plan_reorder, plan_sobel};

/// Compares values of which NaN is one.
fn same(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(a == b || (a.is_nan() && b.is_nan()), "{what}: value {i} is {a}, not {b}");
    }
}

/// Values among which there are many ties, NaN and infinities.
fn hostile(element: Element, seed: u64, count: usize) -> Vec<f64> {
    let coarse = |v: f64| (v * 2.0).round();
    let pick = |(i, v): (usize, f64)| match (i * 7 + 3) % 29 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        _ => coarse(v),
    };
    random(element, seed, count).into_iter().enumerate().map(pick).collect()
}

/// Sizes with whole packs and without, odd ones, single blocks, more than one block of threads.
const PLANES: [(usize, usize, usize); 9] =
    [(1, 2, 2), (2, 3, 3), (3, 2, 9), (2, 9, 2), (5, 8, 16), (3, 7, 24), (2, 40, 64), (1, 33, 47), (7, 14, 18)];

#[test]
fn pooling() {
    for element in ELEMENTS {
        for (planes, h, w) in PLANES {
            for (skip, poison) in [(0, false), (0, true), (1, true)] {
                let name = format!("{planes} x {h} x {w} {element:?}, {skip} beyond a pack");
                let numbers = if poison { hostile } else { random };
                let x = numbers(element, 1, planes * h * w);
                let g = random(element, 2, planes * (h / 2) * (w / 2));
                let found = in_both_orders(|on| {
                    let (x, g) = (Array::of(element, &x, skip), Array::of(element, &g, skip));
                    let (y, gx) = (
                        Array::poisoned(element, g.values().len(), skip),
                        Array::poisoned(element, planes * h * w, skip),
                    );
                    plan_max_pool::forward(on, element, (planes, h, w), x.at(), y.at()).unwrap();
                    plan_max_pool::input_gradient(on, element, (planes, h, w), (x.at(), g.at()), gx.at()).unwrap();
                    vec![y, gx]
                });
                let x = var(&x, &[1, planes, h, w], dtype(element));
                let y = ops::max_pool2x2(&x).unwrap();
                same(&name, &found[0], &values(&y));
                // The sum with weights would spread NaN: the gradient is asked for by way of a product that has none.
                let g = tensor(&g, y.dims(), dtype(element));
                same(&name, &found[1], &gradient(&x, &y, &g));
            }
        }
    }
}

/// (n, c, h, w): channels with whole packs and without, odd sizes, single blocks, more than one block of threads.
const IMAGES: [(usize, usize, usize, usize); 6] =
    [(1, 1, 2, 2), (2, 3, 3, 5), (1, 8, 4, 6), (2, 24, 7, 9), (3, 5, 2, 2), (1, 16, 33, 22)];

#[test]
fn pooling_of_channels_last() {
    for element in ELEMENTS {
        for (n, c, h, w) in IMAGES {
            for (skip, poison) in [(0, false), (0, true), (1, true)] {
                let name = format!("{n} x {h} x {w} x {c} {element:?}, {skip} beyond a pack");
                let numbers = if poison { hostile } else { random };
                let (size, small) = (n * c * h * w, n * c * (h / 2) * (w / 2));
                let (x, g) = (numbers(element, 1, size), random(element, 2, small));
                let found = in_both_orders(|on| {
                    let x = Array::of(element, &transposed(&x, (n, c, h * w)), skip);
                    let g = Array::of(element, &transposed(&g, (n, c, (h / 2) * (w / 2))), skip);
                    let [y, gx] = [small, size].map(|len| Array::poisoned(element, len, skip));
                    plan_max_pool::forward_last(on, element, (n, h, w, c), x.at(), y.at()).unwrap();
                    let images = (x.at(), g.at());
                    plan_max_pool::input_gradient_last(on, element, (n, h, w, c), images, gx.at()).unwrap();
                    vec![y, gx]
                });
                let x = var(&x, &[n, c, h, w], dtype(element));
                let y = ops::max_pool2x2(&x).unwrap();
                same(&name, &transposed(&found[0], (n, (h / 2) * (w / 2), c)), &values(&y));
                let g = tensor(&g, y.dims(), dtype(element));
                same(&name, &transposed(&found[1], (n, h * w, c)), &gradient(&x, &y, &g));
            }
        }
    }
}

/// Two images put together along their channels, and taken apart again; nothing beside them is touched.
#[test]
fn joining() {
    for element in ELEMENTS {
        for (rows, parts) in [(1, [1, 1]), (7, [8, 16]), (3, [48, 1]), (40, [5, 3]), (2, [4096, 2048])] {
            for skip in [0, 1] {
                let whole = parts[0] + parts[1];
                let images = [7, 8].map(|seed| hostile(element, seed, rows * parts[(seed - 7) as usize]));
                let found = in_both_orders(|on| {
                    let given = images.each_ref().map(|v| Array::of(element, v, skip));
                    let joined = Array::poisoned(element, rows * whole, skip);
                    let back = parts.map(|columns| Array::poisoned(element, rows * columns, skip));
                    for (i, columns) in parts.into_iter().enumerate() {
                        let place = Pointer(joined.at().0 + (i * parts[0] * element.size()) as u64);
                        let (from, to) = ((given[i].at(), columns), (place, whole));
                        plan_cat::copy(on, element, (rows, columns), from, to).unwrap();
                        plan_cat::copy(on, element, (rows, columns), to, (back[i].at(), columns)).unwrap();
                    }
                    [vec![joined], back.into()].into_iter().flatten().collect()
                });
                let name = format!("{rows} rows of {parts:?} {element:?}, {skip} beyond a pack");
                let row = |i: usize| [0, 1].map(|k| &images[k][i * parts[k]..][..parts[k]]).concat();
                same(&name, &found[0], &(0..rows).flat_map(row).collect::<Vec<_>>());
                same(&name, &found[1], &images[0]);
                same(&name, &found[2], &images[1]);
            }
        }
    }
}

#[test]
fn reordering() {
    let pairs =
        ELEMENTS.map(|e| (e, e)).into_iter().chain([(Element::F32, Element::Bf16), (Element::Bf16, Element::F32)]);
    for (from, to) in pairs {
        for (matrices, rows, columns) in [
            (1, 1, 1),
            (2, 3, 5),
            (3, 32, 32),
            (1, 33, 70),
            (5, 64, 9),
            (2, 1, 40),
            (4, 40, 1),
            (70, 3, 7),
            (2, 17, 300),
            (2, 16, 300),
        ] {
            let x = hostile(from, 6, matrices * rows * columns);
            let found = in_both_orders(|on| {
                let (x, y) = (Array::of(from, &x, 1), Array::poisoned(to, x.len(), 1));
                plan_reorder::transpose(on, (from, to), (matrices, rows, columns), x.at(), y.at()).unwrap();
                vec![y]
            });
            let expected: Vec<f64> = transposed(&x, (matrices, rows, columns)).iter().map(|v| round(to, *v)).collect();
            same(&format!("{matrices} x {rows} x {columns}, {from:?} to {to:?}"), &found[0], &expected);
        }
    }
}

/// The gradient of x where that of y is g, whatever y holds.
fn gradient(x: &candle_core::Var, y: &Tensor, g: &Tensor) -> Vec<f64> {
    let loss = (y * g).unwrap().sum_all().unwrap();
    values(loss.backward().unwrap().get(x).unwrap())
}

#[test]
fn pointwise() {
    for element in ELEMENTS {
        for count in [1, 3, 8, 255, 2049, 5000] {
            for skip in [0, 1] {
                let (x, g) = (hostile(element, 3, count), random(element, 4, count));
                for (name, slope) in [("relu", "relu_gradient"), ("abs", "abs_gradient")] {
                    let op = if name == "relu" { ops::relu } else { ops::abs };
                    let x_var = var(&x, &[count], dtype(element));
                    let y = op(&x_var).unwrap();
                    let known = if name == "relu" { values(&y) } else { x.clone() };
                    let found = in_both_orders(|on| {
                        let [x, g, known] = [&x, &g, &known].map(|v| Array::of(element, v, skip));
                        let (y, gx) = (Array::poisoned(element, count, skip), Array::poisoned(element, count, skip));
                        plan_pointwise::apply(on, name, element, count, &[x.at(), y.at()]).unwrap();
                        let pointers = [known.at(), g.at(), gx.at()];
                        plan_pointwise::apply(on, slope, element, count, &pointers).unwrap();
                        vec![y, gx]
                    });
                    same(name, &found[0], &values(&y));
                    let g = tensor(&g, &[count], dtype(element));
                    same(slope, &found[1], &gradient(&x_var, &y, &g));
                }
            }
        }
    }
}

#[test]
fn products_with_a_factor() {
    for element in ELEMENTS {
        for (count, skip) in [(1, 0), (255, 1), (5000, 0)] {
            let (x, factor) = (hostile(element, 3, count), random(element, 4, 1));
            let found = in_both_orders(|on| {
                let (x, factor, y) = (
                    Array::of(element, &x, skip),
                    Array::of(element, &factor, 1),
                    Array::poisoned(element, count, skip),
                );
                plan_pointwise::apply(on, "times", element, count, &[x.at(), factor.at(), y.at()]).unwrap();
                vec![y]
            });
            let [x, factor] = [(&x, count), (&factor, 1)].map(|(v, n)| tensor(v, &[n], dtype(element)));
            same("products", &found[0], &values(&x.broadcast_mul(&factor).unwrap()));
        }
    }
}

#[test]
fn sobel() {
    for element in [Element::F32, Element::F64] {
        for (n, h, w) in [(1, 1, 1), (2, 1, 5), (1, 6, 1), (3, 7, 9), (2, 20, 33)] {
            let mut image = random(element, 5, n * 3 * h * w);
            if h > 5 {
                (image[2 * w + 3 % w], image[h * w]) = (f64::NAN, f64::INFINITY);
            }
            let found = in_both_orders(|on| {
                let (image, out) = (Array::of(element, &image, 1), Array::poisoned(element, n * h * w, 1));
                plan_sobel::sobel(on, element, (n, h, w), image.at(), out.at()).unwrap();
                vec![out]
            });
            let expected = ops::sobel_magnitude(&tensor(&image, &[n, 3, h, w], dtype(element))).unwrap();
            // The same sums in f64, but for what is fused.
            let bound = if element == Element::F64 { 1e-14 } else { 1e-7 };
            close(&format!("Sobel magnitude {element:?}"), &found[0], &values(&expected), bound);
        }
    }
}
