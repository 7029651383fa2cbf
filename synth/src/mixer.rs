//! A recipe with its sources read: gives any sample, from any thread.

use std::{path::Path, sync::atomic::AtomicBool};

use manifests::{
    dataset::{Dataset, Drawn, SampleQuality, SourceImage, Split, Window},
    recipe::{Limits, Recipe, Unreadable},
};

use crate::{
    ARITHMETIC,
    cache::Cache,
    draw::{Choices, draw},
    error::Error,
    mix::{Mixed, Model, mix, turned},
    pixels::Rgb8,
    progress::Progress,
    read::{Read, Reader, join_duplicates},
    recipe::{self, Layer, Opened, Overrides},
    reduce::cut,
    source, split,
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
    /// What the pictures came out as.
    pub quality: SampleQuality,
    /// How often numbers were drawn anew because of the recipe's limits.
    pub redrawn: u32,
    /// How many pairs of photographs were rejected because of them.
    pub rejected: u32,
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
        Self::read(&opened, &std::env::temp_dir(), None, &Progress::silent(), &AtomicBool::new(false))
    }

    /// Reads all sources on the current thread pool; those that are in the folder `cache` are not decoded.
    pub(crate) fn read(
        opened: &Opened,
        scratch: &Path,
        cache: Option<&Path>,
        progress: &Progress,
        stop: &AtomicBool,
    ) -> Result<Self, Error> {
        let recipe = &opened.recipe;
        let (behind, mut unusable) = source::list(opened, Layer::Background)?;
        let (before, more) = source::list(opened, Layer::Reflection)?;
        unusable.extend(more);
        let store = Store::create(scratch)?;
        let model = Model::of(recipe);
        let cache = cache.map(|folder| Cache::open(folder, recipe, &model)).transpose()?;
        let reader = Reader { recipe, model: &model, store: &store, cache: cache.as_ref(), progress, stop };
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

    /// Every number of sample `index` as first drawn, and its split. Where the recipe has limits, the sample's own may be
    /// later ones.
    pub fn draw(&self, index: u64) -> (Split, Drawn) {
        let split = split::of_sample(index, &self.dataset.recipe.splits);
        (split, self.attempt(index, split, 0))
    }

    fn attempt(&self, index: u64, split: Split, attempt: u64) -> Drawn {
        let recipe = &self.dataset.recipe;
        let [backgrounds, reflections] = &self.by_split[split as usize];
        let choices = Choices { backgrounds, reflections, sizes: &recipe.sizes };
        draw(recipe.seed, index, attempt, choices, &self.model)
    }

    /// Mixes sample `index`.
    ///
    /// # Errors
    /// When the scratch file cannot be read, or nothing that is drawn keeps the recipe's limits.
    pub fn sample(&self, index: u64) -> Result<MixedSample, Error> {
        let split = split::of_sample(index, &self.dataset.recipe.splits);
        let limits = self.dataset.recipe.limits;
        let draws = limits.map_or(1, |limits| u64::from(limits.redraws) + 1);
        let mut broken = String::new();
        for attempt in 0..MOST_PAIRS * draws {
            let (pair, redrawn) = (attempt / draws, attempt - attempt / draws);
            let mut drawn = self.attempt(index, split, attempt);
            if !attempt.is_multiple_of(draws) {
                let first = self.attempt(index, split, pair * draws);
                (drawn.background, drawn.reflection) = (first.background, first.reflection);
            }
            let get = |kept: &[Vec<Kept>], i: u32| self.store.get(kept[i as usize][drawn.size as usize]);
            let (background, reflection) =
                (get(&self.backgrounds, drawn.background)?, get(&self.reflections, drawn.reflection)?);
            let sample = combine(index, split, drawn, background, reflection, &self.dataset.recipe, &self.model)?;
            match limits.and_then(|limits| breaks(&limits, &sample)) {
                None => return Ok(MixedSample { redrawn: redrawn as u32, rejected: pair as u32, ..sample }),
                Some(which) => broken = which,
            }
        }
        Err(Error::BadInput(format!(
            "sample {index}: none of {MOST_PAIRS} pairs of photographs keeps the recipe's limits (last, {broken}); widen \
             `limits`"
        )))
    }
}

/// Pairs of photographs that are tried for one sample.
const MOST_PAIRS: u64 = 100;

/// The first limit that a sample breaks, in words.
fn breaks(limits: &Limits, sample: &MixedSample) -> Option<String> {
    let SampleQuality { effective_beta, contrast } = sample.quality;
    let clipped = limits.clipped.filter(|most| sample.clipped > most.get());
    let weight = limits.effective_beta.filter(|range| !range.contains(effective_beta));
    let flat = limits.contrast.filter(|least| contrast < least.get());
    clipped
        .map(|most| format!("clipped {:.4} above {most}", sample.clipped))
        .or(weight.map(|r| format!("effective_beta {effective_beta:.4} outside [{}, {}]", r.low, r.high)))
        .or(flat.map(|least| format!("contrast {contrast:.4} below {least}")))
}

/// Mixes two reduced photographs.
///
/// A reflection of the other orientation is turned by a quarter: whole, never cropped.
pub(crate) fn combine(
    index: u64,
    split: Split,
    drawn: Drawn,
    background: Rgb8,
    reflection: Rgb8,
    recipe: &Recipe,
    model: &Model,
) -> Result<MixedSample, Error> {
    let size = recipe.sizes[drawn.size as usize];
    let cut = |picture: Rgb8, window: Option<Window>| match window {
        None => Ok(picture),
        Some(window) => cut(&picture, size, window).map_err(Error::Damaged),
    };
    let background = cut(background, drawn.background_window)?;
    let reflection = cut(reflection, drawn.reflection_window)?;
    let across = u8::from(background.height != reflection.height);
    let reflection = reflection.turned(across, false);
    let Mixed { mixture, background: alpha_b, reflection: beta_r, clipped, quality } =
        mix(&background, &reflection, &drawn, model, recipe.seed, index);
    let unscaled = recipe.unscaled.then(|| [turned(background, &drawn), turned(reflection, &drawn)]);
    Ok(MixedSample {
        index,
        split,
        drawn,
        mixture,
        background: alpha_b,
        reflection: beta_r,
        unscaled,
        clipped,
        quality,
        redrawn: 0,
        rejected: 0,
    })
}
