//! `train eval`: scores of a checkpoint, or of the unprocessed input, on pictures whose background is known.

mod find;
mod table;

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use image::RgbImage;
use manifests::dataset::Split;

pub use find::{Pictures, Triplet, find};
pub use table::{Image, Table};

use crate::{
    Error, checkpoint, data, device,
    metrics::{Profile, Rescale},
    net::{Corrn, Pass},
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
    /// cpu, or cuda:N. Nothing falls back.
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn parse_split(text: &str) -> Result<Split, String> {
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
    let checkpoint = checkpoint.map(|path| checkpoint::named(path));
    let net = checkpoint.as_ref().map(|path| checkpoint::network(path, &device)).transpose()?;
    let triplets = find(root, args.split)?;
    // What is scored is rescaled; an input beside it, to compare with, is not.
    let beside = if net.is_some() { Rescale::No } else { args.rescale };
    let (mut output, mut input) = (Table::new(args.profile, args.rescale), Table::new(args.profile, beside));
    for triplet in &triplets {
        let pictures = triplet.read(args.profile, args.region)?;
        let truth = &pictures.background;
        let score = |picture: &RgbImage| Image {
            name: triplet.name.clone(),
            subset: triplet.subset.clone(),
            size: [picture.height(), picture.width()],
            score: args.profile.score(picture, truth, pictures.region.as_ref()),
        };
        if let Some(net) = &net {
            let found = separate(net, &pictures.mixture, &device)?.0;
            output.push(score(&args.rescale.apply(found, truth)));
        }
        input.push(score(&beside.apply(pictures.mixture.clone(), truth)));
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
    Ok(())
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
