//! The distribution of a number that comes one value after another, in memory that does not grow.

use manifests::{Interval, dataset::Sample};
use serde::Serialize;

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

/// Counts one number in equal bins over all that it can be.
pub(super) struct Counter {
    name: &'static str,
    asked: Option<Interval>,
    pub(super) of: fn(&Sample) -> f64,
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

    pub(super) fn new(name: &'static str, asked: Option<Interval>, bound: f64, of: fn(&Sample) -> f64) -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { name, asked, of, bound, bins: vec![0; 2 * Self::BINS], count: 0, sum: 0.0, min, max }
    }

    pub(super) fn add(&mut self, value: f64) {
        let bin = (value / self.bound * Self::BINS as f64).round() as i64 + Self::BINS as i64;
        self.bins[bin.clamp(0, 2 * Self::BINS as i64 - 1) as usize] += 1;
        self.count += 1;
        self.sum += value;
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
    }

    pub(super) fn numbers(&self) -> Numbers {
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
