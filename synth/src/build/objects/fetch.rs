//! From an object store into a data set's folder, every picture compared with its line on the way.

use std::{collections::BTreeMap, io::Read, path::Path, sync::atomic::AtomicBool};

use manifests::{
    Digest, LogWriter,
    dataset::{DATASET_FILE, SAMPLES_FILE, Sample, SampleFile},
};

use super::{PIECE, Place, header, lines, tar_name};
use crate::{
    error::Error,
    export::{given_up, whole},
    progress::Progress,
};

/// Fetches the data set at `from`, a URL that was built to, into the new folder `out`; gives the number of samples.
///
/// # Errors
/// A data set that is not finished or damaged, a folder that is there already, a full disk: nothing is left under `out`
/// then.
pub fn fetch(from: &str, out: &Path, progress: &Progress, stop: &AtomicBool) -> Result<u64, Error> {
    let place = Place::of(Path::new(from))?;
    let place = place.ok_or_else(|| Error::BadInput(format!("{from}: is no URL: name s3:// or file:///")))?;
    into(&place, out, progress, stop)
}

pub(super) fn into(place: &Place, out: &Path, progress: &Progress, stop: &AtomicBool) -> Result<u64, Error> {
    whole(out, |folder| {
        let there = place.list()?;
        if !there.contains_key(DATASET_FILE) {
            return Err(Error::BadInput(format!("{}: no data set here: there is no {DATASET_FILE}", place.name(""))));
        }
        let dataset = header(place)?;
        manifests::write_yaml(&folder.join(DATASET_FILE), &dataset)?;
        let mut log = LogWriter::open(&folder.join(SAMPLES_FILE))?;
        let count = dataset.recipe.count;
        progress.begin("fetching", count);
        for piece in 0..count.div_ceil(PIECE) {
            if !there.contains_key(&super::lines_name(piece)) {
                let message = format!("{}: is not finished; run the `synth build` that began it again", place.name(""));
                return Err(Error::BadInput(message));
            }
            let lines = lines(place, piece, count)?;
            let mut wanted: BTreeMap<String, &SampleFile> = BTreeMap::new();
            for file in lines.iter().flat_map(files) {
                wanted.insert(file.path.as_str().to_owned(), file);
            }
            let mut splits: Vec<_> = lines.iter().map(|line| line.split).collect();
            splits.sort_unstable();
            splits.dedup();
            for split in splits {
                let name = tar_name(split, piece);
                let told = |e| Error::io(place.name(&name).as_ref(), "read")(e);
                let size = there.get(&name).copied().unwrap_or(0);
                let folder_of = folder.join(split.to_string());
                std::fs::create_dir_all(&folder_of).map_err(Error::io(&folder_of, "create"))?;
                given_up(out, stop)?;
                let mut tar = tar::Archive::new(place.read(&name, size));
                for entry in tar.entries().map_err(told)? {
                    let mut entry = entry.map_err(told)?;
                    let path = format!("{split}/{}", String::from_utf8_lossy(&entry.path_bytes()));
                    let Some(file) = wanted.remove(&path) else { continue };
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes).map_err(told)?;
                    if Digest::of(&bytes) != file.blake3 {
                        let message = format!("{}: {path} is not the picture that was written", place.name(&name));
                        return Err(Error::Damaged(format!("{message}: its hash differs")));
                    }
                    let to = file.path.under(folder);
                    std::fs::write(&to, &bytes).map_err(Error::io(&to, "write"))?;
                }
            }
            if let Some(path) = wanted.keys().next() {
                return Err(Error::Damaged(format!(
                    "{}: {path} is in none of its tar files; remove {} and build again",
                    place.name(""),
                    super::lines_name(piece)
                )));
            }
            log.append_all(&lines)?;
            progress.step(lines.len() as u64);
        }
        progress.end();
        Ok(count)
    })
}

/// Every picture of a sample.
fn files(line: &Sample) -> impl Iterator<Item = &SampleFile> {
    let more = line.background_unscaled.iter().chain(&line.reflection_unscaled);
    [&line.mixture, &line.background, &line.reflection].into_iter().chain(more)
}
