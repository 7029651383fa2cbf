//! A recipe with its sources read: gives any sample, from any thread.

mod sample;

use std::{collections::HashSet, path::Path, sync::atomic::AtomicBool};

use manifests::{
    Size,
    dataset::{Dataset, Drawn, SourceImage, Split},
    recipe::Unreadable,
};

pub use sample::MixedSample;
pub(crate) use sample::combine;

use crate::{
    ARITHMETIC,
    cache::Cache,
    error::Error,
    mix::Model,
    progress::Progress,
    read::{Read, Reader, join_duplicates},
    recipe::{self, Layer, Opened, Overrides},
    reduce::oriented,
    source, split,
    store::{Kept, Store},
};

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
        Self::open_with(recipe_file, None, &Progress::silent())
    }

    /// As [`Mixer::open`]; photographs that are in the folder `cache` are not decoded again, nor read while their files stay
    /// as the file system had them, and those that are decoded are added to it.
    ///
    /// # Errors
    /// As [`Mixer::open`].
    pub fn open_with(recipe_file: &Path, cache: Option<&Path>, progress: &Progress) -> Result<Self, Error> {
        let opened = recipe::open(recipe_file, &Overrides::default())?;
        Self::read(&opened, &std::env::temp_dir(), cache, progress, &AtomicBool::new(false))
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
        let (behind, unlisted_behind) = source::list(opened, Layer::Background)?;
        let (before, unlisted_before) = source::list(opened, Layer::Reflection)?;
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
        let of_layer = [[unlisted_behind, behind.1].concat(), [unlisted_before, before.1].concat()];
        // A folder may serve both layers.
        let mut named = HashSet::new();
        let unusable: Vec<String> = of_layer.concat().into_iter().filter(|u| named.insert(u.clone())).collect();
        if recipe.unreadable == Unreadable::Fail && !unusable.is_empty() {
            return Err(Error::Unreadable { list: unusable });
        }
        for (index, (layer, read)) in
            [(Layer::Background, &behind.0), (Layer::Reflection, &before.0)].iter().enumerate()
        {
            if read.is_empty() {
                let why = of_layer[index].first().cloned().unwrap_or_default();
                return Err(opened.refuse(*layer, 0, format!("none of its photographs can be used: {why}")));
            }
        }
        let mut notes: Vec<String> = unusable.into_iter().map(|u| format!("left out: {u}")).collect();
        if enlarged > 0 {
            notes.push(format!("{enlarged} photographs are smaller than the largest sample and were enlarged"));
        }
        let (mut behind, mut before) = (behind.0, before.0);
        let joined = join_duplicates(&mut behind, &mut before, progress, stop)?;
        if joined > 0 {
            notes.push(format!("{joined} scenes show the same picture as another and share its split"));
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

    /// Split and size of sample `index`, without mixing it. Where limits reject its pair of photographs, the next pair may
    /// make it portrait instead of landscape.
    pub fn outline(&self, index: u64) -> (Split, Size) {
        let (split, drawn) = self.draw(index);
        let at = drawn.size as usize;
        let portrait = self.backgrounds[drawn.background as usize][at].is_portrait();
        let (a, b) = oriented(self.dataset.recipe.sizes()[at], portrait);
        let (height, width) = if drawn.quarter_turns % 2 == 1 { (b, a) } else { (a, b) };
        (split, Size { height: height as u32, width: width as u32 })
    }

    /// Every number of sample `index` as first drawn, and its split. Where the recipe has limits, the sample's own may be
    /// later ones.
    pub fn draw(&self, index: u64) -> (Split, Drawn) {
        let split = split::of_sample(index, &self.dataset.recipe.splits);
        (split, self.attempt(index, split, 0))
    }
}
