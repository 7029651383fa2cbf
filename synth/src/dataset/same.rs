//! Whether a build may go on in a folder: what is there must be what the recipe and its sources would give.

use std::{collections::BTreeMap, path::Path};

use manifests::{
    Digest,
    dataset::{DATASET_FILE, Dataset, SourceImage},
    recipe::Recipe,
};

use super::header;
use crate::error::Error;

/// Writes the header into a new folder; in one that has a header, refuses to go on with anything else.
pub(crate) fn same_or_write(dir: &Path, dataset: &Dataset) -> Result<(), Error> {
    let file = dir.join(DATASET_FILE);
    if !file.exists() {
        manifests::io::write_new(&file, manifests::io::to_yaml(&file, dataset)?.as_bytes())?;
    }
    // What is there may be another shard's, which began at the same time.
    match difference(&header(dir)?, dataset) {
        Some(difference) => Err(Error::OtherDataset { dir: dir.to_path_buf(), difference }),
        None => Ok(()),
    }
}

/// The first thing in which two headers differ, in words. Where the sources lie is no difference: their bytes count.
pub(crate) fn difference(there: &Dataset, now: &Dataset) -> Option<String> {
    if there.arithmetic != now.arithmetic {
        return Some(format!(
            "the data set here was mixed with arithmetic {}, this program has {}",
            there.arithmetic, now.arithmetic
        ));
    }
    let placeless = |recipe: &Recipe| {
        let mut recipe = recipe.clone();
        for source in recipe.sources.backgrounds.iter_mut().chain(&mut recipe.sources.reflections) {
            for place in [&mut source.folder, &mut source.glob, &mut source.tar, &mut source.list, &mut source.session]
            {
                *place = place.as_ref().map(|_| "-".into());
            }
        }
        serde_json::to_value(recipe).unwrap_or_default()
    };
    if let Some(key) = first_key(&placeless(&there.recipe), &placeless(&now.recipe), String::new()) {
        return Some(format!("the data set here has another `{key}` in its recipe"));
    }
    let layers =
        [("background", &there.backgrounds, &now.backgrounds), ("reflection", &there.reflections, &now.reflections)];
    // A source that came or went changes the splits of others: it is told first.
    layers.iter().find_map(|(layer, a, b)| other_files(a, b).map(|which| format!("the {layer} {which}"))).or_else(
        || {
            (layers[0].1 != layers[0].2 || layers[1].1 != layers[1].2)
                .then(|| "its sources are described differently".into())
        },
    )
}

/// The path of the first key whose values differ.
fn first_key(a: &serde_json::Value, b: &serde_json::Value, at: String) -> Option<String> {
    use serde_json::Value::{Array, Object};
    match (a, b) {
        _ if a == b => None,
        (Object(x), Object(y)) => {
            x.keys().chain(y.keys().filter(|k| !x.contains_key(*k))).find(|k| x.get(*k) != y.get(*k)).and_then(|k| {
                let path = if at.is_empty() { k.clone() } else { format!("{at}.{k}") };
                let null = serde_json::Value::Null;
                first_key(x.get(k).unwrap_or(&null), y.get(k).unwrap_or(&null), path)
            })
        }
        (Array(x), Array(y)) if x.len() == y.len() => {
            (0..x.len()).find_map(|i| first_key(&x[i], &y[i], format!("{at}[{i}]")))
        }
        _ => Some(at),
    }
}

/// The first source that is in one list only or has other bytes, as the end of a sentence.
fn other_files(there: &[SourceImage], now: &[SourceImage]) -> Option<String> {
    let by_name = |list: &[SourceImage]| -> BTreeMap<(u32, String), Digest> {
        list.iter().map(|s| ((s.source, s.path.clone()), s.blake3)).collect()
    };
    let (old, new) = (by_name(there), by_name(now));
    let other = |(name, digest): (&(u32, String), &Digest)| match new.get(name) {
        None => Some(format!("{} is in the data set here and no longer among the sources", name.1)),
        Some(now) if now != digest => Some(format!("{} has changed since the data set here was begun", name.1)),
        Some(_) => None,
    };
    old.iter().find_map(other).or_else(|| {
        let come = new.keys().find(|name| !old.contains_key(*name))?;
        Some(format!("{} is among the sources and not in the data set here", come.1))
    })
}
