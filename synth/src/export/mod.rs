//! A built data set in the formats that others read. A format is a file; each writes whole folders only.

mod errnet;
mod imagefolder;
mod webdataset;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::{
    dataset::{self, DatasetReader},
    error::Error,
    progress::Progress,
};

/// A format to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Hugging Face ImageFolder: a folder a split with metadata.jsonl.
    Imagefolder,
    /// WebDataset: tar files of up to 1000 samples.
    Webdataset,
    /// ERRNet's folders, which DSRNet and XReflection read too.
    Errnet,
}

/// Writes a data set in another format; gives the number of samples.
///
/// # Errors
/// A data set that cannot be read, a folder that is there already, a full disk: nothing is left under `out` then.
pub fn export(format: Format, dir: &Path, out: &Path, progress: &Progress) -> Result<usize, Error> {
    let reader = dataset::open(dir)?;
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
    progress.begin("exporting", reader.samples.len() as u64);
    let write = match format {
        Format::Imagefolder => imagefolder::write,
        Format::Webdataset => webdataset::write,
        Format::Errnet => errnet::write,
    };
    let written = write(&reader, unfinished.path(), progress);
    progress.end();
    written?;
    let folder = unfinished.path();
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder, mode).map_err(Error::io(folder, "open up"))?;
    }
    std::fs::rename(folder, out).map_err(Error::io(out, "create"))?;
    // Its name is free now: there is nothing to remove any more.
    let _: PathBuf = unfinished.keep();
    Ok(reader.samples.len())
}

/// Copies a file into a folder that may be new.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
    }
    std::fs::copy(from, to).map_err(Error::io(to, "write"))?;
    Ok(())
}

/// The splits that have samples, each with its indices.
fn splits(reader: &DatasetReader) -> impl Iterator<Item = (manifests::dataset::Split, Vec<usize>)> + '_ {
    use manifests::dataset::Split::{Test, Train, Validation};
    [Train, Validation, Test].into_iter().map(|s| (s, reader.split(s))).filter(|(_, samples)| !samples.is_empty())
}
