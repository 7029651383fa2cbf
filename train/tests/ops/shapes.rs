//! All shapes and layouts: against the definitions written as plain loops, and against each other.

use candle_core::{DType, Result, Tensor, Var};
use proptest::prelude::*;
use train::ops;

use crate::support::{device, error, on_gpu, random, rounding, run, values};

on_gpu!(convolution, transposed_convolution, pooling, running_statistics, layouts);

/// Convolution by its definition; padding counts as 0.
fn plain_convolution(x: &Tensor, w: &Tensor, padding: usize) -> Tensor {
    let ((n, c, h, width), (out, _, kh, kw)) = (x.dims4().unwrap(), w.dims4().unwrap());
    let (out_h, out_w) = (h + 2 * padding - kh + 1, width + 2 * padding - kw + 1);
    let (xv, wv) = (values(x), values(w));
    let mut y = Vec::new();
    for (s, o) in (0..n).flat_map(|s| (0..out).map(move |o| (s, o))) {
        for (i, j) in (0..out_h).flat_map(|i| (0..out_w).map(move |j| (i, j))) {
            let mut sum = 0.0;
            for (k, a, b) in (0..c * kh * kw).map(|t| (t / (kh * kw), t / kw % kh, t % kw)) {
                let (Some(py), Some(px)) = ((i + a).checked_sub(padding), (j + b).checked_sub(padding)) else {
                    continue;
                };
                if py < h && px < width {
                    sum += xv[((s * c + k) * h + py) * width + px] * wv[((o * c + k) * kh + a) * kw + b];
                }
            }
            y.push(sum);
        }
    }
    Tensor::from_vec(y, (n, out, out_h, out_w), &device()).unwrap()
}

/// Transposed convolution by its definition: every input pixel is spread over 4 x 4 outputs.
fn plain_transposed(x: &Tensor, w: &Tensor) -> Tensor {
    let ((n, c, h, width), (_, out, ..)) = (x.dims4().unwrap(), w.dims4().unwrap());
    let (xv, wv) = (values(x), values(w));
    let mut y = vec![0.0; n * out * 4 * h * width];
    for (s, k, i, j) in
        (0..n * c * h * width).map(|p| (p / (c * h * width), p / (h * width) % c, p / width % h, p % width))
    {
        for (o, a, b) in (0..out * 16).map(|t| (t / 16, t / 4 % 4, t % 4)) {
            let (Some(py), Some(px)) = ((2 * i + a).checked_sub(1), (2 * j + b).checked_sub(1)) else { continue };
            if py < 2 * h && px < 2 * width {
                y[((s * out + o) * 2 * h + py) * 2 * width + px] +=
                    xv[((s * c + k) * h + i) * width + j] * wv[((k * out + o) * 4 + a) * 4 + b];
            }
        }
    }
    Tensor::from_vec(y, (n, out, 2 * h, 2 * width), &device()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Any extents, batch 1 and single pixels among them: the definition's result in f64, and f32 close to f64.
    #[test]
    fn convolution(
        n in 1usize..4, c in 1usize..20, out in 1usize..40, h in 1usize..14, w in 1usize..80,
        kh in 1usize..6, kw in 1usize..6, padding in 0usize..4, seed: u64,
    ) {
        prop_assume!(h + 2 * padding >= kh && w + 2 * padding >= kw);
        let (x, filters) = (random(seed, &[n, c, h, w]), random(seed ^ 1, &[out, c, kh, kw]));
        let op = |x: &Tensor, w: &Tensor| ops::conv2d(x, w, None, padding);
        let exact = run(&x, &filters, op);
        prop_assert!(error(&exact[0], &plain_convolution(&x, &filters, padding)) < 1e-12);
        let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
        for (found, expected) in run(&single(&x), &single(&filters), op).iter().zip(&exact) {
            prop_assert!(error(found, expected) < rounding());
        }
        // Both gradients by the inner product <g, conv(x, w)>, which is linear in each argument.
        let inner = |a: &Tensor, b: &Tensor| (a * b).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
        let value = inner(&exact[0], &random(9, exact[0].dims()));
        let scale = exact[0].elem_count() as f64 * (c * kh * kw) as f64;
        prop_assert!((inner(&x, &exact[1]) - value).abs() < 1e-13 * scale);
        prop_assert!((inner(&filters, &exact[2]) - value).abs() < 1e-13 * scale);
    }

    #[test]
    fn transposed_convolution(
        n in 1usize..4, c in 1usize..20, out in 1usize..20, h in 1usize..9, w in 1usize..60, seed: u64,
    ) {
        let (x, filters) = (random(seed, &[n, c, h, w]), random(seed ^ 1, &[c, out, 4, 4]));
        let exact = run(&x, &filters, ops::conv_transpose2d);
        prop_assert!(error(&exact[0], &plain_transposed(&x, &filters)) < 1e-12);
        let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
        for (found, expected) in run(&single(&x), &single(&filters), ops::conv_transpose2d).iter().zip(&exact) {
            prop_assert!(error(found, expected) < rounding());
        }
        let inner = |a: &Tensor, b: &Tensor| (a * b).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
        let value = inner(&exact[0], &random(9, exact[0].dims()));
        let scale = exact[0].elem_count() as f64 * (16 * c) as f64;
        prop_assert!((inner(&x, &exact[1]) - value).abs() < 1e-13 * scale);
        prop_assert!((inner(&filters, &exact[2]) - value).abs() < 1e-13 * scale);
    }

    /// Pooling against its definition; the gradients reach exactly one pixel of each block.
    #[test]
    fn pooling(n in 1usize..3, c in 1usize..4, h in 2usize..12, w in 2usize..40, seed: u64) {
        let x = Var::from_tensor(&random(seed, &[n, c, h, w])).unwrap();
        let y = ops::max_pool2x2(&x).unwrap();
        let xv = values(&x);
        let at = |p: usize, i: usize, j: usize| xv[(p * h + i) * w + j];
        let blocks = (0..n * c).flat_map(|p| (0..h / 2 * (w / 2)).map(move |b| (p, 2 * (b / (w / 2)), 2 * (b % (w / 2)))));
        let expected: Vec<f64> = blocks
            .map(|(p, i, j)| at(p, i, j).max(at(p, i, j + 1)).max(at(p, i + 1, j)).max(at(p, i + 1, j + 1)))
            .collect();
        prop_assert_eq!(values(&y), expected.clone());
        let g = y.sum_all().unwrap().backward().unwrap().get(&x).unwrap().clone();
        let taken: Vec<f64> = values(&g).iter().zip(&xv).filter(|(g, _)| **g != 0.0).map(|(_, x)| *x).collect();
        prop_assert_eq!(taken.len(), expected.len());
        prop_assert!((taken.iter().sum::<f64>() - expected.iter().sum::<f64>()).abs() < 1e-9);
    }
}

/// Running statistics of another distribution than the batch's, against their definition; with a convolution's bias, which
/// the mean alone counts.
#[test]
fn running_statistics() {
    let (n, c, h, w) = (3, 5, 4, 6);
    let (x, bias, start) = (random(1, &[n, c, h, w]), random(2, &[c]), random(3, &[c]));
    let one = start.ones_like().unwrap();
    let (xs, momentum, count) = (values(&x), 0.3, (n * h * w) as f64);
    for dtype in [DType::F64, DType::F32] {
        for biased in [false, true] {
            let of = |t: &Tensor| t.to_dtype(dtype).unwrap();
            let [mean, var] = [(); 2].map(|()| Var::from_tensor(&of(&start)).unwrap());
            let (_, stats) = ops::batch_norm_train(&of(&x), &of(&one), &of(&one), 1e-3, false).unwrap();
            let bias = of(&bias);
            stats.enter(biased.then_some(&bias), &mean, &var, momentum).unwrap();
            let (means, vars) = (values(&mean), values(&var));
            for k in 0..c {
                let shift = if biased { values(&bias)[k] } else { 0.0 };
                let plane = |image: usize| xs[(image * c + k) * h * w..][..h * w].iter().map(|v| v + shift);
                let of_channel: Vec<f64> = (0..n).flat_map(plane).collect();
                let batch = of_channel.iter().sum::<f64>() / count;
                let squares = of_channel.iter().map(|v| (v - batch).powi(2)).sum::<f64>();
                let moved = |to: f64| (1.0 - momentum) * values(&of(&start))[k] + momentum * to;
                let (wanted_mean, wanted_var) = (moved(batch), moved(squares / (count - 1.0)));
                let bound = if dtype == DType::F64 { 1e-12 } else { 1e-6 };
                let off = (means[k] - wanted_mean).abs().max((vars[k] - wanted_var).abs());
                assert!(off < bound, "{dtype:?}, biased {biased}: off by {off:e}");
            }
        }
    }
}

/// Transposed and narrowed views give what their contiguous copies give, gradients included.
#[test]
fn layouts() {
    let wide = random(1, &[6, 5, 3, 9]).to_dtype(DType::F32).unwrap();
    let x = wide.transpose(0, 2).unwrap().narrow(3, 1, 6).unwrap();
    assert!(!x.is_contiguous());
    let exchanged = |seed, shape: &[usize]| random(seed, shape).to_dtype(DType::F32).unwrap().transpose(0, 1).unwrap();
    let (w, v) = (exchanged(2, &[5, 4, 3, 3]), exchanged(3, &[2, 5, 4, 4]));
    let same = |name: &str, a: Result<Tensor>, b: Result<Tensor>| {
        assert_eq!(error(&a.unwrap(), &b.unwrap()), 0.0, "{name}");
    };
    // cuDNN may take another algorithm the next time.
    let near = |name: &str, a: Result<Tensor>, b: Result<Tensor>| {
        let bound = if device().is_cpu() { 0.0 } else { rounding() };
        assert!(error(&a.unwrap(), &b.unwrap()) <= bound, "{name}");
    };
    let copy = |t: &Tensor| t.contiguous().unwrap();
    near("conv2d", ops::conv2d(&x, &w, None, 2), ops::conv2d(&copy(&x), &copy(&w), None, 2));
    let (first, last) = (ops::conv_transpose2d(&x, &v), ops::conv_transpose2d(&copy(&x), &copy(&v)));
    near("conv_transpose2d", first, last);
    same("max_pool2x2", ops::max_pool2x2(&x), ops::max_pool2x2(&copy(&x)));
    same("relu", ops::relu(&x), ops::relu(&copy(&x)));
    let channel = random(4, &[5, 2]).to_dtype(DType::F32).unwrap().narrow(1, 1, 1).unwrap().squeeze(1).unwrap();
    let norm = |x: &Tensor, c: &Tensor| Ok(ops::batch_norm_train(x, c, c, 1e-3, true)?.0);
    same("batch_norm_train", norm(&x, &channel), norm(&copy(&x), &copy(&channel)));
    let (a, b) = (x.narrow(1, 0, 3).unwrap(), x.narrow(1, 2, 3).unwrap());
    same("ssim", ops::ssim(&a, &b), ops::ssim(&copy(&a), &copy(&b)));
    same("statistic_loss", ops::statistic_loss(&a, &b), ops::statistic_loss(&copy(&a), &copy(&b)));
    same("l1", ops::l1(&a, &b), ops::l1(&copy(&a), &copy(&b)));
    same("sobel_magnitude", ops::sobel_magnitude(&a), ops::sobel_magnitude(&copy(&a)));
    // An upstream gradient that is not contiguous: the gradient of a transposed result.
    let flipped = |f: &dyn Fn(&Tensor) -> Tensor| {
        let var = Var::from_tensor(&copy(&x)).unwrap();
        let g = random(8, &[3, 5, 6, 6]).to_dtype(DType::F32).unwrap();
        let y = f(&ops::relu(&var).unwrap());
        (y * f(&g)).unwrap().sum_all().unwrap().backward().unwrap().get(&var).unwrap().clone()
    };
    assert_eq!(error(&flipped(&|t| t.transpose(2, 3).unwrap()), &flipped(&|t| t.clone())), 0.0);
}

/// The same bits from one thread and from several, gradients included.
#[test]
fn thread_count() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let x = random(1, &[3, 30, 33, 47]).to_dtype(DType::F32).unwrap();
    let (w, v) = (random(2, &[24, 30, 3, 3]), random(3, &[30, 40, 4, 4]));
    let (w, v) = (w.to_dtype(DType::F32).unwrap(), v.to_dtype(DType::F32).unwrap());
    let all = || {
        let mut found = run(&x, &w, |x, w| ops::conv2d(x, w, None, 1)).to_vec();
        found.extend(run(&x, &v, ops::conv_transpose2d));
        let scale = random(4, &[30]).to_dtype(DType::F32).unwrap();
        found.extend(run(&x, &scale, |x, c| Ok(ops::batch_norm_train(x, c, c, 1e-3, true)?.0)));
        let (a, b) = (x.narrow(1, 0, 3).unwrap(), x.narrow(1, 3, 3).unwrap());
        found.extend(run(&a, &b, ops::ssim));
        found.push(ops::l1(&a, &b).unwrap());
        let a = Var::from_tensor(&a.contiguous().unwrap()).unwrap();
        let loss = ops::statistic_loss(&a, &b).unwrap();
        found.push(loss.backward().unwrap().get(&a).unwrap().clone());
        found.push(loss.detach());
        found.iter().flat_map(|t| values(t).into_iter().map(f64::to_bits)).collect::<Vec<u64>>()
    };
    let one = pool(1).install(all);
    for threads in [2, 3, 7] {
        assert!(pool(threads).install(all) == one, "{threads} threads differ from one");
    }
}
