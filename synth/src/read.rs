//! Reads photographs: decoded once, reduced to the sizes of samples, kept in the store.

use std::sync::atomic::{AtomicBool, Ordering};

use manifests::{
    Digest, Size,
    dataset::{SourceImage, Split},
    recipe::Recipe,
};
use rayon::prelude::*;

use crate::{
    cache::{Cache, Levels},
    decode,
    duplicates::Fingerprint,
    error::Error,
    mix::Model,
    pixels::Rgb8,
    progress::Progress,
    reduce::{cover, oriented, resize},
    scenes,
    source::Listed,
    store::{Kept, Store},
};

/// A photograph that was read.
pub(crate) struct Read {
    pub(crate) image: SourceImage,
    pub(crate) kept: Vec<Kept>,
    /// Whether a sample is larger than it.
    pub(crate) enlarged: bool,
    print: Option<Fingerprint>,
}

/// Gives photographs of one picture one scene, that of the first; gives how many scenes had another name.
pub(crate) fn join_duplicates(
    behind: &mut [Read],
    before: &mut [Read],
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<usize, Error> {
    let prints: Vec<Option<Fingerprint>> = behind.iter().chain(&*before).map(|r| r.print.clone()).collect();
    let mut images: Vec<&mut SourceImage> = behind.iter_mut().chain(before).map(|r| &mut r.image).collect();
    scenes::join(&mut images, &prints, progress, stop)
}

/// What reading needs.
pub(crate) struct Reader<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) model: &'a Model,
    pub(crate) store: &'a Store,
    pub(crate) cache: Option<&'a Cache>,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a AtomicBool,
}

impl Reader<'_> {
    /// Reads photographs in parallel; those that cannot be used come back as sentences.
    pub(crate) fn read_all(&self, listed: Vec<Listed>) -> Result<(Vec<Read>, Vec<String>), Error> {
        let results: Vec<Result<Result<Read, String>, Error>> =
            listed.into_par_iter().map_init(Default::default, |memory, one| self.read(one, memory)).collect();
        let (mut read, mut unusable) = (Vec::new(), Vec::new());
        for result in results {
            match result? {
                Ok(one) => read.push(one),
                Err(sentence) => unusable.push(sentence),
            }
        }
        Ok((read, unusable))
    }

    /// Reads one: its file, and what the cache has of it, into memory that was there before.
    fn read(&self, listed: Listed, [bytes, cached]: &mut [Vec<u8>; 2]) -> Result<Result<Read, String>, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let name = listed.at.to_string();
        let reduced = listed.at.read_into(bytes).map_err(|e| format!("cannot be read ({e})")).and_then(|()| {
            let digest = Digest::of(bytes);
            let kept = self.cache.and_then(|cache| cache.get(&digest, cached));
            let new = kept.is_none();
            let levels = kept.map_or_else(|| reduce(bytes, self.recipe, self.model), Ok)?;
            Ok((digest, bytes.len() as u64, levels, new))
        });
        self.progress.step(1);
        let (blake3, bytes, levels, new) = match reduced {
            Ok(parts) => parts,
            Err(clause) => return Ok(Err(format!("{name}: {clause}"))),
        };
        if let Some(cache) = self.cache.filter(|_| new) {
            cache.keep(&blake3, &levels)?;
        }
        let Levels { size, pictures, print } = levels;
        let enlarged = pictures.iter().any(|l| l.height > size.height as usize || l.width > size.width as usize);
        let kept = pictures.into_iter().map(|l| self.store.keep(l)).collect::<Result<_, _>>()?;
        let image = SourceImage {
            source: listed.source,
            path: listed.path,
            blake3,
            bytes,
            size,
            scene: listed.scene,
            split: Split::Train,
            licence: listed.licence,
            credit: listed.credit,
        };
        Ok(Ok(Read { image, kept, enlarged, print }))
    }
}

/// From a photograph's bytes its size and a picture for each of the recipe's sizes, in its own orientation: whole, or
/// covering the largest window.
pub(crate) fn reduce(bytes: &[u8], recipe: &Recipe, model: &Model) -> Result<Levels, String> {
    let zoom = model.zoom.map_or(1.0, |zoom| zoom.high);
    let enough = |short: usize, long: usize| {
        recipe.sizes().iter().all(|size| {
            let (height, width) = oriented(*size, false);
            short as f64 >= height as f64 * zoom && long as f64 >= width as f64 * zoom
        })
    };
    let decode::Decoded { picture, size } = decode::decode_for(bytes, enough)?;
    let picture = &picture;
    let portrait = picture.height > picture.width;
    let level = |size: &Size| {
        let (height, width) = oriented(*size, portrait);
        match model.zoom {
            None => resize(picture, height, width),
            Some(zoom) => cover(picture, height, width, zoom.high),
        }
    };
    let pictures: Vec<Rgb8> = recipe.sizes().iter().map(level).collect::<Result<_, _>>()?;
    let print = pictures.first().map_or(Ok(None), Fingerprint::of)?;
    Ok(Levels { size, pictures, print })
}
