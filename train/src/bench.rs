//! `train bench`: how long things take here.

mod data;

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use manifests::run::{Branches, Loss, Model, Precision};
use serde_json::json;

use crate::{
    Error, device, loss,
    memory::Need,
    net::{Corrn, MULTIPLE, Pass, layers},
    ops::Format,
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
    /// Steps that are timed.
    #[arg(long)]
    steps: usize,
    /// Steps before the clock starts. On a GPU the fourth measures which convolutions are fastest.
    #[arg(long, default_value_t = 5)]
    warm_up: usize,
    /// Arithmetic: f32, tf32 or bf16.
    #[arg(long, default_value = "f32", value_parser = precision)]
    precision: Precision,
    /// Order of the images between the layers: channels-first or channels-last. By default that of the precision.
    #[arg(long, value_name = "ORDER", value_parser = format)]
    format: Option<Format>,
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

fn format(text: &str) -> Result<Format, String> {
    match text {
        "channels-first" => Ok(Format::ChannelsFirst),
        "channels-last" => Ok(Format::ChannelsLast),
        _ => Err("channels-first or channels-last".to_owned()),
    }
}

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
    device::set_precision(&device, args.precision)?;
    if args.batch == 0 || args.steps == 0 {
        return Err(Error::input("--batch and --steps must be at least 1"));
    }
    if !args.height.is_multiple_of(MULTIPLE) || !args.width.is_multiple_of(MULTIPLE) || args.height.min(args.width) == 0
    {
        return Err(Error::input(format!("--height and --width must be multiples of {MULTIPLE}, from {MULTIPLE} on")));
    }
    if !(1.0 / 64.0..=1.0).contains(&args.model_width) {
        return Err(Error::input("--model-width must be from 1/64 (0.015625) to 1"));
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
        "gpu": device::gpu_name(&device)?,
        "operations": operations(args),
        "precision": args.precision,
        "format": if args.pass().format() == Format::ChannelsLast { "channels-last" } else { "channels-first" },
        "batch": args.batch,
        "size": [args.height, args.width],
        "model_width": args.model_width,
        "peak_mib": device::peak_mib(&device)?,
        "estimated_mib": (estimate.bytes(args.batch) / f64::from(1 << 20)).round(),
    });
    if args.json {
        manifests::say!("{line}");
    } else {
        manifests::say!(
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

    fn pass(&self) -> Pass {
        let pass = Pass::train().with_precision(self.precision);
        self.format.map_or(pass, |format| pass.with_format(format))
    }
}

/// Multiplications and additions of a step's convolutions, by their definition: forward, and twice that for the gradients.
fn operations(args: &StepArgs) -> f64 {
    let work: u64 = layers(&args.model()).iter().map(|layer| layer.multiply_adds(args.height, args.width)).sum();
    6.0 * work as f64 * args.batch as f64
}

/// Seconds of each step after the warm-up.
fn steps(args: &StepArgs, device: &Device) -> Result<Vec<f64>, Error> {
    let net = Corrn::new(&args.model(), 0, DType::F32, device)?;
    let mut adam = Adam::new(net.params().trained(), AdamConfig { lr: 1e-4, ..AdamConfig::default() })?;
    let dims = (args.batch, 3, args.height, args.width);
    let b = (Tensor::rand(0f32, 1f32, dims, device)? * 0.9)?;
    let r = (Tensor::rand(0f32, 1f32, dims, device)? * 0.3)?;
    let image = (&b + &r)?;
    let pass = args.pass();
    let mut times = Vec::with_capacity(args.steps);
    for i in 0..args.warm_up + args.steps {
        if i == args.warm_up {
            // What choosing the convolutions took is given back.
            device::reset_peak(device)?;
        }
        let began = Instant::now();
        let (out, tape) = net.record(&image, pass)?;
        let terms = loss::corrn(&Loss::default(), &out, &b, &r)?;
        adam.step(&tape.backward(&terms.total)?)?;
        device.synchronize()?;
        if i >= args.warm_up {
            times.push(began.elapsed().as_secs_f64());
        }
    }
    Ok(times)
}
