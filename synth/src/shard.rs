//! A part of a data set: shard i of n makes a contiguous range of samples and keeps its own log.
//!
//! Shards know nothing of each other and may share a folder or not. Their logs, one after another in the order of their
//! names, are `samples.jsonl` byte for byte: `cat samples.*-of-*.jsonl > samples.jsonl`.

use std::{fmt, ops::Range, str::FromStr};

use manifests::dataset::SAMPLES_FILE;

/// Shard `index` of `count`, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// The whole data set.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The samples of this shard.
    pub(crate) fn range(self, samples: u64) -> Range<u64> {
        let start = |i: u64| (u128::from(samples) * u128::from(i) / u128::from(self.count)) as u64;
        start(self.index)..start(self.index + 1)
    }

    /// The name of this shard's log.
    pub(crate) fn log_name(self) -> String {
        if self == Self::WHOLE {
            SAMPLES_FILE.into()
        } else {
            format!("samples.{:05}-of-{:05}.jsonl", self.index, self.count)
        }
    }

    /// From `i/n`, `slurm` (an array job's environment, the array being the whole data set), `slurm/n` (task i of an array that
    /// counts from 0 is shard i of n, also where only some tasks are submitted again) or `kubernetes/n` (an indexed job's).
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text or missing from the environment.
    pub fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| -> Result<u64, String> {
            let value = environment(name).ok_or_else(|| format!("`--shard {text}` needs the variable {name}"))?;
            value.trim().parse().map_err(|_| format!("{name}={value} is not a whole number"))
        };
        let (index, count) = match text.split_once('/') {
            None if text == "slurm" => {
                let first = number("SLURM_ARRAY_TASK_MIN")?;
                let index = number("SLURM_ARRAY_TASK_ID")?.checked_sub(first);
                let index = index.ok_or("SLURM_ARRAY_TASK_ID lies before SLURM_ARRAY_TASK_MIN")?;
                // An array may count in steps (--array=0-30:10); older versions of Slurm do not say of how many.
                let step = environment("SLURM_ARRAY_TASK_STEP").map_or(Ok(1), |_| number("SLURM_ARRAY_TASK_STEP"))?;
                (index / step.max(1), number("SLURM_ARRAY_TASK_COUNT")?)
            }
            Some(("slurm", count)) => (number("SLURM_ARRAY_TASK_ID")?, parse(count)?),
            Some(("kubernetes", count)) => (number("JOB_COMPLETION_INDEX")?, parse(count)?),
            Some((index, count)) => (parse(index)?, parse(count)?),
            None => return Err(format!("`{text}` is not a shard: write `i/n`, `slurm`, `slurm/n` or `kubernetes/n`")),
        };
        if index >= count || count > 99_999 {
            let hint = match text {
                "slurm" => {
                    "; for an array with gaps, or some tasks of an earlier one, write `slurm/n` with all tasks' number"
                }
                _ => "",
            };
            return Err(format!(
                "shard {index} of {count}: shards count from 0 to n - 1, and n is at most 99999{hint}"
            ));
        }
        Ok(Self { index, count })
    }
}

/// Whether a file is called as a shard's log is.
pub(crate) fn is_shard_log(name: &[u8]) -> bool {
    name.starts_with(b"samples.") && name.ends_with(b".jsonl")
}

fn parse<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slurm_and_kubernetes_say_which() {
        let environment = |name: &str| match name {
            "SLURM_ARRAY_TASK_ID" => Some("7".into()),
            "SLURM_ARRAY_TASK_MIN" => Some("5".into()),
            "SLURM_ARRAY_TASK_COUNT" => Some("4".into()),
            "JOB_COMPLETION_INDEX" => Some("3".into()),
            _ => None,
        };
        assert_eq!(Shard::parse("slurm", environment).unwrap().to_string(), "2/4");
        let in_steps = |name: &str| match name {
            "SLURM_ARRAY_TASK_ID" => Some("25".into()),
            "SLURM_ARRAY_TASK_STEP" => Some("10".into()),
            _ => environment(name),
        };
        assert_eq!(Shard::parse("slurm", in_steps).unwrap().to_string(), "2/4");
        assert_eq!(Shard::parse("slurm/8", environment).unwrap().to_string(), "7/8");
        let gaps = |name: &str| if name == "SLURM_ARRAY_TASK_COUNT" { Some("2".into()) } else { environment(name) };
        assert!(Shard::parse("slurm", gaps).unwrap_err().contains("write `slurm/n`"));
        assert_eq!(Shard::parse("kubernetes/8", environment).unwrap().to_string(), "3/8");
        assert_eq!(
            Shard::parse("slurm", |_| None).unwrap_err(),
            "`--shard slurm` needs the variable SLURM_ARRAY_TASK_MIN"
        );
        for bad in ["3", "3/3", "-1/3", "a/b", "1/0", ""] {
            assert!(Shard::parse(bad, |_| None).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn shards_cover_every_sample_once(samples in 0u64..5000, count in 1u64..50) {
            let ranges: Vec<_> = (0..count).map(|index| Shard { index, count }.range(samples)).collect();
            prop_assert_eq!(ranges[0].start, 0);
            prop_assert_eq!(ranges[ranges.len() - 1].end, samples);
            prop_assert!(ranges.windows(2).all(|w| w[0].end == w[1].start));
        }
    }
}
