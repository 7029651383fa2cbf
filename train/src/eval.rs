//! `train eval`: scores of a checkpoint, or of the unprocessed input, on pictures whose background is known.

mod aperture;
mod find;
mod known;
mod page;
mod scored;
mod table;

use std::path::{Path, PathBuf};

use manifests::dataset::Split;

pub use find::{Pictures, Triplet, find};
pub(crate) use known::Known;
pub(crate) use scored::{How, Scored};
pub use scored::{Separated, separate};
pub(crate) use table::Group;
pub use table::{Image, Table};

use crate::{
    Error, checkpoint, device,
    metrics::{Profile, Rescale},
    report::check_place,
};

/// What to score.
#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// A checkpoint, or a run's folder for its best one, and then the data; with --baseline the data alone. Data are a built data set, a tree whose leaves
    /// hold I.*, B.* and perhaps R.* and mask.*, sibling folders I/ B/ R/ mask/ with equal stems, or ERRNet's folders.
    #[arg(required = true, num_args = 1..=2, value_names = ["CHECKPOINT", "DATA"])]
    paths: Vec<PathBuf>,
    /// Score the unprocessed input.
    #[arg(long)]
    baseline: bool,
    /// The convention of the scores.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// A factor on the output's colours before it is scored: no, fit (each picture's least squares), or a number.
    #[arg(long, default_value_t, value_name = "FACTOR")]
    rescale: Rescale,
    /// Where a picture has no mask.*, take SSIM_r and SI_r where its reflection R, as the mean of its channels, is at least
    /// this part of white: 0.1, say.
    #[arg(long, value_name = "LEVEL", value_parser = parse_level)]
    region: Option<f64>,
    /// Which split of a built data set.
    #[arg(long, value_parser = parse_split, default_value = "test")]
    split: Split,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Also write the scores of each picture here, as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Also compare how the gradients of output and truth are distributed (the paper's figure 10): Kullback and Leibler's
    /// divergence; with --json the distributions themselves, shares of the differences -255 to 255.
    #[arg(long)]
    gradients: bool,
    /// Also write a page: the scores, the distributions of gradients, the best and worst pictures, and what each stage of the
    /// encoder answers to them (the paper's figure 4).
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// cpu, or cuda:N. Nothing falls back.
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// A split by its name.
pub(crate) fn parse_split(text: &str) -> Result<Split, String> {
    let all = [Split::Train, Split::Validation, Split::Test];
    all.into_iter().find(|s| s.to_string() == text).ok_or_else(|| "train, validation or test".to_owned())
}

fn parse_level(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|v| (0.0..=1.0).contains(v)).ok_or_else(|| "a number from 0 to 1".to_owned())
}

/// Scores and prints.
///
/// # Errors
/// Data that hold no pairs, pictures that cannot be read, a checkpoint that does not fit.
pub fn eval(args: &EvalArgs) -> Result<(), Error> {
    let device = device::parse(&args.device)?;
    let (checkpoint, root) = match args.paths.as_slice() {
        [root] if args.baseline => (None, root),
        [checkpoint, root] if !args.baseline => (Some(checkpoint), root),
        [_, _] => return Err(Error::input("--baseline scores the unprocessed input: give the data alone")),
        _ => return Err(Error::input("give a checkpoint and the data, or --baseline and the data")),
    };
    // Before anything is scored, which may take hours.
    args.csv.iter().chain(&args.page).try_for_each(|file| check_place(file))?;
    let checkpoint = checkpoint.map(|path| checkpoint::named(path)).transpose()?;
    let net = checkpoint.as_ref().map(|path| checkpoint::network(path, &device)).transpose()?;
    let known = Known::at(root, args.split)?;
    let how = How { profile: args.profile, rescale: args.rescale, region: args.region };
    let scored = Scored::of(net.as_ref(), &known, how, &device)?;
    let name = checkpoint.as_deref().unwrap_or(Path::new("input"));
    if args.json {
        let mut document = scored.main().json(scored.beside());
        if args.gradients {
            document["gradients"] = serde_json::json!(scored.gradients.divergences());
        }
        manifests::say!("{document}");
    } else {
        manifests::say!("{}", scored.main().text(scored.beside(), name).trim_end());
        if args.gradients {
            let found = scored.gradients.divergences();
            let beside = if net.is_some() { format!(", of the input {:.5}", found.kl_input) } else { String::new() };
            manifests::say!("gradients: divergence from the truth (KL, nats) {:.5}{beside}", found.kl_output);
        }
    }
    if let Some(path) = &args.csv {
        manifests::write_atomic(path, scored.main().csv().as_bytes())?;
    }
    if let Some(path) = &args.page {
        page::write(path, &page::Subject { name, root, net: net.as_ref(), device: &device }, &known, how, &scored)?;
    }
    Ok(())
}
