//! Operations on images whose channels lie side by side, beside the same ones in PyTorch's order.

use candle_core::{DType, Result, Tensor};
use train::ops::Format;

use crate::support::{device, error, on_gpu, random, rounding, run};

on_gpu!(convolutions, convolutions_with_a_bias, transposed_convolutions, norms, pools, halves, again_and_again);

const FIRST: Format = Format::ChannelsFirst;
const LAST: Format = Format::ChannelsLast;

/// How far the results of the two orders may be apart: not at all on the CPU, which has one of them.
fn apart() -> f64 {
    if device().is_cpu() { 1e-300 } else { rounding() }
}

/// Result and gradients of an operation on an image and weights in both orders.
fn same(name: &str, x: &Tensor, w: &Tensor, op: impl Fn(Format, &Tensor, &Tensor) -> Result<Tensor>) {
    for dtype in [DType::F32, DType::F64] {
        let (x, w) = (x.to_dtype(dtype).unwrap(), w.to_dtype(dtype).unwrap());
        let in_order = |format: Format| run(&x, &w, |x, w| format.to_image(&op(format, &format.of_image(x)?, w)?));
        for (what, (found, expected)) in
            ["result", "gradient of x", "gradient of w"].iter().zip(in_order(LAST).iter().zip(&in_order(FIRST)))
        {
            let off = error(found, expected);
            assert!(off < apart(), "{name} in {dtype:?}: the {what} is off by {off:e}");
        }
    }
}

/// Channels that fill packs and such that do not, as the first and the last layers have them.
#[test]
fn convolutions() {
    for (n, c, out, h, w, side) in [
        (2, 16, 24, 9, 13, 3),
        (1, 3, 16, 12, 10, 3),
        (2, 49, 16, 6, 7, 3),
        (1, 64, 1, 5, 8, 5),
        (2, 32, 8, 7, 9, 1),
        (1, 24, 16, 8, 9, 7),
    ] {
        let (x, f) = (random(1, &[n, c, h, w]), random(2, &[out, c, side, side]));
        same(&format!("{side} x {side}, {c} to {out}"), &x, &f, |format, x, f| format.conv2d(x, f, None, side / 2));
    }
}

#[test]
fn convolutions_with_a_bias() {
    let (x, f, bias) = (random(1, &[2, 16, 9, 13]), random(2, &[24, 16, 3, 3]), random(3, &[24]));
    same("filters of a biased convolution", &x, &f, |format, x, f| {
        format.conv2d(x, f, Some(&bias.to_dtype(x.dtype())?), 1)
    });
    same("bias", &x, &bias, |format, x, bias| format.conv2d(x, &f.to_dtype(x.dtype())?, Some(bias), 1));
}

#[test]
fn transposed_convolutions() {
    for (c, out) in [(16, 24), (5, 3), (48, 16)] {
        let (x, f) = (random(1, &[2, c, 7, 9]), random(2, &[c, out, 4, 4]));
        same(&format!("transposed, {c} to {out}"), &x, &f, |format, x, f| format.conv_transpose2d(x, f));
    }
}

#[test]
fn norms() {
    for c in [16, 5, 300] {
        let (x, gamma) = (random(1, &[3, c, 9, 14]), random(2, &[c]));
        for relu in [false, true] {
            let name = format!("norm of {c} channels, relu {relu}");
            same(&name, &x, &gamma, |format, x, gamma| Ok(format.batch_norm_train(x, gamma, gamma, 1e-3, relu)?.0));
            same(&name, &x, &gamma, |format, x, gamma| {
                let (mean, var) = (gamma.detach(), (gamma.detach().sqr()? + 0.5)?);
                format.batch_norm_eval(x, gamma, gamma, (&mean, &var), 1e-3, relu)
            });
        }
    }
}

#[test]
fn pools() {
    for (c, h, w) in [(16, 8, 10), (3, 7, 5), (24, 9, 4)] {
        let (x, factors) = (random(1, &[2, c, h, w]), random(2, &[2, c, h, w]));
        same(&format!("pooling of {c} channels"), &x, &factors, |format, x, factors| {
            format.max_pool2x2(&(x * format.of_image(factors)?)?)
        });
    }
}

/// `bf16` images with `f32` weights beside the same numbers in `f64`: what is stored is rounded (by up to 2^-9, a gradient twice),
/// sums are not, which would be off by far more.
#[test]
fn halves() {
    // Numbers that bf16 has.
    let held = |seed, shape: &[usize]| random(seed, shape).to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
    let (x, f, v) = (held(1, &[2, 16, 9, 13]), held(2, &[24, 16, 3, 3]), held(3, &[16, 8, 4, 4]));
    let (gamma, bias) = (held(4, &[16]), held(5, &[24]));
    let halved = |name: &str, x: &Tensor, w: &Tensor, op: &dyn Fn(Format, &Tensor, &Tensor) -> Result<Tensor>| {
        let of = |dtype: DType, format: Format| {
            let (outside, between) = if dtype == DType::BF16 { (DType::F32, dtype) } else { (dtype, dtype) };
            run(&x.to_dtype(outside).unwrap(), &w.to_dtype(outside).unwrap(), |x, w| {
                let y = op(format, &format.of_image(x)?.to_dtype(between)?, w)?;
                format.to_image(&y)?.to_dtype(outside)
            })
        };
        let expected = of(DType::F64, FIRST);
        for format in [LAST, FIRST] {
            for (what, (found, expected)) in
                ["result", "gradient of x", "gradient of w"].iter().zip(of(DType::BF16, format).iter().zip(&expected))
            {
                let off = error(found, expected);
                assert!(off < 8e-3, "{name} in {format:?}: the {what} is off by {off:e}");
            }
        }
    };
    let like = |t: &Tensor, x: &Tensor| if x.dtype() == DType::F64 { t.to_dtype(DType::F64) } else { Ok(t.clone()) };
    halved("convolution", &x, &f, &|format, x, f| format.conv2d(x, f, None, 1));
    halved("with a bias", &x, &f, &|format, x, f| format.conv2d(x, f, Some(&like(&bias, x)?), 1));
    halved("bias", &x, &bias, &|format, x, bias| format.conv2d(x, &like(&f, x)?, Some(bias), 1));
    halved("transposed convolution", &x, &v, &|format, x, v| format.conv_transpose2d(x, v));
    halved("norm", &x, &gamma, &|format, x, gamma| Ok(format.batch_norm_train(x, gamma, gamma, 1e-3, true)?.0));
    // Pooled first: of rounded values another one may be the largest.
    halved("pooling and norm", &x, &gamma, &|format, x, gamma| {
        let (mean, var) = (gamma.detach(), (gamma.detach().sqr()? + 0.5)?);
        format.batch_norm_eval(&format.max_pool2x2(x)?, gamma, gamma, (&mean, &var), 1e-3, true)
    });
}

/// A GPU takes the algorithm that is thought the fastest at first, and that which was measured later.
#[test]
fn again_and_again() {
    let (x, f, v) = (random(1, &[2, 16, 9, 13]), random(2, &[24, 16, 5, 5]), random(3, &[16, 8, 4, 4]));
    let [x, f, v] = [x, f, v].map(|t| t.to_dtype(DType::F32).unwrap());
    let conv2d = |format: Format, x: &Tensor, f: &Tensor| format.conv2d(x, f, None, 2);
    let conv_transpose2d = |format: Format, x: &Tensor, v: &Tensor| format.conv_transpose2d(x, v);
    let repeated = |name: &str, w: &Tensor, op: &dyn Fn(Format, &Tensor, &Tensor) -> Result<Tensor>| {
        for format in [FIRST, LAST] {
            let op = |x: &Tensor, w: &Tensor| format.to_image(&op(format, &format.of_image(x)?, w)?);
            let first = run(&x, w, op);
            for time in 2..8 {
                for (found, expected) in run(&x, w, op).iter().zip(&first) {
                    let off = error(found, expected);
                    assert!(off < apart(), "{name} in {format:?} for the {time}th time is off by {off:e}");
                }
            }
        }
    };
    repeated("conv2d", &f, &conv2d);
    repeated("conv_transpose2d", &v, &conv_transpose2d);
}
