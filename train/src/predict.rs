//! `train predict`: a checkpoint applied to a photograph or a folder of them.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use candle_core::Device;

use crate::{
    Error, alloc, checkpoint,
    data::{DataSet, Photograph, save_png_with, walk},
    device,
    eval::parse_split,
    net::{Corrn, MULTIPLE},
    progress::{self, Count},
    tiles::{MIN_SIDE, Tiles},
};

/// Bytes of freed memory that are kept for the next tile: enough for pictures of the training's sizes.
const KEPT: usize = 256 << 20;

/// What to apply to what.
#[derive(Debug, clap::Args)]
pub(crate) struct PredictArgs {
    /// A checkpoint that `train fit` wrote, a run's folder for its best one, or a bare state_dict of CoRRN.
    checkpoint: PathBuf,
    /// A PNG or JPEG, a folder that is searched for them (of a built data set for its mixtures), or - for standard input.
    input: PathBuf,
    /// Where NAME.background.png and NAME.reflection.png go, with the input's EXIF and colour profile; `stdin` is the name of standard input.
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
    let net = checkpoint::network(&checkpoint::named(&args.checkpoint)?, &device)?;
    alloc::keep_at_most(KEPT);
    let pictures = pictures(&args.input, &args.out)?;
    let jobs = pictures.iter().map(|(path, name)| Job::new(path, name, &args.out, args.tile));
    let jobs: Vec<Job<'_>> = jobs.filter(|job| !job.done()).collect();
    let mut progress = progress::count("predicting", "tiles", jobs.iter().map(|job| job.tiles()).sum());
    let began = Instant::now();
    let mut unusable = 0;
    for job in &jobs {
        match job.run(&net, &device, &mut progress) {
            // The others are not held up by a picture that cannot be read.
            Err(e @ (Error::BadInput(_) | Error::Io { action: "read", .. })) if pictures.len() > 1 => {
                manifests::tell!("left out: {e}");
                unusable += 1;
            }
            done => done?,
        }
    }
    drop(progress);
    let rate = (jobs.len() - unusable) as f64 / began.elapsed().as_secs_f64();
    let there = pictures.len() - jobs.len();
    let speed = if jobs.is_empty() { String::new() } else { format!(", {rate:.2} pictures a second") };
    manifests::say!("{}: {} pictures, {there} of them already there{speed}", args.out.display(), pictures.len());
    match unusable {
        0 => Ok(()),
        n => Err(Error::Failed(format!("{n} of {} pictures could not be read: repair or remove them", pictures.len()))),
    }
}

/// A picture to take apart.
struct Job<'a> {
    path: &'a Path,
    background: PathBuf,
    reflection: PathBuf,
    side: usize,
}

impl<'a> Job<'a> {
    fn new(path: &'a Path, name: &str, out: &Path, side: usize) -> Self {
        let target = |layer: &str| out.join(format!("{name}.{layer}.png"));
        Self { path, background: target("background"), reflection: target("reflection"), side }
    }

    /// Whether both layers are there. The reflection is written last: where it is, both are whole. Standard input is another
    /// picture each time.
    fn done(&self) -> bool {
        self.reflection.is_file() && self.path != Path::new("-")
    }

    /// How many tiles its picture makes, as far as the file's head says.
    fn tiles(&self) -> usize {
        image::image_dimensions(self.path).map_or(1, |(w, h)| Tiles::new(h, w, self.side).count())
    }

    /// Writes both layers.
    fn run(&self, net: &Corrn, device: &Device, progress: &mut Count) -> Result<(), Error> {
        let Photograph { pixels, about, .. } = Photograph::read(self.path)?;
        let tiles = Tiles::new(pixels.height(), pixels.width(), self.side);
        let (b, r) = tiles.separate(net, &pixels, device, || progress.step())?;
        if let Some(folder) = self.background.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
        }
        save_png_with(&self.background, &b, &about)?;
        save_png_with(&self.reflection, &r, &about)
    }
}

/// Paths, and names below the input's folder without extension. What lies in `out` is what an earlier call wrote.
fn pictures(input: &Path, out: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    if input == Path::new("-") {
        return Ok(vec![(input.to_path_buf(), "stdin".to_owned())]);
    }
    if !input.exists() {
        return Err(Error::input_at(input, "there is no such file or folder"));
    }
    let root = if input.is_dir() { input } else { input.parent().unwrap_or(Path::new("")) };
    let out = out.canonicalize().ok();
    let is_out = |path: &Path| out.is_some() && path.canonicalize().ok() == out;
    if input.is_dir() && is_out(input) {
        return Err(Error::input_at(input, "is --out too, so that answers would be taken for pictures: name another"));
    }
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    let of_set = is_of_data_set(input);
    for entry in walk(input, |entry| !entry.file_type().is_dir() || !is_out(entry.path())) {
        let path = entry?.into_path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let picture = matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
            && (!of_set || path.to_string_lossy().ends_with(".mixture.png"));
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

/// Whether a folder is a built data set or a split of one: what is to be taken apart there is the mixtures.
fn is_of_data_set(folder: &Path) -> bool {
    // Of `.` no parent is known.
    let Ok(real) = folder.canonicalize() else { return false };
    let split = real.file_name().and_then(|name| name.to_str()).is_some_and(|name| parse_split(name).is_ok());
    DataSet::is_at(&real) || split && real.parent().is_some_and(DataSet::is_at)
}
