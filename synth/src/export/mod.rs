//! A built data set in the formats that others read. A format is a file; each writes whole folders only.

mod croissant;
mod errnet;
mod imagefolder;
mod webdataset;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use clap::ValueEnum;

use manifests::{
    Digest,
    dataset::{Sample, SampleFile},
};

use crate::{dataset, error::Error, progress::Progress};

/// A format to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Hugging Face ImageFolder: a folder a split with metadata.jsonl.
    Imagefolder,
    /// Croissant 1.0: ImageFolder with a croissant.json that describes it.
    Croissant,
    /// WebDataset: tar files of up to 1000 samples.
    Webdataset,
    /// ERRNet's folders, which DSRNet and XReflection read too.
    Errnet,
}

/// The layers, those that only some data sets have last.
const LAYERS: [&str; 5] = ["mixture", "background", "reflection", "background-unscaled", "reflection-unscaled"];

/// A sample's PNG files by the names of their layers.
type Pictures = BTreeMap<&'static str, Vec<u8>>;

/// Takes a data set's samples one after another.
trait Writer {
    /// Adds a sample and its pictures.
    fn add(&mut self, sample: &Sample, pictures: &Pictures) -> Result<(), Error>;
    /// Ends what was begun.
    fn finish(self: Box<Self>) -> Result<(), Error>;
}

/// Writes a data set in another format; gives the number of samples.
///
/// # Errors
/// A data set that cannot be read, a folder that is there already, a full disk, `stop`: nothing is left under `out` then.
pub fn export(format: Format, dir: &Path, out: &Path, progress: &Progress, stop: &AtomicBool) -> Result<u64, Error> {
    let dataset = dataset::header(dir)?;
    whole(out, |folder| {
        progress.begin("exporting", dataset.recipe.count);
        let mut writer: Box<dyn Writer> = match format {
            Format::Imagefolder => Box::new(imagefolder::ImageFolder::new(folder)),
            Format::Webdataset => Box::new(webdataset::WebDataset::new(folder)),
            Format::Errnet => Box::new(errnet::Errnet::new(folder)),
            Format::Croissant => Box::new(croissant::Croissant::new(folder, &dataset)),
        };
        for sample in dataset::lines(dir, &dataset)? {
            let sample = sample?;
            given_up(out, stop)?;
            writer.add(&sample, &pictures(&sample, dir)?)?;
            progress.step(1);
        }
        writer.finish()?;
        progress.end();
        Ok(dataset.recipe.count)
    })
}

/// A sample's files, each as it was written.
fn pictures(sample: &Sample, dir: &Path) -> Result<Pictures, Error> {
    let read = |(layer, file): (&'static str, &SampleFile)| {
        let path = file.path.under(dir);
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        if Digest::of(&bytes) != file.blake3 {
            let message = "is not the file that was written: its hash differs; build the data set again";
            return Err(Error::Damaged(format!("{}: {message}", path.display())));
        }
        Ok((layer, bytes))
    };
    dataset::files(sample).map(read).collect()
}

/// Ends what has no half, once somebody asked to stop.
pub(crate) fn given_up(out: &Path, stop: &AtomicBool) -> Result<(), Error> {
    if stop.load(Ordering::Relaxed) {
        return Err(Error::GivenUp { out: out.to_path_buf() });
    }
    Ok(())
}

/// Makes a new folder by filling one beside it, so that it is there whole or not at all.
pub(crate) fn whole<T>(out: &Path, fill: impl FnOnce(&Path) -> Result<T, Error>) -> Result<T, Error> {
    if out.exists() {
        return Err(Error::BadInput(format!("{}: is there already; name a new folder", out.display())));
    }
    let parent = match out.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(Error::io(parent, "create"))?;
    // Beside its place until it is whole; removed when dropped before.
    let unfinished = tempfile::Builder::new().prefix(".writing-").tempdir_in(parent);
    let unfinished = unfinished.map_err(Error::io(parent, "create a folder in"))?;
    let folder = unfinished.path();
    let outcome = fill(folder)?;
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder, mode).map_err(Error::io(folder, "open up"))?;
    }
    // Its name comes after all that is in it, also where the power fails.
    let opened = std::fs::File::open(folder).map_err(Error::io(folder, "open"))?;
    rustix::fs::syncfs(&opened).map_err(|e| Error::io(folder, "sync")(e.into()))?;
    std::fs::rename(folder, out).map_err(Error::io(out, "create"))?;
    // Its name is free now: there is nothing to remove any more.
    let _: PathBuf = unfinished.keep();
    Ok(outcome)
}

/// Writes a file into a folder that may be new.
fn write(bytes: &[u8], to: &Path) -> Result<(), Error> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
    }
    std::fs::write(to, bytes).map_err(Error::io(to, "write"))
}
