//! Scores of many pictures: means by subset, as text, JSON and CSV.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::Serialize;
use serde_json::{Value, json};

use crate::metrics::{Mean, Profile, Score};

/// A scored picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// The subset that it belongs to.
    pub subset: String,
    /// Its scores.
    #[serde(flatten)]
    pub score: Score,
}

/// Scores under one profile.
#[derive(Debug, Clone)]
pub struct Table {
    profile: Profile,
    images: Vec<Image>,
}

impl Table {
    /// Nothing yet.
    pub fn new(profile: Profile) -> Self {
        Self { profile, images: Vec::new() }
    }

    /// Adds a picture.
    pub fn push(&mut self, image: Image) {
        self.images.push(image);
    }

    /// The mean over all pictures.
    pub fn mean(&self) -> Option<Mean> {
        Mean::of(&self.images.iter().map(|i| i.score).collect::<Vec<_>>())
    }

    /// Number and mean of each subset, by name.
    fn subsets(&self) -> BTreeMap<&str, (usize, Option<Mean>)> {
        let mut groups: BTreeMap<&str, Vec<Score>> = BTreeMap::new();
        for image in &self.images {
            groups.entry(&image.subset).or_default().push(image.score);
        }
        groups.into_iter().map(|(name, scores)| (name, (scores.len(), Mean::of(&scores)))).collect()
    }

    /// {"profile", "n", "mean", "subsets", "images"}, and "input" with the same of the unprocessed input.
    pub fn json(&self, input: Option<&Self>) -> Value {
        let subsets: BTreeMap<&str, Value> =
            self.subsets().into_iter().map(|(name, (n, mean))| (name, json!({ "n": n, "mean": mean }))).collect();
        let mut document = json!({
            "profile": self.profile,
            "n": self.images.len(),
            "mean": self.mean(),
            "subsets": subsets,
            "images": self.images,
        });
        if let Some(input) = input {
            document["input"] = input.json(None);
        }
        document
    }

    /// One line for each subset and, where there are several, one for all; the input's below each.
    pub fn text(&self, input: Option<&Self>, name: &Path) -> String {
        let name = name.file_stem().map_or_else(|| "output".into(), |s| s.to_string_lossy().into_owned());
        let mut rows = Vec::new();
        let inputs = input.map(Self::subsets);
        let subsets = self.subsets();
        for (subset, (n, mean)) in &subsets {
            rows.push((*subset, name.as_str(), *n, *mean));
            if let Some((n, mean)) = inputs.as_ref().and_then(|i| i.get(subset)) {
                rows.push((*subset, "input", *n, *mean));
            }
        }
        if subsets.len() > 1 {
            rows.push(("all", name.as_str(), self.images.len(), self.mean()));
            rows.extend(input.map(|i| ("all", "input", i.images.len(), i.mean())));
        }
        let mut text = format!(
            "{:<20} {:<12} {:<8} {:>5} {:>8} {:>8} {:>8}\n",
            "subset", "picture", "profile", "n", "SSIM", "SI", "PSNR"
        );
        let figure = |v: Option<f64>, digits: usize| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"));
        for (subset, name, n, mean) in rows {
            let (ssim, si, psnr) = (mean.map(|m| m.ssim), mean.and_then(|m| m.si), mean.and_then(|m| m.psnr));
            let (ssim, si, psnr) = (figure(ssim, 4), figure(si, 4), figure(psnr, 2));
            let infinite = mean.map_or(0, |m| m.infinite_psnr);
            let note = if infinite > 0 {
                format!("  ({infinite} with infinite PSNR, not in its mean)")
            } else {
                String::new()
            };
            let profile = self.profile.to_string();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{subset:<20} {name:<12} {profile:<8} {n:>5} {ssim:>8} {si:>8} {psnr:>8}{note}");
        }
        text
    }

    /// A header and a line for each picture.
    pub fn csv(&self) -> String {
        let mut text = String::from("subset,name,ssim,si,psnr\n");
        let quoted = |s: &str| {
            if s.contains([',', '"', '\n']) { format!("\"{}\"", s.replace('"', "\"\"")) } else { s.to_owned() }
        };
        let number = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
        for Image { name, subset, score } in &self.images {
            let (si, psnr) = (number(score.si), number(score.psnr));
            let _ = writeln!(text, "{},{},{},{si},{psnr}", quoted(subset), quoted(name), score.ssim);
        }
        text
    }
}
