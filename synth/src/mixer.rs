//! A recipe with its sources read: gives any sample, from any thread.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use manifests::{
    Digest, Size,
    dataset::{Dataset, Drawn, SourceImage, Split, Window},
    recipe::{Recipe, Unreadable},
};
use rayon::prelude::*;

use crate::{
    ARITHMETIC, decode,
    draw::{Choices, draw},
    duplicates::{self, Fingerprint},
    error::Error,
    mix::{Model, mix},
    pixels::Rgb8,
    progress::Progress,
    recipe::{self, Layer, Opened, Overrides},
    reduce::{cover, cut, oriented, resize},
    source::{self, Listed},
    split,
    store::{Kept, Store},
};

/// A sample in memory: three pictures of one size, 8-bit display values, H x W x 3.
#[derive(Debug, Clone)]
pub struct MixedSample {
    /// Its index.
    pub index: u64,
    /// The split: that of both its sources.
    pub split: Split,
    /// Every number drawn.
    pub drawn: Drawn,
    /// The mixture I.
    pub mixture: Rgb8,
    /// The background as the mixture holds it, alpha B.
    pub background: Rgb8,
    /// The reflection as the mixture holds it, beta R; I = B + R wherever nothing clips.
    pub reflection: Rgb8,
    /// Background and reflection before weights and optics, where the recipe asks for them.
    pub unscaled: Option<[Rgb8; 2]>,
    /// Fraction of subpixels where the sum exceeded white.
    pub clipped: f64,
}

/// A recipe whose sources are decoded and reduced: any sample, from any thread, with the bytes that `synth build`
/// writes.
#[derive(Debug)]
pub struct Mixer {
    dataset: Dataset,
    model: Model,
    store: Store,
    /// For each source one reduced picture a size.
    backgrounds: Vec<Vec<Kept>>,
    reflections: Vec<Vec<Kept>>,
    by_split: [[Vec<u32>; 2]; 3],
    notes: Vec<String>,
}

impl Mixer {
    /// Reads a recipe and all its sources, on every core; the reduced pictures go to a scratch file in the system's
    /// folder for temporary files.
    ///
    /// # Errors
    /// A recipe or a source that cannot be used, in a sentence.
    pub fn open(recipe_file: &Path) -> Result<Self, Error> {
        let opened = recipe::open(recipe_file, &Overrides::default())?;
        Self::read(&opened, &std::env::temp_dir(), &Progress::silent(), &AtomicBool::new(false))
    }

    /// Reads all sources on the current thread pool.
    pub(crate) fn read(opened: &Opened, scratch: &Path, progress: &Progress, stop: &AtomicBool) -> Result<Self, Error> {
        let recipe = &opened.recipe;
        let (behind, mut unusable) = source::list(opened, Layer::Background)?;
        let (before, more) = source::list(opened, Layer::Reflection)?;
        unusable.extend(more);
        let store = Store::create(scratch)?;
        let model = Model::of(recipe);
        let reader = Reader { recipe, model: &model, store: &store, progress, stop };
        progress.begin("reading photographs", (behind.len() + before.len()) as u64);
        let behind = reader.read_all(behind)?;
        let before = reader.read_all(before)?;
        progress.end();

        let small = |read: &[Read]| read.iter().filter(|r| r.enlarged).count();
        let enlarged = small(&behind.0) + small(&before.0);
        unusable.extend(behind.1.into_iter().chain(before.1));
        if recipe.unreadable == Unreadable::Fail && !unusable.is_empty() {
            return Err(Error::Unreadable { list: unusable });
        }
        for (index, (layer, read)) in
            [(Layer::Background, &behind.0), (Layer::Reflection, &before.0)].iter().enumerate()
        {
            if read.is_empty() {
                let why = unusable.get(index).or(unusable.first()).cloned().unwrap_or_default();
                return Err(opened.refuse(*layer, 0, format!("none of its photographs can be used: {why}")));
            }
        }
        let mut notes: Vec<String> = unusable.into_iter().map(|u| format!("left out: {u}")).collect();
        if enlarged > 0 {
            notes.push(format!("{enlarged} photographs are smaller than the largest sample and were enlarged"));
        }
        let (mut behind, mut before) = (behind.0, before.0);
        let joined = join_duplicates(opened, &mut behind, &mut before);
        if joined > 0 {
            notes.push(format!("{joined} photographs show the same picture as another and share its split"));
        }
        let parts = |read: Vec<Read>| read.into_iter().map(|r| (r.image, r.kept)).unzip();
        let (mut images_behind, backgrounds): (Vec<_>, Vec<_>) = parts(behind);
        let (mut images_before, reflections): (Vec<_>, Vec<_>) = parts(before);
        split::assign(&mut images_behind, &mut images_before, &recipe.splits, recipe.seed)
            .map_err(|(key, message)| Error::key(&opened.file, key, message))?;
        let of = |images: &[SourceImage], split| {
            images.iter().zip(0u32..).filter(|(s, _)| s.split == split).map(|(_, i)| i).collect::<Vec<_>>()
        };
        let by_split = [Split::Train, Split::Validation, Split::Test]
            .map(|split| [of(&images_behind, split), of(&images_before, split)]);
        let dataset = Dataset {
            version: 1,
            arithmetic: ARITHMETIC,
            recipe: recipe.clone(),
            backgrounds: images_behind,
            reflections: images_before,
        };
        Ok(Self { dataset, model, store, backgrounds, reflections, by_split, notes })
    }

    /// The recipe and the sources by hash, as `dataset.yaml` has them.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// What the user should know about the sources: which were left out, and why; a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Number of samples of the recipe; any index can be mixed.
    pub fn len(&self) -> u64 {
        self.dataset.recipe.count
    }

    /// Whether there is no sample; never, because a recipe asks for at least one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The splits that have samples.
    pub(crate) fn splits(&self) -> impl Iterator<Item = Split> {
        let all = [Split::Train, Split::Validation, Split::Test];
        all.into_iter().filter(|s| self.by_split[*s as usize].iter().all(|sources| !sources.is_empty()))
    }

    /// Every number of sample `index`, and its split.
    pub fn draw(&self, index: u64) -> (Split, Drawn) {
        let recipe = &self.dataset.recipe;
        let split = split::of_sample(index, &recipe.splits);
        let [backgrounds, reflections] = &self.by_split[split as usize];
        (split, draw(recipe.seed, index, Choices { backgrounds, reflections, sizes: recipe.sizes.len() }, &self.model))
    }

    /// Mixes sample `index`.
    ///
    /// # Errors
    /// Only when the scratch file cannot be read.
    pub fn sample(&self, index: u64) -> Result<MixedSample, Error> {
        let (split, drawn) = self.draw(index);
        let get = |kept: &[Vec<Kept>], i: u32| self.store.get(kept[i as usize][drawn.size as usize]);
        let (background, reflection) =
            (get(&self.backgrounds, drawn.background)?, get(&self.reflections, drawn.reflection)?);
        combine(index, split, drawn, &background, &reflection, &self.dataset.recipe, &self.model)
    }
}

/// Mixes two reduced photographs.
///
/// A reflection of the other orientation is turned by a quarter: whole, never cropped. Turns and flips come last, so
/// that the optics know which way is up.
pub(crate) fn combine(
    index: u64,
    split: Split,
    drawn: Drawn,
    background: &Rgb8,
    reflection: &Rgb8,
    recipe: &Recipe,
    model: &Model,
) -> Result<MixedSample, Error> {
    let size = recipe.sizes[drawn.size as usize];
    let cut = |picture: &Rgb8, window: Option<Window>| match window {
        None => Ok(picture.clone()),
        Some(window) => cut(picture, size, window).map_err(Error::Damaged),
    };
    let background = cut(background, drawn.background_window)?;
    let reflection = cut(reflection, drawn.reflection_window)?;
    let reflection = reflection.turned(u8::from(background.height != reflection.height), false);
    let mixed = mix(&background, &reflection, &drawn, model);
    let done = |p: &Rgb8| match drawn.flip_vertical {
        // Top to bottom is half a turn and left to right.
        true => p.turned(drawn.quarter_turns, !drawn.flip).turned(2, false),
        false => p.turned(drawn.quarter_turns, drawn.flip),
    };
    let unscaled = recipe.unscaled.then(|| [done(&background), done(&reflection)]);
    let (mixture, background, reflection) = (done(&mixed.mixture), done(&mixed.background), done(&mixed.reflection));
    Ok(MixedSample { index, split, drawn, mixture, background, reflection, unscaled, clipped: mixed.clipped })
}

/// A photograph that was read.
struct Read {
    image: SourceImage,
    kept: Vec<Kept>,
    enlarged: bool,
    print: Option<Fingerprint>,
}

/// Gives photographs of one picture one scene, that of the first; gives how many had another. Only in folders: a
/// session says itself what its scenes are.
fn join_duplicates(opened: &Opened, behind: &mut [Read], before: &mut [Read]) -> usize {
    let in_folder = |layer: Layer, read: &Read| opened.sources(layer)[read.image.source as usize].folder.is_some();
    let first = behind.iter().map(|r| r.print.clone().filter(|_| in_folder(Layer::Background, r)));
    let second = before.iter().map(|r| r.print.clone().filter(|_| in_folder(Layer::Reflection, r)));
    let prints: Vec<Option<Fingerprint>> = first.chain(second).collect();
    let mut images: Vec<&mut SourceImage> = behind.iter_mut().chain(before).map(|r| &mut r.image).collect();
    let mut joined = 0;
    for (i, j, _) in duplicates::pairs(&prints) {
        let (old, new) = (images[j].scene.clone(), images[i].scene.clone());
        if old != new {
            joined += 1;
            images.iter_mut().filter(|image| image.scene == old).for_each(|image| image.scene.clone_from(&new));
        }
    }
    joined
}

struct Reader<'a> {
    recipe: &'a Recipe,
    model: &'a Model,
    store: &'a Store,
    progress: &'a Progress,
    stop: &'a AtomicBool,
}

impl Reader<'_> {
    /// Reads photographs in parallel; those that cannot be used come back as sentences.
    fn read_all(&self, listed: Vec<Listed>) -> Result<(Vec<Read>, Vec<String>), Error> {
        let results: Vec<Result<Result<Read, String>, Error>> =
            listed.into_par_iter().map(|one| self.read(one)).collect();
        let (mut read, mut unusable) = (Vec::new(), Vec::new());
        for result in results {
            match result? {
                Ok(one) => read.push(one),
                Err(sentence) => unusable.push(sentence),
            }
        }
        Ok((read, unusable))
    }

    fn read(&self, listed: Listed) -> Result<Result<Read, String>, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped { done: 0, total: self.recipe.count });
        }
        let name = listed.file.display().to_string();
        let reduced = std::fs::read(&listed.file)
            .map_err(|e| format!("cannot be read ({e})"))
            .and_then(|bytes| Ok((Digest::of(&bytes), bytes.len() as u64, decode::decode(&bytes)?)))
            .and_then(|(digest, length, picture)| {
                let levels = reduce(&picture, self.recipe, self.model)?;
                let print = Fingerprint::of(&levels[0])?;
                Ok((digest, length, picture.size(), levels, print))
            });
        self.progress.step(1);
        let (blake3, bytes, size, levels, print) = match reduced {
            Ok(parts) => parts,
            Err(clause) => return Ok(Err(format!("{name}: {clause}"))),
        };
        let enlarged = levels.iter().any(|l| l.height > size.height as usize || l.width > size.width as usize);
        let kept = levels.iter().map(|l| self.store.keep(l)).collect::<Result<_, _>>()?;
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

/// A photograph for each of the recipe's sizes, in its own orientation: whole, or covering the largest window.
pub(crate) fn reduce(picture: &Rgb8, recipe: &Recipe, model: &Model) -> Result<Vec<Rgb8>, String> {
    let portrait = picture.height > picture.width;
    let level = |size: &Size| {
        let (height, width) = oriented(*size, portrait);
        match model.zoom {
            None => resize(picture, height, width),
            Some(zoom) => cover(picture, height, width, zoom.high),
        }
    };
    recipe.sizes.iter().map(level).collect()
}
