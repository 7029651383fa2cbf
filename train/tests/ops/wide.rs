//! Convolutions of many channels in `f32`, which go through transformed tiles and strips, beside the plain sums of `f64`.

use candle_core::{DType, Result, Tensor};
use train::ops;

use crate::support::{device, error, on_gpu, random, rounding, run, values};

on_gpu!(as_the_plain_sums, large_filters_are_the_plain_sums, with_a_bias_and_of_strided_views);

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
        assert!(off < TOLERANCE.max(rounding()), "{name}: the {what} is off by {off:e}");
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
fn large_filters_are_the_plain_sums() {
    // An odd height, part panels of channels, several blocks of them, several passes over the places, one row alone.
    let sizes = [(1, 8, 16, 9, 23), (2, 40, 29, 6, 10), (1, 130, 49, 7, 5), (3, 16, 16, 22, 61), (2, 21, 70, 7, 300)];
    for (n, c, out, h, w) in sizes {
        for (side, paddings) in [(3, [0, 1, 3]), (5, [0, 2, 5]), (7, [0, 3, 8])] {
            for padding in paddings {
                if h + 2 * padding < side || w + 2 * padding < side {
                    continue;
                }
                let name = format!("{n} x {c} x {h} x {w} to {out}, {side} x {side}, padding {padding}");
                let (x, f) = (random(1, &[n, c, h, w]), random(2, &[out, c, side, side]));
                check(&name, &x, &f, |x, f| ops::conv2d(x, f, None, padding));
            }
        }
    }
}

#[test]
fn with_a_bias_and_of_strided_views() {
    let x = random(1, &[2, 30, 40, 30]).to_dtype(DType::F32).unwrap().transpose(2, 3).unwrap();
    let bias = random(3, &[24]).to_dtype(DType::F32).unwrap();
    for side in [3, 5, 7] {
        let f = random(2, &[24, 30, side, side]).to_dtype(DType::F32).unwrap();
        let conv = |x: &Tensor, bias: Option<&Tensor>| ops::conv2d(x, &f, bias, side / 2).unwrap();
        let plain = conv(&x, None).broadcast_add(&bias.reshape((1, 24, 1, 1)).unwrap()).unwrap();
        assert!(error(&conv(&x, Some(&bias)), &plain) < 1e-6);
        // cuDNN may take another algorithm the next time.
        let equal = if device().is_cpu() { 0.0 } else { 1e-6 };
        assert!(error(&conv(&x, None), &conv(&x.contiguous().unwrap(), None)) <= equal);
    }
}

/// NaN and infinity reach what they reach in plain sums, and nothing beside it.
#[test]
fn hostile_values_stay_where_they_belong() {
    let shape = [1, 32, 20, 24];
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38] {
        let mut pixels = values(&random(1, &shape));
        pixels[(5 * 20 + 9) * 24 + 11] = f64::from(poison);
        let x = Tensor::from_vec(pixels, &shape, &candle_core::Device::Cpu).unwrap();
        for side in [3, 4, 5, 7] {
            let (f, transposed) = (random(2, &[32, 32, side, side]), side == 4);
            let op = |x: &Tensor, f: &Tensor| {
                if transposed { ops::conv_transpose2d(x, f) } else { ops::conv2d(x, f, None, side / 2) }
            };
            let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
            let (found, expected) = (run(&single(&x), &single(&f), op), run(&x, &f, op));
            for (found, expected) in found.iter().zip(&expected) {
                let kinds = |t: &Tensor| values(&single(t)).iter().map(|v| v.is_finite()).collect::<Vec<_>>();
                assert!(kinds(found) == kinds(expected), "{poison}, {side} x {side}");
            }
        }
    }
}
