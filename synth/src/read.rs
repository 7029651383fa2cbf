//! Reads photographs: decoded once, reduced to the sizes of samples, kept in the store.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

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
    source::{At, Listed},
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

    /// Reads one.
    fn read(&self, listed: Listed, memory: &mut [Vec<u8>; 2]) -> Result<Result<Read, String>, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let reduced = self.reduced(&listed.at, memory)?;
        self.progress.step(1);
        let Reduced { blake3, bytes, levels } = match reduced {
            Ok(reduced) => reduced,
            Err(clause) => return Ok(Err(format!("{}: {clause}", listed.at))),
        };
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

    /// A photograph's reduced pictures: what the cache has of it, or of its file, which is read into memory that was there
    /// before.
    fn reduced(&self, at: &At, [bytes, cached]: &mut [Vec<u8>; 2]) -> Result<Result<Reduced, String>, Error> {
        let (now, stamp) = (SystemTime::now(), at.stamp());
        if let (Some(cache), Some(stamp)) = (self.cache, &stamp)
            && let Some(blake3) = cache.known(at, stamp)
            && let Some(levels) = cache.get(&blake3, cached)
        {
            return Ok(Ok(Reduced { blake3, bytes: at.length(stamp), levels }));
        }
        if let Err(e) = at.read_into(bytes) {
            return Ok(Err(format!("cannot be read ({e})")));
        }
        let blake3 = Digest::of(bytes);
        let levels = match self.cache.and_then(|cache| cache.get(&blake3, cached)) {
            Some(levels) => levels,
            None => match reduce(bytes, self.recipe, self.model) {
                Ok(levels) => {
                    self.cache.map_or(Ok(()), |cache| cache.keep(&blake3, &levels))?;
                    levels
                }
                Err(clause) => return Ok(Err(clause)),
            },
        };
        // Only what was read of a file that nobody was at.
        if let (Some(cache), Some(stamp)) = (self.cache, &stamp)
            && stamp.settled(now)
            && at.stamp().as_ref() == Some(stamp)
        {
            cache.remember(at, stamp, &blake3)?;
        }
        Ok(Ok(Reduced { blake3, bytes: bytes.len() as u64, levels }))
    }
}

/// What reading a photograph comes to.
struct Reduced {
    blake3: Digest,
    /// Of its file.
    bytes: u64,
    levels: Levels,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_the_cache_knows_is_not_read_and_what_has_just_changed_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let text = "version: 1\nname: a\nseed: 1\ncount: 1\nsizes: [4x4]\nsources: {backgrounds: [{folder: a, licence: b}], \
                    reflections: [{folder: a, licence: b}]}";
        let recipe: Recipe = manifests::io::parse_yaml(text, folder.path()).unwrap();
        let model = Model::of(&recipe);
        let cache = Cache::open(&folder.path().join("cache"), &recipe, &model).unwrap();
        let (store, progress, stop) =
            (Store::create(folder.path()).unwrap(), Progress::silent(), AtomicBool::new(false));
        let reader = Reader {
            recipe: &recipe,
            model: &model,
            store: &store,
            cache: Some(&cache),
            progress: &progress,
            stop: &stop,
        };
        let write = |name: &str, grey: u8| {
            let place = folder.path().join(name);
            image::RgbImage::from_pixel(8, 8, image::Rgb([grey; 3])).save(&place).unwrap();
            let hash = Digest::of_file(&place).unwrap();
            (At::file(place), hash)
        };
        let read = |at: &At| reader.reduced(at, &mut Default::default()).unwrap().unwrap();
        let [(dark, dark_hash), (light, light_hash)] = [write("dark.png", 30), write("light.png", 220)];
        assert_eq!((read(&dark).blake3, read(&light).blake3), (dark_hash, light_hash));
        assert_eq!(cache.known(&dark, &dark.stamp().unwrap()), None, "it was written a moment ago");

        // Told wrongly, so that reading would show.
        cache.remember(&dark, &dark.stamp().unwrap(), &light_hash).unwrap();
        let known = read(&dark);
        assert_eq!((known.blake3, known.bytes), (light_hash, dark.stamp().unwrap().length));
        assert_eq!(known.levels, read(&light).levels);

        std::thread::sleep(Duration::from_millis(3100));
        read(&light);
        assert_eq!(cache.known(&light, &light.stamp().unwrap()), Some(light_hash));
        let (dark, anew) = write("dark.png", 31);
        assert_eq!(read(&dark).blake3, anew);
    }
}
