//! Distributions of what was drawn and of what came out: counted from the lines, beside what the recipe asks for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use manifests::{Interval, dataset::Sample};
use serde::Serialize;

use crate::{dataset, error::Error, mix::Model};

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
}

/// The distribution of one number.
#[derive(Debug, Serialize)]
pub struct Numbers {
    /// Its key.
    pub name: &'static str,
    /// The recipe's range, where it has one.
    pub asked: Option<[f64; 2]>,
    /// Smallest.
    pub min: f64,
    /// 5, 50 and 95 %, good to a 65,536th of the number's possible range.
    pub quantiles: [f64; 3],
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
}

/// Reads a data set's lines, one after another: their number takes no memory.
///
/// # Errors
/// A data set that cannot be read or is not finished.
pub fn stats(dir: &Path) -> Result<Stats, Error> {
    let dataset = dataset::header(dir)?;
    let model = Model::of(&dataset.recipe);
    let tied = !model.pairs.is_empty();
    let noise = model.noise;
    let mut counters = [
        Counter::new("alpha", (!tied && !model.complement).then_some(model.alpha), 2.0, |s| s.drawn.alpha),
        Counter::new("beta", (!tied).then_some(model.beta), 2.0, |s| s.drawn.beta),
        Counter::new("blur_sigma", Some(model.blur_sigma), 20.0, |s| s.drawn.blur_sigma),
        Counter::new("defocus_radius", Some(model.defocus_radius), 20.0, |s| s.drawn.defocus_radius),
        Counter::new("exposure_ev", Some(model.exposure_ev), 8.0, |s| s.drawn.exposure_ev),
        Counter::new("noise_gain", noise.map(|n| n.gain), 0.1, |s| s.drawn.noise.map_or(0.0, |n| n.gain)),
        Counter::new("noise_read", noise.map(|n| n.read), 0.2, |s| s.drawn.noise.map_or(0.0, |n| n.read)),
        Counter::new("clipped", None, 1.0, |s| s.clipped),
        Counter::new("effective_beta", None, 4.0, |s| s.quality.map_or(0.0, |q| q.effective_beta)),
        Counter::new("contrast", None, 1.0, |s| s.quality.map_or(0.0, |q| q.contrast)),
    ];
    let (mut splits, mut sizes) = ([0; 3], BTreeMap::new());
    let (mut redrawn, mut rejected) = (0, 0);
    let mut used = [BTreeSet::new(), BTreeSet::new()];
    for sample in dataset::lines(dir, &dataset)? {
        let sample = sample?;
        splits[sample.split as usize] += 1;
        *sizes.entry(sample.size.to_string()).or_default() += 1;
        used[0].insert(sample.drawn.background);
        used[1].insert(sample.drawn.reflection);
        redrawn += u64::from(sample.redrawn);
        rejected += u64::from(sample.rejected);
        counters.iter_mut().for_each(|counter| counter.add(&sample));
    }
    Ok(Stats {
        samples: splits.iter().sum(),
        splits,
        sizes,
        used: used.map(|set| set.len()),
        redrawn,
        rejected,
        numbers: counters.iter().map(Counter::numbers).collect(),
    })
}

/// Counts one number in equal bins over all that it can be.
struct Counter {
    name: &'static str,
    asked: Option<Interval>,
    of: fn(&Sample) -> f64,
    /// The largest magnitude that it can have.
    bound: f64,
    bins: Vec<u64>,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Counter {
    const BINS: usize = 65_536;

    fn new(name: &'static str, asked: Option<Interval>, bound: f64, of: fn(&Sample) -> f64) -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { name, asked, of, bound, bins: vec![0; 2 * Self::BINS], count: 0, sum: 0.0, min, max }
    }

    fn add(&mut self, sample: &Sample) {
        let value = (self.of)(sample);
        let bin = (value / self.bound * Self::BINS as f64).round() as i64 + Self::BINS as i64;
        self.bins[bin.clamp(0, 2 * Self::BINS as i64 - 1) as usize] += 1;
        self.count += 1;
        self.sum += value;
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
    }

    fn numbers(&self) -> Numbers {
        let quantile = |q: f64| {
            let rank = (q * self.count.saturating_sub(1) as f64).round() as u64;
            let mut below = 0;
            let bin = self.bins.iter().position(|n| {
                below += n;
                below > rank
            });
            let value = (bin.unwrap_or(0) as f64 - Self::BINS as f64) / Self::BINS as f64 * self.bound;
            value.clamp(self.min, self.max)
        };
        Numbers {
            name: self.name,
            asked: self.asked.map(|range| [range.low, range.high]),
            min: self.min,
            quantiles: [0.05, 0.5, 0.95].map(quantile),
            mean: self.sum / self.count.max(1) as f64,
            max: self.max,
        }
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
        writeln!(f, "{:>14}  {:>16}  {}", "", "recipe", head.join(" "))?;
        for n in &self.numbers {
            let asked = n.asked.map_or_else(String::new, |[low, high]| format!("[{low}, {high}]"));
            let [q5, q50, q95] = n.quantiles;
            let numbers = [n.min, q5, q50, q95, n.max, n.mean].map(|v| format!("{v:7.4}"));
            writeln!(f, "{:>14}  {asked:>16}  {}", n.name, numbers.join(" "))?;
        }
        Ok(())
    }
}
