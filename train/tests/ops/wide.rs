//! Convolutions of many channels in `f32`, which go through transformed tiles, beside the plain sums of `f64`.

use candle_core::{DType, Result, Tensor};
use train::ops;

use crate::support::{error, random, run, values};

/// Rounding of the transforms: about ten times that of plain sums, most of it where many tiles are added up.
const TOLERANCE: f64 = 5e-5;

fn check(name: &str, x: &Tensor, w: &Tensor, op: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) {
    let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    // Both see the same values.
    let (x, w) = (single(x), single(w));
    let double = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
    let (found, expected) = (run(&x, &w, &op), run(&double(&x), &double(&w), &op));
    for (what, (found, expected)) in
        ["result", "gradient of x", "gradient of w"].iter().zip(found.iter().zip(&expected))
    {
        let off = error(found, expected);
        assert!(off < TOLERANCE, "{name}: the {what} is off by {off:e}");
    }
}

#[test]
fn as_the_plain_sums() {
    // Part tiles at both ends, several images in one panel, several passes over the tiles, more channels than one block.
    for (n, c, out, h, w) in [(1, 24, 29, 33, 47), (3, 40, 33, 13, 9), (1, 150, 64, 21, 30), (2, 32, 32, 61, 90)] {
        for padding in 0..3 {
            let name = format!("{n} x {c} x {h} x {w} to {out}, padding {padding}");
            let (x, f) = (random(1, &[n, c, h, w]), random(2, &[out, c, 3, 3]));
            check(&name, &x, &f, |x, f| ops::conv2d(x, f, None, padding));
        }
        let (x, f) = (random(3, &[n, c, h, w]), random(4, &[c, out, 4, 4]));
        check(&format!("transposed, {n} x {c} x {h} x {w} to {out}"), &x, &f, ops::conv_transpose2d);
    }
}

#[test]
fn with_a_bias_and_of_strided_views() {
    let (x, f) = (random(1, &[2, 30, 40, 30]).to_dtype(DType::F32).unwrap(), random(2, &[24, 30, 3, 3]));
    let (f, bias) = (f.to_dtype(DType::F32).unwrap(), random(3, &[24]).to_dtype(DType::F32).unwrap());
    let x = x.transpose(2, 3).unwrap();
    let plain = ops::conv2d(&x, &f, None, 1).unwrap().broadcast_add(&bias.reshape((1, 24, 1, 1)).unwrap()).unwrap();
    assert!(error(&ops::conv2d(&x, &f, Some(&bias), 1).unwrap(), &plain) < 1e-6);
    let copy = x.contiguous().unwrap();
    assert_eq!(error(&ops::conv2d(&x, &f, None, 1).unwrap(), &ops::conv2d(&copy, &f, None, 1).unwrap()), 0.0);
}

/// NaN and infinity reach what they reach in plain sums, and nothing beside it.
#[test]
fn hostile_values_stay_where_they_belong() {
    let shape = [1, 32, 20, 24];
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38] {
        let mut pixels = values(&random(1, &shape));
        pixels[(5 * 20 + 9) * 24 + 11] = f64::from(poison);
        let x = Tensor::from_vec(pixels, &shape, &candle_core::Device::Cpu).unwrap();
        for (f, transposed) in [(random(2, &[32, 32, 3, 3]), false), (random(2, &[32, 32, 4, 4]), true)] {
            let op = |x: &Tensor, f: &Tensor| {
                if transposed { ops::conv_transpose2d(x, f) } else { ops::conv2d(x, f, None, 1) }
            };
            let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
            let (found, expected) = (run(&single(&x), &single(&f), op), run(&x, &f, op));
            for (found, expected) in found.iter().zip(&expected) {
                let kinds = |t: &Tensor| values(&single(t)).iter().map(|v| v.is_finite()).collect::<Vec<_>>();
                assert!(kinds(found) == kinds(expected), "{poison}, transposed {transposed}");
            }
        }
    }
}
