//! `train eval`: scores of a checkpoint, or of the unprocessed input, on pictures whose background is known.

mod find;
mod table;

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use image::RgbImage;
use manifests::dataset::Split;

pub use find::{Triplet, find};
pub use table::{Image, Table};

use crate::{
    Error, Outcome,
    checkpoint::{self, Checkpoint},
    data, device,
    metrics::Profile,
    net::{Corrn, Pass},
};

/// What to score.
#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// A checkpoint, or a run's folder for its best one, and then the data; with --baseline the data alone. Data are a built data set, a tree whose leaves
    /// hold I.*, B.* and perhaps R.*, sibling folders I/ B/ R/ with equal stems, or ERRNet's folders.
    #[arg(required = true, num_args = 1..=2, value_names = ["CHECKPOINT", "DATA"])]
    paths: Vec<PathBuf>,
    /// Score the unprocessed input.
    #[arg(long)]
    baseline: bool,
    /// The convention of the scores.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Which split of a built data set.
    #[arg(long, value_parser = parse_split, default_value = "test")]
    split: Split,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Also write the scores of each picture here, as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// cpu, or cuda:N. Nothing falls back.
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn parse_split(text: &str) -> Result<Split, String> {
    let all = [Split::Train, Split::Validation, Split::Test];
    all.into_iter().find(|s| s.to_string() == text).ok_or_else(|| "train, validation or test".to_owned())
}

/// Scores and prints.
///
/// # Errors
/// Data that hold no pairs, pictures that cannot be read, a checkpoint that does not fit.
pub fn eval(args: &EvalArgs) -> Result<Outcome, Error> {
    let device = device::parse(&args.device)?;
    let (checkpoint, root) = match args.paths.as_slice() {
        [root] if args.baseline => (None, root),
        [checkpoint, root] if !args.baseline => (Some(checkpoint), root),
        [_, _] => return Err(Error::input("--baseline scores the unprocessed input: give the data alone")),
        _ => return Err(Error::input("give a checkpoint and the data, or --baseline and the data")),
    };
    let checkpoint = checkpoint.map(|path| checkpoint::named(path));
    let net = checkpoint.as_ref().map(|path| Checkpoint::read(path)?.network(path, &device)).transpose()?;
    let triplets = find(root, args.split)?;
    let (mut output, mut input) = (Table::new(args.profile), Table::new(args.profile));
    for triplet in &triplets {
        let (mixture, background) = triplet.read(args.profile)?;
        let image = |score| Image { name: triplet.name.clone(), subset: triplet.subset.clone(), score };
        if let Some(net) = &net {
            let found = separate(net, &mixture, &device)?.0;
            output.push(image(args.profile.score(&found, &background)));
        }
        input.push(image(args.profile.score(&mixture, &background)));
    }
    let (scored, compared) = if net.is_some() { (&output, Some(&input)) } else { (&input, None) };
    if let Some(path) = &args.csv {
        manifests::write_atomic(path, scored.csv().as_bytes())?;
    }
    if args.json {
        println!("{}", scored.json(compared));
    } else {
        print!("{}", scored.text(compared, checkpoint.as_deref().unwrap_or(Path::new("input"))));
    }
    Ok(Outcome::Done)
}

/// Applies a network to a picture of any size: B and R, of the same size.
///
/// # Errors
/// What Candle answers.
pub fn separate(net: &Corrn, picture: &RgbImage, device: &Device) -> Result<(RgbImage, RgbImage), Error> {
    let (w, h) = picture.dimensions();
    let x = data::to_tensor(std::slice::from_ref(picture), DType::F32, device)?;
    let out = net.forward(&data::pad_to_multiple(&x)?, Pass::eval())?;
    let crop = |t: &candle_core::Tensor| -> Result<RgbImage, Error> {
        data::to_picture(&t.narrow(2, 0, h as usize)?.narrow(3, 0, w as usize)?)
    };
    Ok((crop(&out.background)?, crop(&out.reflection)?))
}
