//! `train predict`: a checkpoint applied to a photograph or a folder of them.

use std::path::{Path, PathBuf};

use candle_core::Device;
use indicatif::{ProgressBar, ProgressStyle};
use walkdir::WalkDir;

use crate::{
    Error, alloc, checkpoint,
    data::{Photograph, save_png_with},
    device,
    net::{Corrn, MULTIPLE},
    tiles::{MIN_SIDE, Tiles},
};

/// Bytes of freed memory that are kept for the next tile: enough for pictures of the training's sizes.
const KEPT: usize = 256 << 20;

/// What to apply to what.
#[derive(Debug, clap::Args)]
pub(crate) struct PredictArgs {
    /// A checkpoint that `train fit` wrote, a run's folder for its best one, or a bare state_dict of CoRRN.
    checkpoint: PathBuf,
    /// A PNG or JPEG, a folder that is searched for them, or - for standard input.
    input: PathBuf,
    /// Where NAME.background.png and NAME.reflection.png go, with the input's EXIF; `stdin` is the name of standard input.
    #[arg(long)]
    out: PathBuf,
    /// cpu, or cuda:N. Nothing falls back.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Largest side of a picture that is taken as a whole, a multiple of 32. Larger ones are taken in tiles of this side,
    /// which overlap and fade into each other: memory grows with it, seams with its smallness.
    #[arg(long, default_value_t = 768, value_parser = parse_side)]
    tile: usize,
}

fn parse_side(text: &str) -> Result<usize, String> {
    let side = text.parse().ok().filter(|side: &usize| side.is_multiple_of(MULTIPLE) && *side >= MIN_SIDE);
    side.ok_or_else(|| format!("a multiple of {MULTIPLE}, at least {MIN_SIDE}"))
}

/// Writes B and R of every picture, at its own size. Pictures that are already there are passed over.
///
/// # Errors
/// A checkpoint that does not fit, a picture that cannot be read, a folder that cannot be written.
pub(crate) fn predict(args: &PredictArgs) -> Result<(), Error> {
    let device = device::parse(&args.device)?;
    let net = checkpoint::network(&checkpoint::named(&args.checkpoint), &device)?;
    alloc::keep_at_most(KEPT);
    let pictures = pictures(&args.input)?;
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} tiles, {eta} left");
    let progress = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut there = 0;
    for (i, (path, name)) in pictures.iter().enumerate() {
        let job = Job { path, name, out: &args.out, side: args.tile };
        progress.set_message(format!("{}/{} {name}", i + 1, pictures.len()));
        there += usize::from(!job.run(&net, &device, &progress)?);
    }
    progress.finish_and_clear();
    println!("{}: {} pictures, {there} of them already there", args.out.display(), pictures.len());
    Ok(())
}

/// A picture to take apart.
struct Job<'a> {
    path: &'a Path,
    name: &'a str,
    out: &'a Path,
    side: usize,
}

impl Job<'_> {
    /// Writes both layers; false where they were there.
    fn run(&self, net: &Corrn, device: &Device, progress: &ProgressBar) -> Result<bool, Error> {
        let target = |layer: &str| self.out.join(format!("{}.{layer}.png", self.name));
        let (background, reflection) = (target("background"), target("reflection"));
        // The reflection is written last: where it is, both are whole. Standard input is another picture each time.
        if reflection.is_file() && self.path != Path::new("-") {
            return Ok(false);
        }
        let Photograph { pixels, exif } = Photograph::read(self.path)?;
        let tiles = Tiles::new(pixels.height(), pixels.width(), self.side);
        progress.set_length(tiles.count() as u64);
        progress.set_position(0);
        let (b, r) = tiles.separate(net, &pixels, device, || progress.inc(1))?;
        if let Some(folder) = background.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
        }
        save_png_with(&background, &b, exif.as_deref())?;
        save_png_with(&reflection, &r, exif.as_deref())?;
        Ok(true)
    }
}

/// Paths, and names below the input's folder without extension.
fn pictures(input: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    if input == Path::new("-") {
        return Ok(vec![(input.to_path_buf(), "stdin".to_owned())]);
    }
    if !input.exists() {
        return Err(Error::input_at(input, "there is no such file or folder"));
    }
    let root = if input.is_dir() { input } else { input.parent().unwrap_or(Path::new("")) };
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for entry in WalkDir::new(input).sort_by_file_name() {
        let path = entry.map_err(|e| Error::input_at(input, format!("cannot read the folder: {e}")))?.into_path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let picture = matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"));
        if path.is_file() && (picture || path == input) {
            let name = path.strip_prefix(root).unwrap_or(&path).with_extension("").display().to_string();
            if let Some((other, _)) = found.iter().find(|(_, n)| *n == name) {
                let message = format!("and {} would be written to the same name: rename one", path.display());
                return Err(Error::input_at(other, message));
            }
            found.push((path, name));
        }
    }
    if found.is_empty() {
        return Err(Error::input_at(input, "holds no PNG or JPEG"));
    }
    Ok(found)
}
