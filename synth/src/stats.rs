//! Distributions of what was drawn: counted from the lines, beside what the recipe asks for.

use std::path::Path;

use manifests::{
    Interval,
    dataset::{Drawn, Sample, Split},
};
use serde::Serialize;

use crate::{dataset, error::Error, mix::Model};

/// What a data set holds.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// Samples.
    pub samples: usize,
    /// Samples of each split: training, validation, test.
    pub splits: [usize; 3],
    /// Samples of each size, height x width.
    pub sizes: std::collections::BTreeMap<String, usize>,
    /// How many backgrounds and reflections are used at least once.
    pub used: [usize; 2],
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
    /// 5, 50 and 95 %.
    pub quantiles: [f64; 3],
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
}

/// Reads a data set's lines.
///
/// # Errors
/// A data set that cannot be read or is not finished.
pub fn stats(dir: &Path) -> Result<Stats, Error> {
    let reader = dataset::open(dir)?;
    let (samples, model) = (&reader.samples, Model::of(&reader.dataset.recipe));
    let mut sizes = std::collections::BTreeMap::new();
    samples.iter().for_each(|s| *sizes.entry(s.size.to_string()).or_default() += 1);
    let used =
        |of: fn(&Drawn) -> u32| samples.iter().map(|s| of(&s.drawn)).collect::<std::collections::BTreeSet<_>>().len();
    let drawn = |name, asked: Option<Interval>, of: fn(&Sample) -> f64| numbers(name, asked, samples.iter().map(of));
    let tied = !model.pairs.is_empty();
    Ok(Stats {
        samples: samples.len(),
        splits: [Split::Train, Split::Validation, Split::Test].map(|s| reader.split(s).len()),
        sizes,
        used: [used(|d| d.background), used(|d| d.reflection)],
        numbers: vec![
            drawn("alpha", (!tied && !model.complement).then_some(model.alpha), |s| s.drawn.alpha),
            drawn("beta", (!tied).then_some(model.beta), |s| s.drawn.beta),
            drawn("blur_sigma", Some(model.blur_sigma), |s| s.drawn.blur_sigma),
            drawn("defocus_radius", Some(model.defocus_radius), |s| s.drawn.defocus_radius),
            drawn("clipped", None, |s| s.clipped),
        ],
    })
}

fn numbers(name: &'static str, asked: Option<Interval>, values: impl Iterator<Item = f64>) -> Numbers {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values.get((q * values.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0);
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let quantiles = [0.05, 0.5, 0.95].map(at);
    Numbers { name, asked: asked.map(|range| [range.low, range.high]), min: at(0.0), quantiles, mean, max: at(1.0) }
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [train, validation, test] = self.splits;
        writeln!(f, "{} samples: {train} train, {validation} validation, {test} test", self.samples)?;
        let sizes: Vec<String> = self.sizes.iter().map(|(size, n)| format!("{n} of {size}")).collect();
        writeln!(f, "sizes: {}", sizes.join(", "))?;
        writeln!(f, "used: {} backgrounds, {} reflections", self.used[0], self.used[1])?;
        writeln!(
            f,
            "{:>14}  {:>16}  {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
            "", "recipe", "min", "5 %", "50 %", "95 %", "max", "mean"
        )?;
        for n in &self.numbers {
            let asked = n.asked.map_or_else(String::new, |[low, high]| format!("[{low}, {high}]"));
            let [q5, q50, q95] = n.quantiles;
            writeln!(
                f,
                "{:>14}  {asked:>16}  {:7.4} {q5:7.4} {q50:7.4} {q95:7.4} {:7.4} {:7.4}",
                n.name, n.min, n.max, n.mean
            )?;
        }
        Ok(())
    }
}
