//! `train predict`: a checkpoint applied to a photograph or a folder of them.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use walkdir::WalkDir;

use crate::{
    Error, Outcome, checkpoint,
    data::{read_rgb, save_png},
    device,
    eval::separate,
};

/// What to apply to what.
#[derive(Debug, clap::Args)]
pub(crate) struct PredictArgs {
    /// A checkpoint that `train fit` wrote, or a run's folder for its best one.
    checkpoint: PathBuf,
    /// A PNG or JPEG, or a folder that is searched for them.
    input: PathBuf,
    /// Where NAME.background.png and NAME.reflection.png go.
    #[arg(long)]
    out: PathBuf,
    /// cpu, or cuda:N. Nothing falls back.
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Writes B and R of every picture, at its own size. Pictures that are already there are passed over.
///
/// # Errors
/// A checkpoint that does not fit, a picture that cannot be read, a folder that cannot be written.
pub(crate) fn predict(args: &PredictArgs) -> Result<Outcome, Error> {
    let device = device::parse(&args.device)?;
    let checkpoint = checkpoint::named(&args.checkpoint);
    let net = checkpoint::network(&checkpoint, &device)?;
    let pictures = pictures(&args.input)?;
    let progress = ProgressBar::new(pictures.len() as u64);
    let mut there = 0;
    for (path, name) in &pictures {
        let target = |layer: &str| args.out.join(format!("{name}.{layer}.png"));
        let (background, reflection) = (target("background"), target("reflection"));
        // The reflection is written last: where it is, both are whole.
        if reflection.is_file() {
            there += 1;
        } else {
            let (b, r) = separate(&net, &read_rgb(path)?, &device)?;
            if let Some(folder) = background.parent() {
                std::fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
            }
            save_png(&background, &b)?;
            save_png(&reflection, &r)?;
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    println!("{}: {} pictures, {there} of them already there", args.out.display(), pictures.len());
    Ok(Outcome::Done)
}

/// Paths, and names below the input's folder without extension.
fn pictures(input: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
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
