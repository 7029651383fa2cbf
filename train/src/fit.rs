//! `train fit`: a run file in, a run's folder out. The main path, from the top to the bottom.

pub mod folder;
mod guard;
mod judge;
mod lock;
mod progress;
mod schedule;
mod stop;
pub mod tensorboard;
mod trainer;
mod training_data;
mod validate;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use manifests::run::{Precision, Record, Run};

use self::{
    folder::RunFolder,
    guard::{Guard, Verdict},
    judge::Judge,
    progress::{Progress, Window},
    schedule::Plan,
    stop::Stop,
    trainer::Trainer,
    training_data::TrainingData,
};
use crate::{Error, checkpoint::Header, data, device, memory};

/// Steps that a record of the metrics averages.
const RECORD_EVERY: u64 = 10;
/// What a run file says of an encoder that is not read from a file.
const RANDOM: &str = "random";

/// What to fit and where.
#[derive(Debug, clap::Args)]
pub struct FitArgs {
    /// The run file.
    run: PathBuf,
    /// The run's folder. One that holds the same run is continued from its last checkpoint.
    #[arg(long)]
    out: PathBuf,
    /// cpu, or cuda:N. Nothing falls back.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Changes a key of the run file, as model.width=0.25; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Insist on continuing: a folder without a run is an error.
    #[arg(long)]
    resume: bool,
    /// Stop after this many steps of the run, counted from its beginning.
    #[arg(long)]
    max_steps: Option<u64>,
    /// A built data set's folder or a recipe, instead of the run file's data.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Keeps photographs of recipes, once decoded and reduced, for later runs (as `synth build --cache`).
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Check the run file and the data, say what would be done, and stop.
    #[arg(long)]
    dry_run: bool,
}

/// Fits a network. Stopped by a signal, it writes a checkpoint and returns as at its end.
///
/// # Errors
/// Bad input, a disk that is full, losses that are not finite: what was saved last stays whole.
pub fn fit(args: &FitArgs) -> Result<(), Error> {
    let run = effective_run(args)?;
    let device = device::parse(&args.device)?;
    let data = TrainingData::open(&run, args.cache.as_deref())?;
    if let Some((size, samples)) = data.order.largest().filter(|_| device.is_cpu()) {
        memory::check(&run, size, samples, &args.run)?;
    }
    let batches = run.schedule.accumulate as u64;
    let plan = Plan::new(&run.schedule, data.order.steps_per_epoch().div_ceil(batches));
    let last = plan.steps().min(args.max_steps.unwrap_or(u64::MAX));
    if args.dry_run {
        let samples = run.schedule.batch * run.schedule.accumulate;
        manifests::say!("{}: {last} steps of {samples} samples, {} an epoch", run.name, plan.per_epoch);
        return Ok(());
    }

    let stop = Stop::listen()?;
    let mut trainer = Trainer::new(&run, &device)?;
    if run.model.encoder != RANDOM {
        trainer.load_encoder(Path::new(&run.model.encoder))?;
    }
    let mut folder = RunFolder::open(&args.out, &run, args.resume)?;
    folder.environment(&device, &std::env::args().collect::<Vec<_>>())?;
    let restored = folder.restore(&mut trainer)?;
    if restored.as_ref().and_then(|header| header.data).is_some_and(|fitted| fitted != data.digest) {
        let message = "was fitted on other data: a recipe or a photograph of its data sets has changed since, and with it the \
                       order of samples; give another --out, or restore what changed";
        return Err(Error::input_at(&args.out, message));
    }
    let show = |p: &Progress| match &restored {
        Some(header) => p.say(&format!("{}: continuing after step {}", run.name, header.step)),
        None => p.say(&format!("{}: {} samples, {} steps", run.name, data.train.len(), last)),
    };
    let mut header = restored.clone().unwrap_or_else(|| Header::new(run.clone()));
    header.data = Some(data.digest);
    let mut progress = Progress::new(trainer.step, last);
    show(&progress);

    let judge = Judge { run: &run, plan: &plan, data: &data, device: &device, stop: &stop };
    if header.validation_due {
        let epoch = trainer.step.saturating_sub(1) / plan.per_epoch;
        if !judge.validate(&trainer, &mut header, &mut folder, &progress, epoch)? {
            progress.say(&stopped(trainer.step));
            return Ok(());
        }
        if trainer.averages() {
            trainer.reestimate(data.precise_batches()?)?;
        }
        trainer.save(&folder.last(), &header, true)?;
        folder.prune(&header)?;
    }

    let mut loader = data.loader(trainer.step * batches);
    let (mut window, mut guard, mut ahead) = (Window::new(), Guard::default(), None);
    let (began, before) = (Instant::now(), header.seconds);
    let patience = run.schedule.early_stop;
    // What is put off until the weights are numbers again.
    let mut due = (false, false);
    let ended = |header: &Header| patience > 0 && header.without_gain >= patience;
    while trainer.step < last && !ended(&header) {
        let asked = Instant::now();
        let next = |_| ahead.take().unwrap_or_else(|| loader.next_batch());
        let batch = (0..batches).map(next).collect::<Result<Vec<_>, _>>()?;
        let waited = asked.elapsed();
        let rate = plan.learning_rate(trainer.step);
        let figures = trainer.step(&batch, rate, || {
            ahead = loader.batch_if_ready();
            ahead.as_ref()?.as_ref().ok().cloned()
        })?;
        match guard.watch(&figures, &batch, &mut trainer, &folder)? {
            Verdict::Fine => window.add(&figures, batch.iter().map(|b| b.samples.len()).sum(), waited),
            Verdict::Skipped(kept) => progress.say(&format!(
                "step {}: the loss is not a finite number: skipped, the batch is in {}",
                trainer.step,
                kept.display()
            )),
            Verdict::RolledBack(kept) => progress.say(&format!(
                "step {}: the loss is not a finite number again: back to the weights of {}, the batch is in {}",
                trainer.step,
                folder.last().display(),
                kept.display()
            )),
        }

        let (done, epoch) = (trainer.step, (trainer.step - 1) / plan.per_epoch);
        header.seconds = before + began.elapsed().as_secs_f64();
        // Weights that have just given no number are not kept, nor do they hold up a stop for more than two steps.
        due = (due.0 || plan.validates(done) || done == last, due.1 || plan.saves(done));
        let asked = due.0 || due.1 || stop.requested();
        let sound = !asked || trainer.is_sound()?;
        let steady = sound && (guard.steady() || done == last);
        if done == last && !sound {
            return Err(Error::Failed(format!(
                "step {done}, the last: the weights are not all finite numbers; {} is what was saved last: lower the learning \
                 rate",
                folder.last().display()
            )));
        }
        let validates = steady && due.0;
        let saves = steady && asked;
        if saves {
            due = (false, false);
        }
        if (saves || done.is_multiple_of(RECORD_EVERY))
            && let Some(figures) = window.take(rate, device::memory_mib(&device)?)
        {
            progress.train(done, epoch, &figures);
            folder.record(&Record { train: Some(figures), ..record(done, epoch, &header) })?;
        }
        let validated = validates && judge.validate(&trainer, &mut header, &mut folder, &progress, epoch)?;
        if saves {
            if !validated || trainer.averages() {
                trainer.reestimate(data.precise_batches()?)?;
            }
            trainer.save(&folder.last(), &header, true)?;
            folder.prune(&header)?;
            guard.saved();
            window = Window::new();
        }
        if saves && (header.validation_due || stop.requested() && done < last) {
            progress.say(&stopped(done));
            return Ok(());
        }
    }
    if ended(&header) {
        progress.say(&format!("{}: no gain in {patience} validations: ended early", run.name));
    }
    let best = header.best_ssim.map(|_| format!("; best checkpoint {}", folder.best().display())).unwrap_or_default();
    progress.say(&format!("{}: {} steps done{best}", run.name, trainer.step));
    Ok(())
}

fn stopped(step: u64) -> String {
    format!("stopped after step {step}, everything saved: run the same command to go on")
}

/// The run file with the command line's changes; paths absolute, so that the copy in the run's folder says it all.
fn effective_run(args: &FitArgs) -> Result<Run, Error> {
    let run: Run = manifests::read_yaml(&args.run)?;
    let mut run =
        run.with_settings(&args.settings).map_err(|e| Error::input(format!("--set {}: {}", e.path, e.message)))?;
    let here = args.run.parent().unwrap_or(Path::new(""));
    if let Some(data) = &args.data {
        run.data = data::named(data);
    }
    // What the command line names starts where the user is.
    let start = if args.data.is_some() { Path::new("") } else { here };
    for path in run.data.paths_mut() {
        let whole = start.join(&*path);
        *path = std::path::absolute(&whole).map_err(Error::io(&whole, "find"))?.display().to_string();
    }
    if run.precision == Precision::Tf32 && args.device == "cpu" {
        return Err(Error::input_at(&args.run, "precision: tf32 needs a GPU: use f32 or bf16, or --device cuda:0"));
    }
    if run.model.encoder != RANDOM {
        let encoder = here.join(&run.model.encoder);
        if !encoder.is_file() {
            let message = format!(
                "model.encoder: there is no file {}: download torchvision's vgg16_bn weights to it, or write `{RANDOM}`",
                encoder.display()
            );
            return Err(Error::input_at(&args.run, message));
        }
        run.model.encoder = std::path::absolute(&encoder).map_err(Error::io(&encoder, "find"))?.display().to_string();
    }
    Ok(run)
}

fn record(step: u64, epoch: u64, header: &Header) -> Record {
    Record { step, epoch, seconds: header.seconds, ..Record::default() }
}
