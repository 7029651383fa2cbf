//! Times the operations on the shapes of one training step at full width, batch 2, 96 x 160.
//!
//! On the tape that training takes; the gradient of ones that the way back starts from is taken off.
//!
//! `cargo bench -p train --bench ops [-- FILTER]` prints one JSON line an operation: median seconds forward and backward.
//! `benches/compare_ops.py` runs PyTorch on the same list and prints the ratios. RAYON_NUM_THREADS sets the threads; with
//! OPS_CLOCK=cpu the seconds are those that the threads ran, which other programs do not disturb (Linux).
//! OPS_DEVICE=cuda:0 runs on a GPU, where the clock stops when it has finished; OPS_BATCH sets the images in a batch.
#![expect(clippy::unwrap_used, reason = "a bench has nobody to report to")]

use std::sync::LazyLock;
use std::time::SystemTime;

use candle_core::{DType, Device, Result, Tensor, Var};
use train::ops;
use train::optim::{Adam, AdamConfig};

/// As in the program.
#[global_allocator]
static ALLOCATOR: train::alloc::Recycler = train::alloc::Recycler;

static BATCH: LazyLock<usize> = LazyLock::new(|| std::env::var("OPS_BATCH").map_or(2, |batch| batch.parse().unwrap()));
static DEVICE: LazyLock<Device> =
    LazyLock::new(|| std::env::var("OPS_DEVICE").map_or(Device::Cpu, |name| train::device::parse(&name).unwrap()));
const REPEATS: usize = 7;

/// (name, filter side, input channels, output channels, height, width) of the network's convolutions.
const CONVOLUTIONS: [(&str, usize, usize, usize, usize, usize); 16] = [
    ("conv 3x3 3-64 96x160", 3, 3, 64, 96, 160),
    ("conv 3x3 64-64 96x160", 3, 64, 64, 96, 160),
    ("conv 3x3 128-128 48x80", 3, 128, 128, 48, 80),
    ("conv 3x3 256-256 24x40", 3, 256, 256, 24, 40),
    ("conv 3x3 512-512 12x20", 3, 512, 512, 12, 20),
    ("conv 3x3 512-512 6x10", 3, 512, 512, 6, 10),
    ("conv 7x7 512-1024 6x10", 7, 512, 1024, 6, 10),
    ("conv 1x1 1024-512 6x10", 1, 1024, 512, 6, 10),
    ("conv 5x5 256-256 6x10", 5, 256, 256, 6, 10),
    ("conv 7x7 256-128 6x10", 7, 256, 128, 6, 10),
    ("conv 7x7 128-192 12x20", 7, 128, 192, 12, 20),
    ("conv 7x7 64-32 24x40", 7, 64, 32, 24, 40),
    ("conv 7x7 32-16 48x80", 7, 32, 16, 48, 80),
    ("conv 5x5 64-1 96x160", 5, 64, 1, 96, 160),
    ("conv 3x3 49-16 96x160", 3, 49, 16, 96, 160),
    ("conv 3x3 16-3 96x160", 3, 16, 3, 96, 160),
];

/// (name, input channels, output channels, input height, input width) of its transposed convolutions.
const TRANSPOSED: [(&str, usize, usize, usize, usize); 6] = [
    ("transposed 576-768 3x5", 576, 768, 3, 5),
    ("transposed 1408-384 6x10", 1408, 384, 6, 10),
    ("transposed 640-192 12x20", 640, 192, 12, 20),
    ("transposed 352-96 24x40", 352, 96, 24, 40),
    ("transposed 176-48 48x80", 176, 48, 48, 80),
    ("transposed 96-64 48x80", 96, 64, 48, 80),
];

fn random(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1., shape, &DEVICE).unwrap()
}

/// Seconds so far: of the wall clock, or of all threads. What a GPU was told to do is done.
fn now() -> f64 {
    DEVICE.synchronize().unwrap();
    if std::env::var("OPS_CLOCK").is_ok_and(|clock| clock == "cpu") {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let nanoseconds = |task: std::path::PathBuf| -> f64 {
            let text = std::fs::read_to_string(task.join("schedstat")).unwrap();
            text.split_whitespace().next().unwrap().parse().unwrap()
        };
        return tasks.map(|task| nanoseconds(task.unwrap().path())).sum::<f64>() * 1e-9;
    }
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Repeats before those that count: a GPU measures its convolutions when they come for the fourth time.
fn left_out() -> usize {
    if DEVICE.is_cpu() { 1 } else { 5 }
}

/// Times `op` on variables of these shapes, and its backward pass under a gradient of ones.
fn time(name: &str, filter: &str, shapes: &[&[usize]], op: impl Fn(&[Tensor]) -> Result<Tensor>) {
    if !name.contains(filter) {
        return;
    }
    let vars: Vec<Var> = shapes.iter().map(|s| Var::from_tensor(&random(s)).unwrap()).collect();
    let args: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let left_out = left_out();
    for _ in 0..left_out + REPEATS {
        let begin = now();
        let mut took = 0.0;
        let (y, tape) = ops::record(|| {
            let y = op(&args)?;
            took = now() - begin;
            Ok(vec![y])
        })
        .unwrap();
        forward.push(took);
        let begin = now();
        drop(y[0].ones_like().unwrap());
        let ones = now() - begin;
        let begin = now();
        tape.backward(&y[0]).unwrap();
        backward.push((now() - begin - ones).max(0.0));
    }
    let (forward, backward) = (median(forward.split_off(left_out)), median(backward.split_off(left_out)));
    println!("{{\"op\": \"{name}\", \"forward_s\": {forward:.6}, \"backward_s\": {backward:.6}}}");
}

fn main() {
    // Cargo passes --bench; the first other argument chooses the operations.
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--")).unwrap_or_default();
    for (name, k, c, out, h, w) in CONVOLUTIONS {
        time(name, &filter, &[&[*BATCH, c, h, w], &[out, c, k, k]], |x| ops::conv2d(&x[0], &x[1], None, k / 2));
    }
    for (name, c, out, h, w) in TRANSPOSED {
        time(name, &filter, &[&[*BATCH, c, h, w], &[c, out, 4, 4]], |x| ops::conv_transpose2d(&x[0], &x[1]));
    }
    let large: &[usize] = &[*BATCH, 64, 96, 160];
    time("batch norm and relu 64 96x160", &filter, &[large, &[64], &[64]], |x| {
        Ok(ops::batch_norm_train(&x[0], &x[1], &x[2], 1e-3, true)?.0)
    });
    time("max pool 64 96x160", &filter, &[large], |x| ops::max_pool2x2(&x[0]));
    time("relu 64 96x160", &filter, &[large], |x| ops::relu(&x[0]));
    let image: &[usize] = &[*BATCH, 3, 96, 160];
    time("ssim 96x160", &filter, &[image, image], |x| ops::ssim(&x[0].detach(), &x[1]));
    time("statistic loss 96x160", &filter, &[image, image], |x| ops::statistic_loss(&x[0], &x[1]));
    let name = "adam 8M";
    if name.contains(&filter) {
        let var = Var::from_tensor(&Tensor::zeros((8, 1 << 20), DType::F32, &DEVICE).unwrap()).unwrap();
        let mut adam = Adam::new(vec![("w".into(), var.clone())], AdamConfig::default()).unwrap();
        let gradients = var.as_tensor().backward().unwrap();
        let step = |_| {
            let begin = now();
            adam.step(&gradients).unwrap();
            now() - begin
        };
        let seconds = median((0..=REPEATS).map(step).collect());
        println!("{{\"op\": \"{name}\", \"forward_s\": {seconds:.6}, \"backward_s\": 0}}");
    }
}
