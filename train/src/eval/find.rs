//! Pairs of mixture and background in the layouts that data sets come in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use image::RgbImage;
use manifests::dataset::Split;

use super::aperture;
use crate::{
    Error,
    data::{DataSet, is_hidden, read_rgb, walk},
    metrics::{Profile, Region},
};

/// Folder names of the three layers and of masks: ours, and ERRNet's.
const LAYOUTS: [[&str; 4]; 2] =
    [["I", "B", "R", "mask"], ["blended", "transmission_layer", "reflection_layer", "mask"]];

/// A mixture with its background and perhaps its reflection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triplet {
    /// Path below the data's folder, without extension.
    pub name: String,
    /// The first folder below the data's; `all` without one.
    pub subset: String,
    /// I.
    pub mixture: PathBuf,
    /// B.
    pub background: PathBuf,
    /// R, where it is known.
    pub reflection: Option<PathBuf>,
    /// White where the reflection is, where that was marked.
    pub mask: Option<PathBuf>,
    /// The aperture, as `f/11`: in the path's words, or the full stop nearest to what a data set drew.
    pub aperture: Option<String>,
}

/// Pictures at the size at which a profile scores them.
#[derive(Debug)]
pub struct Pictures {
    /// I.
    pub mixture: RgbImage,
    /// B.
    pub background: RgbImage,
    /// R, where it is known.
    pub reflection: Option<RgbImage>,
    /// Where SSIM_r and SI_r are taken.
    pub region: Option<Region>,
}

impl Triplet {
    /// The pictures at the size at which a profile scores them. The region is the mask's, where there is one, else what
    /// `level` makes of the reflection ([`Region::of_reflection`]), where it is given.
    ///
    /// # Errors
    /// Pictures that cannot be read or have different sizes.
    pub fn read(&self, profile: Profile, level: Option<f64>) -> Result<Pictures, Error> {
        let mixture = read_rgb(&self.mixture)?;
        let read = |path: &PathBuf| {
            let picture = read_rgb(path)?;
            self.same_size(path, &picture, &mixture)?;
            Ok::<_, Error>(picture)
        };
        let background = read(&self.background)?;
        let reflection = self.reflection.as_ref().map(&read).transpose()?.map(|r| profile.resize(&r));
        let region = match (&self.mask, &reflection, level) {
            (Some(mask), _, _) => Some(Region::of_mask(&image::imageops::grayscale(&read(mask)?), profile)),
            (None, Some(r), Some(level)) => Some(Region::of_reflection(r, level)),
            _ => None,
        };
        let (mixture, background) = (profile.resize(&mixture), profile.resize(&background));
        Ok(Pictures { mixture, background, reflection, region })
    }

    fn same_size(&self, path: &Path, picture: &RgbImage, mixture: &RgbImage) -> Result<(), Error> {
        let (i, p) = (mixture.dimensions(), picture.dimensions());
        if i == p {
            return Ok(());
        }
        let message = format!("is {}x{}, and its mixture {} is {}x{}", p.1, p.0, self.mixture.display(), i.1, i.0);
        Err(Error::input_at(path, message))
    }
}

/// The pairs of a folder, by name: a built data set's split, or any tree in one of the layouts.
///
/// # Errors
/// A folder without pairs, or with a mixture that has no background.
pub fn find(root: &Path, split: Split) -> Result<Vec<Triplet>, Error> {
    if DataSet::is_at(root) {
        return of_data_set(root, split);
    }
    if root.is_file() {
        return Err(Error::input_at(
            root,
            "is a file: give a folder; of a recipe, the data set that `synth build` makes",
        ));
    }
    if !root.is_dir() {
        return Err(Error::input_at(root, "there is no such folder"));
    }
    let mut found = Vec::new();
    for entry in walk(root, |_| true) {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            continue;
        }
        let folder = entry.path();
        for layers in LAYOUTS {
            let layers = layers.map(|name| folder.join(name));
            if layers[0].is_dir() && layers[1].is_dir() {
                siblings(root, folder, &layers, &mut found)?;
            }
        }
        // Whatever else lies in a folder of the tree need not be pairs.
        let here = pictures(folder, |stem| LAYOUTS[0].contains(&stem))?;
        if let (Some(i), Some(b)) = (here.get("I"), here.get("B")) {
            let name = below(root, folder);
            let (subset, aperture) = (subset(&name), aperture::of_path(&name));
            found.push(Triplet {
                name,
                subset,
                aperture,
                mixture: i.clone(),
                background: b.clone(),
                reflection: here.get("R").cloned(),
                mask: here.get("mask").cloned(),
            });
        }
    }
    if found.is_empty() {
        let message = "holds no pairs: expected a built data set, leaves with I.* and B.*, sibling folders I/ and B/, or \
                       blended/ and transmission_layer/";
        return Err(Error::input_at(root, message));
    }
    Ok(found)
}

fn of_data_set(root: &Path, split: Split) -> Result<Vec<Triplet>, Error> {
    let set = DataSet::open(root)?;
    let path = |file: &manifests::dataset::SampleFile| root.join(file.path.as_str());
    let triplets = set.split(split)?.into_iter().map(|s| Triplet {
        name: format!("{:06}", s.index),
        subset: split.to_string(),
        mixture: path(&s.mixture),
        background: path(&s.background),
        reflection: Some(path(&s.reflection)),
        mask: None,
        aperture: s.drawn.aperture.map(|lens| aperture::nearest_stop(lens.f_number)),
    });
    Ok(triplets.collect())
}

/// Pairs with equal stems in sibling folders: of I, B, R and masks.
fn siblings(root: &Path, folder: &Path, layers: &[PathBuf; 4], found: &mut Vec<Triplet>) -> Result<(), Error> {
    let [i, b, r, m] = layers;
    let all = |folder: &Path| pictures(folder, |_| true);
    let optional = |folder: &Path| if folder.is_dir() { all(folder) } else { Ok(BTreeMap::new()) };
    let (backgrounds, reflections, masks) = (all(b)?, optional(r)?, optional(m)?);
    for (stem, mixture) in all(i)? {
        let Some(background) = backgrounds.get(&stem).cloned() else {
            return Err(Error::input_at(&mixture, format!("has no background of the same name in {}", b.display())));
        };
        let prefix = below(root, folder);
        let name = if prefix.is_empty() { stem.clone() } else { format!("{prefix}/{stem}") };
        let (subset, aperture) = (subset(&prefix), aperture::of_path(&name));
        let (reflection, mask) = (reflections.get(&stem).cloned(), masks.get(&stem).cloned());
        found.push(Triplet { name, subset, mixture, background, reflection, mask, aperture });
    }
    Ok(())
}

/// PNG and JPEG files of a folder by stem, of the stems that are `wanted`.
fn pictures(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder, "read"))? {
        let path = entry.map_err(Error::io(folder, "read"))?.path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        if matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
            && !is_hidden(&path)
            && let Some(stem) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned())
            && wanted(&stem)
            && let Some(other) = found.insert(stem, path.clone())
        {
            let message = format!("and {} have the same name but for their extension: remove one", path.display());
            return Err(Error::input_at(&other, message));
        }
    }
    Ok(found)
}

/// A path below the root, with `/`.
fn below(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    parts.map(|c| c.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}

/// The first folder of a path, where it has one.
fn subset(path: &str) -> String {
    match path.split('/').next() {
        Some(first) if !first.is_empty() => first.to_owned(),
        _ => "all".to_owned(),
    }
}
