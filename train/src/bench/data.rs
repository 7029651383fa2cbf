//! How many samples a second the loader gives.

use std::{path::PathBuf, time::Instant};

use manifests::dataset::Split;
use serde_json::json;

use crate::{
    Error,
    data::{self, Loader, Order, Sources},
};

/// The data to read.
#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// A built data set's folder, or a recipe that is mixed as it is read.
    data: PathBuf,
    /// Samples in a batch.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Batches that are timed, after as many as the threads hold ready.
    #[arg(long, default_value_t = 100)]
    batches: u64,
    /// Threads; by default as many as `train fit` takes.
    #[arg(long)]
    threads: Option<usize>,
    /// Keeps photographs of recipes, once decoded and reduced (as `train fit --cache`).
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Print one JSON line.
    #[arg(long)]
    json: bool,
}

/// Reads batches as fast as they come, as a step that takes no time would.
///
/// # Errors
/// Data that cannot be used.
pub(super) fn bench(args: &DataArgs) -> Result<(), Error> {
    if args.batch == 0 || args.batches == 0 || args.threads == Some(0) {
        return Err(Error::input("--batch, --batches and --threads must be at least 1"));
    }
    let sources = Sources::open(&data::named(&args.data), args.cache.as_deref())?;
    let samples = sources.split(Split::Train)?;
    let order = Order::new(0, args.batch, &samples);
    let threads = args.threads.unwrap_or_else(Loader::threads);
    let mut loader = Loader::start(samples, order, 0, threads);
    // What the threads have ready when the clock starts was made before.
    for _ in 0..Loader::ready(threads) {
        loader.next_batch()?;
    }
    let (began, mut images) = (Instant::now(), 0);
    for _ in 0..args.batches {
        images += loader.next_batch()?.samples.len();
    }
    let rate = images as f64 / began.elapsed().as_secs_f64();
    if args.json {
        manifests::say!(
            "{}",
            json!({ "images_per_s": rate, "images": images, "threads": threads, "batch": args.batch })
        );
    } else {
        manifests::say!("{images} samples by {threads} threads: {rate:.0} a second");
    }
    Ok(())
}
