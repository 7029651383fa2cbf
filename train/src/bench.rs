//! `train bench`: how long things take here.

mod data;

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use manifests::run::{Branches, Loss, Model, Precision};
use serde_json::json;

use crate::{
    Error, device, loss,
    memory::Need,
    net::{Corrn, Pass},
    ops,
    optim::{Adam, AdamConfig},
};

/// What to time.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum BenchCommand {
    /// Forward, loss, backward and Adam of one batch of noise.
    Step(StepArgs),
    /// The loader alone: samples decoded or mixed a second.
    Data(data::DataArgs),
}

/// The step to time.
#[derive(Debug, clap::Args)]
pub(crate) struct StepArgs {
    /// cpu, or cuda:N. Nothing falls back.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Images in a batch.
    #[arg(long)]
    batch: usize,
    /// Rows, a multiple of 32.
    #[arg(long)]
    height: usize,
    /// Columns, a multiple of 32.
    #[arg(long)]
    width: usize,
    /// Steps that are timed, after two that are not.
    #[arg(long)]
    steps: usize,
    /// Arithmetic: f32, tf32 or bf16.
    #[arg(long, default_value = "f32", value_parser = precision)]
    precision: Precision,
    /// Multiplier of every channel count.
    #[arg(long, default_value_t = 1.0)]
    model_width: f64,
    /// One sub-layer applied three times in each decoder stage, as in the authors' code.
    #[arg(long)]
    shared_branches: bool,
    /// Print one JSON line.
    #[arg(long)]
    json: bool,
}

fn precision(text: &str) -> Result<Precision, String> {
    serde_json::from_value(json!(text)).map_err(|_| "f32, tf32 or bf16".to_owned())
}

/// Steps before the clock starts.
const WARM_UP: usize = 2;

/// Times what was asked for.
///
/// # Errors
/// What cannot be timed here.
pub(crate) fn bench(command: &BenchCommand) -> Result<(), Error> {
    match command {
        BenchCommand::Step(args) => step(args),
        BenchCommand::Data(args) => data::bench(args),
    }
}

/// Times a step and prints the median.
///
/// # Errors
/// A size or precision that the device does not take.
fn step(args: &StepArgs) -> Result<(), Error> {
    let device = device::parse(&args.device)?;
    if args.precision != Precision::F32 {
        return Err(Error::input("--precision: tf32 and bf16 need CUDA, which this build does not have; use f32"));
    }
    if args.batch == 0 || args.steps == 0 {
        return Err(Error::input("--batch and --steps must be at least 1"));
    }
    let mut times = steps(args, &device)?;
    times.sort_by(f64::total_cmp);
    let median = (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0;
    let size = manifests::Size { height: args.height as u32, width: args.width as u32 };
    let estimate = Need::of_model(&args.model(), size);
    let line = json!({
        "step_s": median,
        "images_per_s": args.batch as f64 / median,
        "device": args.device,
        "precision": args.precision,
        "batch": args.batch,
        "size": [args.height, args.width],
        "model_width": args.model_width,
        "peak_mib": peak_mib(),
        "estimated_mib": (estimate.bytes(args.batch) / f64::from(1 << 20)).round(),
    });
    if args.json {
        println!("{line}");
    } else {
        println!(
            "{} {}x{} images on {}: {median:.4} s a step (median of {}), {:.2} images/s",
            args.batch,
            args.height,
            args.width,
            args.device,
            args.steps,
            args.batch as f64 / median
        );
    }
    Ok(())
}

impl StepArgs {
    fn model(&self) -> Model {
        let branches = if self.shared_branches { Branches::Shared } else { Branches::Independent };
        Model { width: self.model_width, branches, ..Model::default() }
    }
}

/// Seconds of each step after the warm-up.
fn steps(args: &StepArgs, device: &Device) -> Result<Vec<f64>, Error> {
    let net = Corrn::new(&args.model(), 0, DType::F32, device)?;
    let mut adam = Adam::new(net.params().trained(), AdamConfig { lr: 1e-4, ..AdamConfig::default() })?;
    let dims = (args.batch, 3, args.height, args.width);
    let b = (Tensor::rand(0f32, 1f32, dims, device)? * 0.9)?;
    let r = (Tensor::rand(0f32, 1f32, dims, device)? * 0.3)?;
    let image = (&b + &r)?;
    let mut times = Vec::with_capacity(args.steps);
    for i in 0..WARM_UP + args.steps {
        let began = Instant::now();
        let out = net.forward(&image, Pass::train())?;
        let terms = loss::corrn(&Loss::default(), &out, &b, &r)?;
        adam.step(&ops::backward(&terms.total)?)?;
        device.synchronize()?;
        if i >= WARM_UP {
            times.push(began.elapsed().as_secs_f64());
        }
    }
    Ok(times)
}

/// The process's largest memory so far in MiB, where the system says.
fn peak_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}
