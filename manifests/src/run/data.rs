//! The data of a run: built data sets, recipes that are mixed while training, or several of either.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CheckError;

/// The data of a run: one of `dataset`, `recipe` and `sets`. The split `train` is fitted, `validation` chosen by. Relative
/// paths start at the run file's folder.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// A built data set's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// A recipe of `synth build`, whose samples are mixed while training: the same pixels as built ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Several of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<DataSource>,
}

/// One of a run's data sets: either `dataset` or `recipe`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSource {
    /// A built data set's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// A recipe, mixed while training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Its share of an epoch's samples, beside the other sets' weights; above 0. An epoch has as many samples as all sets
    /// together; a set that has fewer than its share is gone through more than once, one that has more goes on where the
    /// epoch before ended. Without any weights each sample is seen once an epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

impl Data {
    /// The data sets, whichever way they are written.
    pub fn sources(&self) -> Vec<DataSource> {
        if self.dataset.is_none() && self.recipe.is_none() {
            return self.sets.clone();
        }
        vec![DataSource { dataset: self.dataset.clone(), recipe: self.recipe.clone(), weight: None }]
    }

    /// Every path, to be changed.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let below = self.sets.iter_mut().flat_map(|set| set.dataset.iter_mut().chain(&mut set.recipe));
        self.dataset.iter_mut().chain(&mut self.recipe).chain(below)
    }

    pub(super) fn check(&self) -> Result<(), CheckError> {
        let fail = |path: String, message: &str| Err(CheckError::new(&path, message));
        let ways = [self.dataset.is_some(), self.recipe.is_some(), !self.sets.is_empty()];
        if ways.iter().filter(|way| **way).count() != 1 {
            return fail("data".into(), "needs one of `dataset`, `recipe` and `sets`");
        }
        for (i, set) in self.sets.iter().enumerate() {
            if set.dataset.is_some() == set.recipe.is_some() {
                return fail(format!("data.sets[{i}]"), "needs either `dataset` or `recipe`");
            }
            if set.weight.is_some_and(|weight| !(weight > 0.0 && weight.is_finite())) {
                return fail(format!("data.sets[{i}].weight"), "must be above 0");
            }
            if set.weight.is_some() != self.sets[0].weight.is_some() {
                return fail(format!("data.sets[{i}]"), "give all sets a `weight` or none of them");
            }
        }
        Ok(())
    }
}
