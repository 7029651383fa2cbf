//! Scores of many pictures: means by subset, as text, JSON and CSV.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use serde_json::{Value, json};

use super::aperture;
use crate::metrics::{FIGURES, Figure, Mean, Profile, Rescale, Score};

/// A scored picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// The subset that it belongs to.
    pub subset: String,
    /// The aperture that it was taken at, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aperture: Option<String>,
    /// Rows and columns at which it was scored.
    pub size: [u32; 2],
    /// Its scores.
    #[serde(flatten)]
    pub score: Score,
}

/// Scores under one profile.
#[derive(Debug, Clone)]
pub struct Table {
    profile: Profile,
    rescale: Rescale,
    images: Vec<Image>,
}

/// The pictures of one subset, or of one aperture, together.
pub(crate) struct Group<'a> {
    /// The subset or the aperture.
    pub(crate) name: &'a str,
    /// How many pictures.
    pub(crate) n: usize,
    /// Rows and columns, where all have the same.
    size: Option<[u32; 2]>,
    /// Their means.
    pub(crate) mean: Option<Mean>,
}

impl<'a> Group<'a> {
    fn of(name: &'a str, images: &[&Image]) -> Self {
        let size = images.first().map(|i| i.size).filter(|size| images.iter().all(|i| i.size == *size));
        let mean = Mean::of(&images.iter().map(|i| i.score).collect::<Vec<_>>());
        Self { name, n: images.len(), size, mean }
    }

    fn json(&self) -> Value {
        json!({ "n": self.n, "size": self.size, "mean": self.mean })
    }
}

impl Table {
    /// Nothing yet; `rescale` is what was done to the pictures before they were scored.
    pub fn new(profile: Profile, rescale: Rescale) -> Self {
        Self { profile, rescale, images: Vec::new() }
    }

    /// Adds a picture.
    pub fn push(&mut self, image: Image) {
        self.images.push(image);
    }

    /// Every picture, in the order of scoring.
    pub(crate) fn images(&self) -> &[Image] {
        &self.images
    }

    /// All pictures together.
    pub(crate) fn all(&self) -> Group<'_> {
        Group::of("all", &self.images.iter().collect::<Vec<_>>())
    }

    /// Each subset, by name.
    fn subsets(&self) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<&str, Vec<&Image>> = BTreeMap::new();
        for image in &self.images {
            groups.entry(&image.subset).or_default().push(image);
        }
        groups.into_iter().map(|(name, images)| Group::of(name, &images)).collect()
    }

    /// Each aperture, widest first; nothing where fewer than two are known.
    fn apertures(&self) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<&str, Vec<&Image>> = BTreeMap::new();
        for image in &self.images {
            if let Some(aperture) = &image.aperture {
                groups.entry(aperture).or_default().push(image);
            }
        }
        let mut groups: Vec<_> = groups.into_iter().map(|(name, images)| Group::of(name, &images)).collect();
        groups.sort_by(|a, b| aperture::order(a.name).total_cmp(&aperture::order(b.name)));
        if groups.len() < 2 { Vec::new() } else { groups }
    }

    /// Every line of a table: the subsets, the apertures where there are several, and all pictures where there are several
    /// subsets.
    pub(crate) fn groups(&self) -> Vec<Group<'_>> {
        let mut groups = self.subsets();
        let several = groups.len() > 1;
        groups.extend(self.apertures());
        if several {
            groups.push(self.all());
        }
        groups
    }

    /// The figures that some picture has.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        FIGURES.into_iter().filter(|f| self.images.iter().any(|i| (f.of)(&i.score).is_some())).collect()
    }

    /// {"profile", "rescale", "n", "size", "mean", "subsets", "images"}, and "input" with the same of the unprocessed input.
    pub fn json(&self, input: Option<&Self>) -> Value {
        let subsets: BTreeMap<&str, Value> = self.subsets().iter().map(|g| (g.name, g.json())).collect();
        let mut document = self.all().json();
        document["profile"] = json!(self.profile);
        document["rescale"] = json!(self.rescale.to_string());
        document["subsets"] = json!(subsets);
        let apertures: BTreeMap<&str, Value> = self.apertures().iter().map(|g| (g.name, g.json())).collect();
        if !apertures.is_empty() {
            document["apertures"] = json!(apertures);
        }
        document["images"] = json!(self.images);
        if let Some(input) = input {
            document["input"] = input.json(None);
        }
        document
    }

    /// One line for each subset and aperture and, where there are several subsets, one for all; the input's below each. Behind each mean is
    /// half its 95 % interval.
    pub fn text(&self, input: Option<&Self>, name: &Path) -> String {
        let name = name.file_stem().map_or_else(|| "output".into(), |s| s.to_string_lossy().into_owned());
        let tables: Vec<(&str, &Self)> =
            std::iter::once((name.as_str(), self)).chain(input.map(|input| ("input", input))).collect();
        let grouped: Vec<_> = tables.iter().map(|(name, table)| (name, table.groups())).collect();
        // Both tables hold the same pictures, and so the same groups.
        let mut rows: Vec<(&str, &Group<'_>)> = Vec::new();
        for i in 0..grouped[0].1.len() {
            rows.extend(grouped.iter().filter_map(|(name, groups)| Some((**name, groups.get(i)?))));
        }
        let columns: Vec<Figure> = self.figures();
        let mut text = format!("{:<20} {:<12} {:<8} {:>9} {:>5}", "subset", "picture", "profile", "size", "n");
        for column in &columns {
            text += &format!(" {:>15}", column.title);
        }
        text.push('\n');
        for (name, group) in rows {
            let size = group.size.map_or_else(|| "mixed".to_owned(), |[h, w]| format!("{h}x{w}"));
            let profile = self.profile.to_string();
            text += &format!("{:<20} {name:<12} {profile:<8} {size:>9} {:>5}", group.name, group.n);
            for column in &columns {
                text += &format!(" {:>15}", group.mean.map_or_else(|| "-".to_owned(), |m| cell(&m, column)));
            }
            let infinite = group.mean.map_or(0, |m| m.infinite_psnr);
            if infinite > 0 {
                text += &format!("  ({infinite} with infinite PSNR, not in its mean)");
            }
            text.push('\n');
        }
        text
    }

    /// A header and a line for each picture.
    pub fn csv(&self) -> String {
        let columns = self.figures();
        let apertures = self.images.iter().any(|i| i.aperture.is_some());
        let mut text = String::from("subset,name,profile,rescale,height,width");
        text += if apertures { ",aperture" } else { "" };
        columns.iter().for_each(|c| text += &format!(",{}", c.key));
        text.push('\n');
        let quoted = |s: &str| {
            if s.contains([',', '"', '\n']) { format!("\"{}\"", s.replace('"', "\"\"")) } else { s.to_owned() }
        };
        for Image { name, subset, aperture, size: [h, w], score } in &self.images {
            text += &format!("{},{},{},{},{h},{w}", quoted(subset), quoted(name), self.profile, self.rescale);
            if apertures {
                text += &format!(",{}", aperture.as_deref().unwrap_or_default());
            }
            for column in &columns {
                text += &format!(",{}", (column.of)(score).map_or_else(String::new, |v| v.to_string()));
            }
            text.push('\n');
        }
        text
    }
}

/// A mean and half its interval.
fn cell(mean: &Mean, column: &Figure) -> String {
    let digits = column.digits;
    match ((column.of)(&mean.score), (column.of)(&mean.interval)) {
        (Some(mean), Some(half)) => format!("{mean:.digits$} ±{half:.digits$}"),
        _ => "-".to_owned(),
    }
}
