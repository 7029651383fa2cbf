//! A self-contained page to look at a data set with: I, B and R side by side with the numbers drawn.

mod worst;

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use manifests::{
    dataset::{Sample, SampleFile},
    write_atomic,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    dataset,
    error::Error,
    mix::Model,
    stats::{Number, numbers},
};
use worst::{Chosen, FAULTS, choose};

/// Writes the page. Of the whole data set it shows `limit` samples: half of them the worst (those that clip most, whose
/// reflection is weakest or strongest in effect, or has least contrast), the others evenly spread.
///
/// # Errors
/// A data set that cannot be read, or a page that cannot be written.
pub fn gallery(dir: &Path, out: &Path, limit: usize) -> Result<usize, Error> {
    let dataset = dataset::header(dir)?;
    let chosen = choose(dir, &dataset, limit)?;
    let mut numbers = numbers(&Model::of(&dataset.recipe));
    // What is 0 in all of them, as a blur that the recipe does not ask for, tells nothing.
    numbers.retain(|number| chosen.iter().any(|c| (number.of)(&c.sample).is_some_and(|value| value != 0.0)));
    let figures = chosen.iter().map(|chosen| figure(dir, chosen, &numbers)).collect::<Result<Vec<_>, _>>()?;
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
                    (dataset.reflections.len()) " reflections; " (chosen.len()) " of them here: the worst ("
                    (FAULTS.map(|(name, _)| name).join(", ")) "), and others evenly spread. "
                    "Each with mixture, background in it, reflection in it."
                }
                (controls(&numbers))
                main { @for figure in &figures { (figure) } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    write_atomic(out, page.into_string().as_bytes())?;
    Ok(chosen.len())
}

/// Order and filters.
fn controls(numbers: &[Number]) -> Markup {
    html! {
        form {
            label {
                "Order "
                select id="order" {
                    option value="worst" { "worst first" }
                    option value="index" { "by index" }
                    @for (i, number) in numbers.iter().enumerate() {
                        option value={ "-" (i) } { "largest " (number.name) " first" }
                        option value={ "+" (i) } { "smallest " (number.name) " first" }
                    }
                }
            }
            label {
                "Split "
                select id="split" { @for split in ["all", "train", "validation", "test"] { option { (split) } } }
            }
            label {
                "Worst for "
                select id="fault" {
                    option value="" { "anything or nothing" }
                    @for (name, _) in FAULTS { option { (name) } }
                }
            }
            label {
                "Only "
                select id="number" {
                    @for (i, number) in numbers.iter().enumerate() { option value=(i) { (number.name) } }
                }
            }
            label { "from " input id="low" type="number" step="any"; }
            label { "to " input id="high" type="number" step="any"; }
            output id="shown" {}
        }
    }
}

fn figure(dir: &Path, chosen: &Chosen, numbers: &[Number]) -> Result<Markup, Error> {
    let Chosen { sample, worst } = chosen;
    let picture = |file: &SampleFile, what: &str| -> Result<Markup, Error> {
        let path = file.path.under(dir);
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let data = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes));
        Ok(html! { img src=(data) alt=(what) title=(what) loading="lazy"; })
    };
    let values: Vec<Option<f64>> = numbers.iter().map(|number| (number.of)(sample)).collect();
    let listed = values.iter().map(|value| value.map_or_else(String::new, |v| v.to_string()));
    let listed = listed.collect::<Vec<_>>().join(",");
    let fault = worst.map_or("", |worst| FAULTS[worst.fault].0);
    // In the order in which they were chosen; those that are not bad after them.
    let rank = worst.map_or(u64::MAX >> 16, |worst| (worst.place * FAULTS.len() + worst.fault) as u64);
    Ok(html! {
        figure data-index=(sample.index) data-split=(sample.split) data-worst=(rank) data-fault=(fault)
            data-numbers=(listed)
        {
            div {
                (picture(&sample.mixture, "mixture")?)
                (picture(&sample.background, "background")?)
                (picture(&sample.reflection, "reflection")?)
            }
            figcaption {
                b { "#" (sample.index) } " " (sample.split) " " (sample.size)
                @if !fault.is_empty() { " " mark { (fault) } }
                @for (number, value) in numbers.iter().zip(&values) {
                    @if let Some(value) = value { " " span { (number.name) " " b { (shown(*value)) } } }
                }
                (repeats(sample))
            }
        }
    })
}

/// How often it was drawn anew.
fn repeats(sample: &Sample) -> Markup {
    html! {
        @if sample.redrawn > 0 { " " span { "redrawn " b { (sample.redrawn) } } }
        @if sample.rejected > 0 { " " span { "pairs rejected " b { (sample.rejected) } } }
    }
}

/// Whole as such, others with four significant digits at most.
fn shown(value: f64) -> String {
    let digits = if value == value.trunc() { 0 } else { (3 - value.abs().log10().floor() as i32).clamp(0, 9) };
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; }
input { width: 6rem; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(30rem, 100%), 1fr)); gap: 1rem; margin-top: 1rem; }
figure { margin: 0; padding: .5rem; border: 1px solid #8884; border-radius: 6px; }
figure div { display: flex; gap: 4px; align-items: flex-start; }
figure img { width: calc((100% - 8px) / 3); background: #000; }
figcaption { margin-top: .4rem; font-variant-numeric: tabular-nums; }
figcaption span { white-space: nowrap; margin-left: .5em; }
";

const SCRIPT: &str = "
const main = document.querySelector('main'), at = id => document.getElementById(id);
const figures = [...main.children];
for (const f of figures) f.numbers = f.dataset.numbers.split(',').map(v => v === '' ? NaN : +v);
function show() {
  const order = at('order').value, sign = order[0] === '-' ? -1 : 1, number = +order.slice(1);
  const key = f => order === 'worst' || order === 'index' ? +f.dataset[order] : sign * f.numbers[number];
  // Those without the number come last.
  const last = v => Number.isNaN(v) ? Infinity : v;
  figures.sort((a, b) => last(key(a)) - last(key(b)) || a.dataset.index - b.dataset.index);
  const low = at('low').value, high = at('high').value;
  let shown = 0;
  for (const f of figures) {
    const value = f.numbers[+at('number').value];
    f.hidden = !(at('split').value === 'all' || f.dataset.split === at('split').value)
      || !(at('fault').value === '' || f.dataset.fault === at('fault').value)
      || low !== '' && !(value >= +low) || high !== '' && !(value <= +high);
    shown += !f.hidden;
    main.append(f);
  }
  at('shown').textContent = shown + ' of ' + figures.length + ' shown';
}
document.querySelector('form').oninput = show;
document.querySelector('form').onsubmit = e => e.preventDefault();
show();
";
