//! Rebuilds one sample from its line and its two photographs, and compares it with the hashes of its line and, where they are
//! there, with its pictures.

use std::{borrow::Cow, path::Path};

use manifests::{
    Digest,
    dataset::{Drawn, SAMPLES_FILE, Sample, SampleFile, SourceImage},
};

use crate::{
    ARITHMETIC,
    dataset::{Moved, header, line},
    encode,
    error::Error,
    mix::Model,
    mixer::{MixedSample, combine},
    pixels::{Rgb8, Spare},
    read::reduce,
    recipe::{Layer, sources},
    source::Finder,
};

/// Rebuilds sample `index` of the data set in `dir`; its sources lie where the build found them, or where `moved` says.
///
/// # Errors
/// A source that is missing or has changed; [`Error::Damaged`] when the rebuilt bytes are not those of the manifest.
pub fn replay(dir: &Path, index: u64, moved: &Moved) -> Result<(Sample, MixedSample), Error> {
    let mut dataset = header(dir)?;
    if dataset.arithmetic != ARITHMETIC {
        let (theirs, dir) = (dataset.arithmetic, dir.display());
        let message =
            format!("{dir}: was mixed with arithmetic {theirs}, this program has {ARITHMETIC}: use its version");
        return Err(Error::BadInput(message));
    }
    let sample = line(dir, index)?;
    let model = Model::of(&dataset.recipe);
    if let Some(which) = beyond(&sample.drawn, &model) {
        let file = dir.join(SAMPLES_FILE);
        let message =
            format!("{}:{}: {which} is beyond what any recipe draws; the file was edited", file.display(), index + 1);
        return Err(Error::Damaged(message));
    }
    let root = moved.apply(dir, &mut dataset.recipe)?;
    let read = |layer: Layer, images: &[SourceImage], at: u32| -> Result<Rgb8, Error> {
        let image = images.get(at as usize).ok_or_else(|| missing(dir, index, "a source", at))?;
        let source = sources(&dataset.recipe, layer).get(image.source as usize);
        let source = source.ok_or_else(|| missing(dir, index, "a source of the recipe", image.source))?;
        let at = Finder::default().find(source, &root, &image.path)?;
        let bytes = at.read().map_err(Error::io(Path::new(&at.to_string()), "read"))?;
        if Digest::of(&bytes) != image.blake3 {
            return Err(Error::BadInput(format!("{at}: has changed since the data set was built")));
        }
        let wrong = |clause: String| Error::BadInput(format!("{at}: {clause}"));
        let levels = reduce(&bytes, &dataset.recipe, &model).map_err(wrong)?;
        let size = sample.drawn.size;
        levels.pictures.into_iter().nth(size as usize).ok_or_else(|| missing(dir, index, "a size", size))
    };
    let background = read(Layer::Background, &dataset.backgrounds, sample.drawn.background)?;
    let reflection = read(Layer::Reflection, &dataset.reflections, sample.drawn.reflection)?;
    let drawn = sample.drawn.clone();
    let (background, reflection) = (Cow::Owned(background), Cow::Owned(reflection));
    let (recipe, spare) = (&dataset.recipe, &mut Spare::default());
    let rebuilt = combine(index, sample.split, drawn, background, reflection, recipe, &model, spare)?;
    compare(dir, &sample.mixture, &rebuilt.mixture)?;
    compare(dir, &sample.background, &rebuilt.background)?;
    compare(dir, &sample.reflection, &rebuilt.reflection)?;
    if let Some([background, reflection]) = &rebuilt.unscaled {
        for (file, picture) in [(&sample.background_unscaled, background), (&sample.reflection_unscaled, reflection)] {
            file.as_ref().map_or(Ok(()), |file| compare(dir, file, picture))?;
        }
    }
    let same = [
        ("size", sample.size == rebuilt.mixture.size()),
        ("clipped", sample.clipped == rebuilt.clipped),
        ("quality", sample.quality == Some(rebuilt.quality)),
    ];
    if let Some((key, _)) = same.iter().find(|(_, same)| !same) {
        let file = dir.join(SAMPLES_FILE);
        let message = format!("{}:{}: rebuilt, the sample has another `{key}`", file.display(), index + 1);
        return Err(Error::Damaged(message));
    }
    Ok((sample, rebuilt))
}

/// A number that no recipe draws, and that would take all memory or time: lines may come from anybody.
fn beyond(drawn: &Drawn, model: &Model) -> Option<&'static str> {
    let framed = [&drawn.background_window, &drawn.reflection_window].map(Option::is_some);
    let windows = drawn.background_window.iter().chain(&drawn.reflection_window);
    if drawn.quarter_turns > 3 {
        Some("`quarter_turns`")
    } else if !(0.0..=20.0).contains(&drawn.blur_sigma) {
        Some("`blur_sigma`")
    } else if drawn.blur_kernel.is_some_and(|side| side > 121 || side % 2 == 0) {
        Some("`blur_kernel`")
    } else if !(0.0..=40.0).contains(&drawn.defocus_radius) {
        Some("`defocus_radius`")
    } else if drawn.jpeg_quality.is_some_and(|quality| !(1..=100).contains(&quality)) {
        Some("`jpeg_quality`")
    } else if windows.into_iter().any(|w| !(1.0..=8.0).contains(&w.zoom)) {
        Some("a window's `zoom`")
    } else if framed != [model.zoom.is_some(); 2] {
        Some("a window that is there, or is not,")
    } else {
        None
    }
}

fn compare(dir: &Path, file: &SampleFile, picture: &Rgb8) -> Result<(), Error> {
    let bytes = encode::png(picture).map_err(|e| Error::Damaged(format!("{}: cannot be encoded ({e})", file.path)))?;
    if Digest::of(&bytes) != file.blake3 {
        return Err(Error::Damaged(format!("{}: rebuilt, it has other bytes than the manifest says", file.path)));
    }
    // The pictures need not be there: the manifest is enough.
    if std::fs::read(file.path.under(dir)).is_ok_and(|there| there != bytes) {
        return Err(Error::Damaged(format!("{}: is not what the manifest says, which rebuilds", file.path)));
    }
    Ok(())
}

fn missing(dir: &Path, index: u64, what: &str, at: u32) -> Error {
    Error::Damaged(format!(
        "{}: sample {index} names {what} ({at}) that {} does not list",
        dir.join(SAMPLES_FILE).display(),
        manifests::dataset::DATASET_FILE
    ))
}
