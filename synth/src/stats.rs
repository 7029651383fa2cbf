//! Distributions of what was drawn and of what came out, beside what the recipe asks for and beside real pairs.

mod gradients;
mod numbers;
mod pictures;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Serialize;

use crate::{
    dataset::{self, Paths},
    error::Error,
    mix::Model,
    progress::Progress,
};
pub use gradients::Gradients;
use numbers::Counter;
pub use numbers::Numbers;
pub(crate) use numbers::{Number, numbers};
use pictures::{LAYERS, Measured, pair};

/// What a data set holds.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// Samples.
    pub samples: u64,
    /// Samples of each split: training, validation, test.
    pub splits: [u64; 3],
    /// Samples of each size, height x width.
    pub sizes: BTreeMap<String, u64>,
    /// How many backgrounds and reflections are used at least once.
    pub used: [usize; 2],
    /// Draws that were repeated because of the recipe's limits, and pairs of photographs that were rejected.
    pub redrawn: u64,
    /// See [`redrawn`](Self::redrawn).
    pub rejected: u64,
    /// One entry a number.
    pub numbers: Vec<Numbers>,
    /// Gradients of the layers, of samples evenly spread over the data set.
    pub gradients: Vec<Gradients>,
    /// The same of real pairs, if some were given.
    pub real: Option<Real>,
}

/// What real pairs hold, brought to the data set's first size.
#[derive(Debug, Serialize)]
pub struct Real {
    /// Pairs.
    pub pairs: u64,
    /// Alpha and beta, by least squares, of pairs whose reflection is known.
    pub numbers: Vec<Numbers>,
    /// Gradients of the layers, as the files hold them: published pairs often have the reflection as the camera saw it alone,
    /// before its weight, where a data set's layers are weighted.
    pub gradients: Vec<Gradients>,
}

/// Reads a data set's lines, one after another: their number takes no memory. Gradients are those of `pictures` samples,
/// and of the pairs in `real`.
///
/// # Errors
/// A data set or real pairs that cannot be read, a data set that is not finished.
pub fn stats(dir: &Path, real: Option<&Path>, pictures: u32, progress: &Progress) -> Result<Stats, Error> {
    let dataset = dataset::header(dir)?;
    // Before the work: a folder that holds none is told at once.
    let pairs = real.map(pictures::real).transpose()?;
    let model = Model::of(&dataset.recipe);
    let mut counters: Vec<Counter> = numbers(&model).into_iter().map(Counter::new).collect();
    let (mut splits, mut sizes) = ([0; 3], BTreeMap::new());
    let (mut redrawn, mut rejected) = (0, 0);
    let mut used = [BTreeSet::new(), BTreeSet::new()];
    let (count, mut chosen) = (u128::from(dataset.recipe.count.max(1)), Vec::new());
    for sample in dataset::lines(dir, &dataset)? {
        let sample = sample?;
        splits[sample.split as usize] += 1;
        *sizes.entry(sample.size.to_string()).or_default() += 1;
        used[0].insert(sample.drawn.background);
        used[1].insert(sample.drawn.reflection);
        redrawn += u64::from(sample.redrawn);
        rejected += u64::from(sample.rejected);
        counters.iter_mut().for_each(|counter| counter.count(&sample));
        // Whenever another whole one of `pictures` equal steps is reached.
        let step = |index: u64| u128::from(index) * u128::from(pictures) / count;
        if step(sample.index + 1) > step(sample.index) {
            chosen.push(pair(Paths::of(&sample, dir)));
        }
    }
    let own = pictures::measure("measuring samples", &chosen, None, progress)?;
    let size = dataset.recipe.sizes().first().copied();
    let real = pairs.map(|pairs| pictures::measure("measuring real pairs", &pairs, size, progress)).transpose()?;
    Ok(Stats {
        samples: splits.iter().sum(),
        splits,
        sizes,
        used: used.map(|set| set.len()),
        redrawn,
        rejected,
        numbers: counters.iter().filter(|c| !c.is_empty()).map(Counter::numbers).collect(),
        gradients: gradients_of(&own, real.as_ref()),
        real: real.as_ref().map(Real::of),
    })
}

/// Of every layer that was measured.
fn gradients_of(measured: &Measured, real: Option<&Measured>) -> Vec<Gradients> {
    let layer = |(i, name): (usize, &&'static str)| {
        measured.histograms[i].gradients(name, real.map(|real| &real.histograms[i]))
    };
    LAYERS.iter().enumerate().filter_map(layer).collect()
}

impl Real {
    fn of(measured: &Measured) -> Self {
        let gradients = gradients_of(measured, None);
        let number = |(i, name)| {
            let mut counter = Counter::of_values(name, 2.0);
            measured.weights.iter().for_each(|weights| counter.add(weights[i]));
            counter.numbers()
        };
        let numbers = match measured.weights.as_slice() {
            [] => Vec::new(),
            _ => [(0, "alpha"), (1, "beta")].map(number).into(),
        };
        Self { pairs: gradients.first().map_or(0, |g| g.pictures), numbers, gradients }
    }
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [train, validation, test] = self.splits;
        writeln!(f, "{} samples: {train} train, {validation} validation, {test} test", self.samples)?;
        let sizes: Vec<String> = self.sizes.iter().map(|(size, n)| format!("{n} of {size}")).collect();
        writeln!(f, "sizes: {}", sizes.join(", "))?;
        writeln!(f, "used: {} backgrounds, {} reflections", self.used[0], self.used[1])?;
        writeln!(f, "limits: {} draws repeated, {} pairs rejected", self.redrawn, self.rejected)?;
        let head = ["min", "5 %", "50 %", "95 %", "max", "mean"].map(|name| format!("{name:>7}"));
        writeln!(f, "{:>17}  {:>16}  {}", "", "recipe", head.join(" "))?;
        self.numbers.iter().try_for_each(|n| row(f, n))?;
        writeln!(
            f,
            "{:>17}  {:>9}  {:>7} {:>7} {:>7} {:>7}  levels",
            "gradients", "pictures", "50 %", "95 %", "99 %", "mean"
        )?;
        for g in &self.gradients {
            gradient(f, g)?;
            match g.from_real {
                Some(distance) => writeln!(f, "  real pairs are {distance:.3} apart")?,
                None => writeln!(f)?,
            }
        }
        if let Some(real) = &self.real {
            writeln!(f, "{} real pairs", real.pairs)?;
            real.numbers.iter().try_for_each(|n| row(f, n))?;
            for g in &real.gradients {
                gradient(f, g)?;
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

fn row(f: &mut std::fmt::Formatter<'_>, n: &Numbers) -> std::fmt::Result {
    let asked = n.asked.map_or_else(String::new, |[low, high]| format!("[{low}, {high}]"));
    let [q5, q50, q95] = n.quantiles;
    let numbers = [n.min, q5, q50, q95, n.max, n.mean].map(|v| format!("{v:7.4}"));
    writeln!(f, "{:>17}  {asked:>16}  {}", n.name, numbers.join(" "))
}

fn gradient(f: &mut std::fmt::Formatter<'_>, g: &Gradients) -> std::fmt::Result {
    let [q50, q95, q99] = g.quantiles;
    write!(f, "{:>17}  {:>9}  {q50:>7} {q95:>7} {q99:>7} {:>7.3}", g.layer, g.pictures, g.mean)
}
