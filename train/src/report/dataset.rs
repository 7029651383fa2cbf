//! A data set: its figures, where its pictures come from, and mixtures with their layers.

use std::{collections::BTreeMap, path::Path};

use manifests::dataset::{Dataset, Sample, SampleFile, SourceImage, Split};
use maud::{Markup, html};

use super::{
    Section,
    page::{figure, figures},
    picture,
};
use crate::{Error, data::DataSet};

/// Mixtures shown.
const SHOWN: usize = 6;
/// Longest side in pixels.
const SIDE: u32 = 420;

pub(super) fn section(folder: &Path) -> Result<Section, Error> {
    let set = DataSet::open(folder)?;
    let mean = |of: fn(&Sample) -> f64| set.samples.iter().map(of).sum::<f64>() / set.samples.len().max(1) as f64;
    let count = |split: Split| set.samples.iter().filter(|s| s.split == split).count().to_string();
    let n = set.samples.len().min(SHOWN);
    let rows: Vec<Markup> =
        (0..n).map(|i| mixture(folder, &set.samples[i * set.samples.len() / n])).collect::<Result<_, _>>()?;
    let body = html! {
        (figures(&[
            ("train", count(Split::Train)),
            ("validation", count(Split::Validation)),
            ("test", count(Split::Test)),
            ("mean alpha", format!("{:.2}", mean(|s| s.drawn.alpha))),
            ("mean beta", format!("{:.2}", mean(|s| s.drawn.beta))),
            ("clipped", format!("{:.2} %", 100.0 * mean(|s| s.clipped))),
        ]))
        h3 { "Mixtures: I = alpha B + beta R" }
        div.pair { @for row in &rows { (row) } }
        h3 { "Sources" }
        (sources(&set.header))
    };
    Ok(Section { kind: "data set", title: set.header.recipe.name.to_string(), body })
}

fn mixture(folder: &Path, sample: &Sample) -> Result<Markup, Error> {
    let show = |file: &SampleFile, name: &str, caption: Markup| -> Result<Markup, Error> {
        Ok(figure(&picture::photograph(&folder.join(file.path.as_str()), SIDE)?, name, caption))
    };
    let d = &sample.drawn;
    let (i, b, r) = (
        html! { b { "I" } " sample " (sample.index) ", " (sample.split) ", " (sample.size) },
        html! { b { "alpha B" } " alpha " (format!("{:.3}", d.alpha)) },
        html! { b { "beta R" } " beta " (format!("{:.3}", d.beta)) },
    );
    Ok(html! {
        div.row.three {
            (show(&sample.mixture, "mixture", i)?)
            (show(&sample.background, "background", b)?)
            (show(&sample.reflection, "reflection", r)?)
        }
    })
}

/// Photographs and scenes of each licence.
fn sources(header: &Dataset) -> Markup {
    let mut groups: BTreeMap<(&str, &str), Vec<&SourceImage>> = BTreeMap::new();
    for (layer, images) in [("background", &header.backgrounds), ("reflection", &header.reflections)] {
        for image in images {
            groups.entry((layer, image.licence.as_str())).or_default().push(image);
        }
    }
    html! {
        div.scroll { table {
            tr { th { "layer" } th { "licence" } th { "photographs" } th { "scenes" } th { "train" } th { "validation" } th { "test" } }
            @for ((layer, licence), images) in &groups {
                @let of = |split: Split| images.iter().filter(|i| i.split == split).count();
                @let scenes: std::collections::BTreeSet<&str> = images.iter().map(|i| i.scene.as_str()).collect();
                tr {
                    td { (layer) } td { (licence) } td { (images.len()) } td { (scenes.len()) }
                    td { (of(Split::Train)) } td { (of(Split::Validation)) } td { (of(Split::Test)) }
                }
            }
        } }
    }
}
