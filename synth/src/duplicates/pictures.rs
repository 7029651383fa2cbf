//! The pictures that a check compares, each with its split.

use std::{collections::BTreeSet, path::Path};

use manifests::{Digest, recipe::Recipe};

use crate::{
    dataset::{Moved, header},
    error::Error,
    recipe::{Layer, sources},
    source::{At, Finder, in_folder},
};

/// A picture to compare.
pub(super) struct Picture {
    pub(super) at: At,
    pub(super) split: String,
    /// What it shows, where that is known.
    pub(super) scene: Option<String>,
    /// What it was when the data set was built.
    pub(super) blake3: Option<Digest>,
}

/// The sources of a data set that `synth` built, and its recipe.
pub(super) fn built(dir: &Path, moved: &Moved) -> Result<(Vec<Picture>, Recipe), Error> {
    let mut dataset = header(dir)?;
    let root = moved.apply(dir, &mut dataset.recipe)?;
    let layers = [(Layer::Background, &dataset.backgrounds), (Layer::Reflection, &dataset.reflections)];
    let finder = Finder::default();
    let pictures = layers
        .iter()
        .flat_map(|(layer, images)| images.iter().map(|image| (*layer, image)))
        .map(|(layer, image)| {
            let source = sources(&dataset.recipe, layer).get(image.source as usize);
            let source = source.ok_or_else(|| Error::Damaged(format!("{}: names no source", image.path)))?;
            let at = finder.find(source, &root, &image.path)?;
            let (split, scene) = (image.split.to_string(), Some(image.scene.clone()));
            Ok(Picture { at, split, scene, blake3: Some(image.blake3) })
        })
        .collect::<Result<_, Error>>()?;
    Ok((pictures, dataset.recipe))
}

/// All pictures of a data set that someone else made: each folder in `dir` is a split, whatever lies below it.
pub(super) fn found(dir: &Path) -> Result<Vec<Picture>, Error> {
    if !dir.is_dir() {
        return Err(Error::BadInput(format!("{}: is not a folder", dir.display())));
    }
    let (files, unusable) = in_folder(dir);
    if let Some(sentence) = unusable.into_iter().next() {
        return Err(Error::BadInput(sentence));
    }
    let split = |path: &str| path.split_once('/').map(|(folder, _)| folder.to_owned());
    let pictures: Vec<Picture> = files
        .into_iter()
        .filter_map(|(path, at)| Some(Picture { split: split(&path)?, at, scene: None, blake3: None }))
        .collect();
    if pictures.iter().map(|picture| &picture.split).collect::<BTreeSet<_>>().len() < 2 {
        let message = "holds no dataset.yaml, nor two folders with pictures: each split needs a folder here";
        return Err(Error::BadInput(format!("{}: {message}", dir.display())));
    }
    Ok(pictures)
}
