//! A self-contained page to look at a data set with: I, B and R side by side with the numbers drawn.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use manifests::{
    dataset::{Dataset, Sample, SampleFile},
    write_atomic,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{dataset, error::Error};

/// Writes the page. Of the whole data set it shows `limit` samples: half of them those that clip most, the others
/// evenly spread.
///
/// # Errors
/// A data set that cannot be read, or a page that cannot be written.
pub fn gallery(dir: &Path, out: &Path, limit: usize) -> Result<usize, Error> {
    let dataset = dataset::header(dir)?;
    let chosen = choose(dir, &dataset, limit)?;
    let figures = chosen.iter().map(|s| figure(dir, s)).collect::<Result<Vec<_>, _>>()?;
    let recipe = &dataset.recipe;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (recipe.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (recipe.name) }
                p {
                    (recipe.count) " samples from " (dataset.backgrounds.len()) " backgrounds and "
                    (dataset.reflections.len()) " reflections; " (chosen.len())
                    " shown: those that clip most, and others evenly spread. Mixture, background in it, reflection in it."
                }
                form {
                    label {
                        "Order "
                        select id="order" {
                            option value="clipped" { "most clipped first" }
                            option value="contrast" { "least contrast in the reflection first" }
                            option value="weight" { "largest effective beta first" }
                            option value="beta" { "strongest reflection first" }
                            option value="alpha" { "brightest background first" }
                            option value="blur" { "most blurred first" }
                            option value="index" { "by index" }
                        }
                    }
                    label {
                        " Split "
                        select id="split" {
                            @for split in ["all", "train", "validation", "test"] { option { (split) } }
                        }
                    }
                }
                main { @for figure in &figures { (figure) } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    write_atomic(out, page.into_string().as_bytes())?;
    Ok(chosen.len())
}

/// The samples to show, by index: the lines are read twice rather than kept.
fn choose(dir: &Path, dataset: &Dataset, limit: usize) -> Result<Vec<Sample>, Error> {
    let count = usize::try_from(dataset.recipe.count).unwrap_or(usize::MAX);
    let limit = limit.min(count);
    // The least clipped of those kept is on top; of equal ones the first index stays.
    let mut most = BinaryHeap::new();
    for sample in dataset::lines(dir, dataset)? {
        let sample = sample?;
        // Fractions from 0 to 1 are in the order of their bits.
        most.push(Reverse((sample.clipped.to_bits(), Reverse(sample.index))));
        if most.len() > limit / 2 {
            most.pop();
        }
    }
    let mut chosen: BTreeSet<u64> = most.into_iter().map(|Reverse((_, Reverse(index)))| index).collect();
    // Evenly spread, then whatever is left until the page is full.
    let spread = (0..limit).map(|i| (i * count / limit.max(1)) as u64);
    for i in spread.chain(0..count as u64) {
        if chosen.len() == limit {
            break;
        }
        chosen.insert(i);
    }
    let shown = |sample: &Result<Sample, Error>| sample.as_ref().map_or(true, |s| chosen.contains(&s.index));
    dataset::lines(dir, dataset)?.filter(shown).collect()
}

fn figure(dir: &Path, sample: &Sample) -> Result<Markup, Error> {
    let picture = |file: &SampleFile, what: &str| -> Result<Markup, Error> {
        let path = file.path.under(dir);
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let data = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes));
        Ok(html! { img src=(data) alt=(what) title=(what) loading="lazy"; })
    };
    let drawn = &sample.drawn;
    let number = |name: &str, value: f64| html! { span { (name) " " b { (format!("{value:.3}")) } } " " };
    Ok(html! {
        figure data-index=(sample.index) data-split=(sample.split) data-clipped=(sample.clipped)
            data-weight=(sample.quality.map_or(0.0, |q| q.effective_beta))
            data-contrast=(sample.quality.map_or(0.0, |q| -q.contrast)) data-alpha=(drawn.alpha) data-beta=(drawn.beta) data-blur=(drawn.blur_sigma + drawn.defocus_radius)
        {
            div {
                (picture(&sample.mixture, "mixture")?)
                (picture(&sample.background, "background")?)
                (picture(&sample.reflection, "reflection")?)
            }
            figcaption {
                b { "#" (sample.index) } " " (sample.split) " " (sample.size) " "
                (number("alpha", drawn.alpha)) (number("beta", drawn.beta))
                @if drawn.blur_sigma > 0.0 { (number("sigma", drawn.blur_sigma)) }
                @if drawn.defocus_radius > 0.0 { (number("disc", drawn.defocus_radius)) }
                @if let Some(lens) = &drawn.aperture { (number("f/", lens.f_number)) }
                @if let Some(mask) = &drawn.attenuation { (number("mask from", mask.least)) }
                @if let Some(ghost) = &drawn.ghost { (number("glass mm", ghost.thickness_mm)) }
                @if drawn.exposure_ev != 0.0 { (number("EV", drawn.exposure_ev)) }
                @if let Some(quality) = &sample.quality {
                    (number("effective beta", quality.effective_beta)) (number("contrast", quality.contrast))
                }
                (number("clipped %", sample.clipped * 100.0))
                span { "turned " b { (u32::from(drawn.quarter_turns) * 90) "°" } @if drawn.flip { ", flipped" } }
            }
        }
    })
}

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(30rem, 1fr)); gap: 1rem; margin-top: 1rem; }
figure { margin: 0; padding: .5rem; border: 1px solid #8884; border-radius: 6px; }
figure div { display: flex; gap: 4px; align-items: flex-start; }
figure img { width: calc((100% - 8px) / 3); background: #000; }
figcaption { margin-top: .4rem; font-variant-numeric: tabular-nums; }
label { margin-right: 1rem; }
";

const SCRIPT: &str = "
const main = document.querySelector('main'), figures = [...main.children];
const order = document.getElementById('order'), split = document.getElementById('split');
function show() {
  const key = order.value, sign = key === 'index' ? 1 : -1;
  figures.sort((a, b) => sign * (a.dataset[key] - b.dataset[key]) || a.dataset.index - b.dataset.index);
  for (const f of figures) {
    f.hidden = split.value !== 'all' && f.dataset.split !== split.value;
    main.append(f);
  }
}
order.onchange = split.onchange = show;
show();
";
