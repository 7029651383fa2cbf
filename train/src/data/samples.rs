//! The samples that a run reads, of built data sets and of recipes, in one list.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::RgbImage;
use manifests::{
    Digest, Size,
    dataset::{Sample, SampleFile, Split},
    run::{Data, DataSource},
};
use synth::{Mixer, Progress, Rgb8};

use super::{DataSet, read_rgb};
use crate::Error;

/// A run's data sets.
#[derive(Debug)]
pub struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    /// The data set's folder, or the recipe.
    path: PathBuf,
    kind: Kind,
    weight: Option<f64>,
}

#[derive(Debug)]
enum Kind {
    Built(Box<DataSet>),
    /// Mixed when asked for.
    Mixed(Box<Mixer>),
}

/// One split of all data sets.
#[derive(Debug, Clone)]
pub struct Samples {
    sources: Arc<Sources>,
    places: Vec<Place>,
}

/// Where a sample is found.
#[derive(Debug, Clone, Copy)]
struct Place {
    source: usize,
    /// Its place in a built data set's list, or its index in a recipe.
    at: u64,
    size: Size,
}

/// A sample's pictures, of one size.
#[derive(Debug)]
pub struct Layers {
    /// Its number in its data set, as in `000123`; behind the data set's place where there are several, as in `1-000123`.
    pub name: String,
    /// I.
    pub mixture: RgbImage,
    /// The background as mixed, alpha B.
    pub background: RgbImage,
    /// The reflection as mixed, beta R.
    pub reflection: RgbImage,
}

impl Sources {
    /// Opens built data sets and reads the photographs of recipes, whose reduced pictures `cache` keeps for later runs.
    ///
    /// # Errors
    /// What is not there or not valid.
    pub fn open(data: &Data, cache: Option<&Path>) -> Result<Arc<Self>, Error> {
        let open = |DataSource { dataset, recipe, weight }: DataSource| {
            let (path, kind) = match (dataset, recipe) {
                (Some(folder), _) => {
                    let folder = PathBuf::from(folder);
                    let set = DataSet::open(&folder)?;
                    (folder, Kind::Built(Box::new(set)))
                }
                (None, recipe) => {
                    let recipe = PathBuf::from(recipe.unwrap_or_default());
                    let mixer = Mixer::open_with(&recipe, cache, &Progress::stderr())?;
                    mixer.notes().iter().for_each(|note| manifests::tell!("{}: {note}", recipe.display()));
                    (recipe, Kind::Mixed(Box::new(mixer)))
                }
            };
            Ok(Source { path, kind, weight })
        };
        Ok(Arc::new(Self(data.sources().into_iter().map(open).collect::<Result<_, Error>>()?)))
    }

    /// The samples of a split, data set after data set.
    ///
    /// # Errors
    /// Where there is none.
    pub fn split(self: &Arc<Self>, split: Split) -> Result<Samples, Error> {
        let mut places = Vec::new();
        for (source, Source { kind, .. }) in self.0.iter().enumerate() {
            match kind {
                Kind::Built(set) => places.extend(
                    (0..).zip(&set.samples).filter(|(_, sample)| sample.split == split).map(|(at, sample)| Place {
                        source,
                        at,
                        size: sample.size,
                    }),
                ),
                Kind::Mixed(mixer) => places.extend(
                    (0..mixer.len())
                        .map(|at| (at, mixer.outline(at)))
                        .filter(|(_, (of, _))| *of == split)
                        .map(|(at, (_, size))| Place { source, at, size }),
                ),
            }
        }
        if places.is_empty() {
            return Err(Error::input(format!("{}: the split `{split}` has no sample", self.names())));
        }
        Ok(Samples { sources: Arc::clone(self), places })
    }

    /// Refuses photographs that are sources of samples of both splits, of one data set or of two.
    ///
    /// # Errors
    /// The first such photograph.
    pub fn check_disjoint(&self, a: Split, b: Split) -> Result<(), Error> {
        let of = |split| self.0.iter().flat_map(|source| source.photographs(split)).collect::<BTreeSet<_>>();
        let both = of(a).intersection(&of(b)).next().copied();
        let Some(digest) = both else { return Ok(()) };
        let name = self.0.iter().find_map(|source| source.name_of(digest)).unwrap_or("a photograph");
        Err(Error::input(format!(
            "{}: {name} is a source of both {a} and {b} samples: build the data set with disjoint splits",
            self.names()
        )))
    }

    /// What tells these data sets from others: their recipes and every photograph in them, by hash.
    ///
    /// # Errors
    /// A header that cannot be written as JSON.
    pub fn digest(&self) -> Result<Digest, Error> {
        let headers: Vec<_> = self.0.iter().map(Source::header).collect();
        let text = serde_json::to_vec(&headers);
        Ok(Digest::of(&text.map_err(|e| Error::Failed(format!("{}: cannot be hashed: {e}", self.names())))?))
    }

    fn names(&self) -> String {
        self.0.iter().map(|source| source.path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

impl Source {
    fn header(&self) -> &manifests::dataset::Dataset {
        match &self.kind {
            Kind::Built(set) => &set.header,
            Kind::Mixed(mixer) => mixer.dataset(),
        }
    }

    /// Photographs that samples of a split may hold.
    fn photographs(&self, split: Split) -> Vec<Digest> {
        let header = self.header();
        match &self.kind {
            Kind::Built(set) => {
                let samples = set.samples.iter().filter(|s| s.split == split);
                let of = |s: &Sample| {
                    let background = header.backgrounds.get(s.drawn.background as usize);
                    let reflection = header.reflections.get(s.drawn.reflection as usize);
                    background.into_iter().chain(reflection).map(|image| image.blake3).collect::<Vec<_>>()
                };
                samples.flat_map(of).collect()
            }
            Kind::Mixed(_) => {
                let images = header.backgrounds.iter().chain(&header.reflections);
                images.filter(|image| image.split == split).map(|image| image.blake3).collect()
            }
        }
    }

    fn name_of(&self, digest: Digest) -> Option<&str> {
        let header = self.header();
        let mut images = header.backgrounds.iter().chain(&header.reflections);
        images.find(|image| image.blake3 == digest).map(|image| image.path.as_str())
    }
}

impl Samples {
    /// Their number, at least 1.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Never: a split without samples is refused.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Height and width of sample `i`.
    pub fn size(&self, i: usize) -> Size {
        self.places[i].size
    }

    /// The place of sample `i`'s data set among the run's, and the data set's weight.
    pub fn source(&self, i: usize) -> (usize, Option<f64>) {
        let source = self.places[i].source;
        (source, self.sources.0[source].weight)
    }

    /// Refuses samples that the network's stages cannot halve.
    ///
    /// # Errors
    /// The first one.
    pub fn check_sizes(&self, multiple: u32) -> Result<(), Error> {
        let odd = (0..self.len()).find(|i| {
            let size = self.size(*i);
            !size.height.is_multiple_of(multiple) || !size.width.is_multiple_of(multiple)
        });
        let Some(odd) = odd else { return Ok(()) };
        let message = format!(
            "sample {} is {}: heights and widths must be multiples of {multiple}",
            self.name(odd).trim_start_matches('0'),
            self.size(odd)
        );
        Err(Error::input_at(&self.sources.0[self.places[odd].source].path, message))
    }

    /// The name of sample `i`'s data set, as its recipe has it.
    pub fn set(&self, i: usize) -> &str {
        match &self.sources.0[self.places[i].source].kind {
            Kind::Built(set) => set.header.recipe.name.as_str(),
            Kind::Mixed(mixer) => mixer.dataset().recipe.name.as_str(),
        }
    }

    /// The f-number that was drawn for sample `i`'s lens; none where its recipe has none, or where limits may have drawn another
    /// one while it was mixed.
    pub fn f_number(&self, i: usize) -> Option<f64> {
        let Place { source, at, .. } = self.places[i];
        let aperture = match &self.sources.0[source].kind {
            Kind::Built(set) => set.samples[at as usize].drawn.aperture,
            Kind::Mixed(mixer) if mixer.dataset().recipe.limits.is_none() => mixer.draw(at).1.aperture,
            Kind::Mixed(_) => None,
        };
        aperture.map(|lens| lens.f_number)
    }

    /// The first `n` samples, or all.
    pub fn first(mut self, n: usize) -> Self {
        self.places.truncate(n);
        self
    }

    /// Sample `i`'s name, as [`Layers::name`] has it.
    pub fn name(&self, i: usize) -> String {
        let Place { source, at, .. } = self.places[i];
        let index = match &self.sources.0[source].kind {
            Kind::Built(set) => set.samples[at as usize].index,
            Kind::Mixed(_) => at,
        };
        if self.sources.0.len() > 1 { format!("{source}-{index:06}") } else { format!("{index:06}") }
    }

    /// Decodes or mixes sample `i`; from any thread.
    ///
    /// # Errors
    /// Pictures that cannot be read or differ from the manifest's size; limits of a recipe that nothing keeps.
    pub fn read(&self, i: usize) -> Result<Layers, Error> {
        let Place { source, at, size } = self.places[i];
        let Source { path, kind, .. } = &self.sources.0[source];
        let name = self.name(i);
        match kind {
            Kind::Mixed(mixer) => {
                let sample = mixer.sample(at)?;
                let [mixture, background, reflection] =
                    [sample.mixture, sample.background, sample.reflection].map(picture);
                Ok(Layers { name, mixture: mixture?, background: background?, reflection: reflection? })
            }
            Kind::Built(set) => {
                let sample = &set.samples[at as usize];
                let read = |file: &SampleFile| {
                    let path = path.join(file.path.as_str());
                    let picture = read_rgb(&path)?;
                    if (picture.height(), picture.width()) != (size.height, size.width) {
                        let found = format!("{}x{}", picture.height(), picture.width());
                        return Err(Error::input_at(&path, format!("is {found} and not {size} as the manifest says")));
                    }
                    Ok(picture)
                };
                let (mixture, background) = (read(&sample.mixture)?, read(&sample.background)?);
                Ok(Layers { name, mixture, background, reflection: read(&sample.reflection)? })
            }
        }
    }
}

fn picture(rgb: Rgb8) -> Result<RgbImage, Error> {
    let size = rgb.size();
    RgbImage::from_raw(size.width, size.height, rgb.data)
        .ok_or_else(|| Error::Failed("a sample has fewer pixels than its size says".into()))
}
