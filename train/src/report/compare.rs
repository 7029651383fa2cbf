//! Several runs beside each other: scores, curves, and what their configurations do not share.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{
    Section,
    curve::{Axes, Line, chart},
    run::{Fitted, duration, series},
    scores::mean,
};
use crate::metrics::Profile;

/// What a configuration says of a key that another one has and it has not.
const ABSENT: &str = "-";

pub(super) fn section(runs: &[&Fitted], profile: Profile) -> Section {
    let names = names(runs);
    let curves = |title: &str, of: fn(&manifests::run::Record) -> Option<f64>| {
        let line = |(i, (name, run)): (usize, (&String, &&Fitted))| Line {
            name: name.clone(),
            colour: i % 6,
            points: series(&run.records, of),
        };
        let lines: Vec<Line> = names.iter().zip(runs).enumerate().map(line).collect();
        chart(title, Axes::STEPS, &lines)
    };
    let body = html! {
        h3 { "Scores" }
        (scores(runs, &names, profile))
        h3 { "Curves" }
        div.pair {
            (curves("training loss", |r| Some(r.train.as_ref()?.loss)))
            (curves("validation SSIM", |r| Some(r.validation.as_ref()?.ssim)))
            (curves("validation PSNR, dB", |r| Some(r.validation.as_ref()?.psnr)))
            (curves("images a second", |r| Some(r.train.as_ref()?.images_per_s)))
        }
        h3 { "Configurations" }
        (differences(runs, &names))
    };
    Section { kind: "comparison", title: names.join(", "), body }
}

/// The runs' names; where two are the same, with their folders.
fn names(runs: &[&Fitted]) -> Vec<String> {
    let all: BTreeSet<&str> = runs.iter().map(|r| r.run.name.as_str()).collect();
    let name = |r: &&Fitted| {
        let name = r.run.name.to_string();
        if all.len() == runs.len() { name } else { format!("{name} ({})", r.folder.display()) }
    };
    runs.iter().map(name).collect()
}

/// A line for each run and one for the input, over all pictures.
fn scores(runs: &[&Fitted], names: &[String], profile: Profile) -> Markup {
    let first = runs.iter().find_map(|run| run.best.as_ref());
    let figures = first.map(|best| best.scored.main().figures()).unwrap_or_default();
    html! {
        div.scroll { table {
            tr {
                th { "profile " (profile) } th { "n" } @for figure in &figures { th { (figure.title) } }
                th { "steps" } th { "training time" } th { "images/s" }
            }
            @for (name, run) in names.iter().zip(runs) {
                tr {
                    td { (name) }
                    @if let Some(best) = &run.best {
                        @let all = best.scored.main().all();
                        td { (all.n) } @for figure in &figures { td { (mean(&all, figure)) } }
                    } @else {
                        td { "no checkpoint yet" } @for _ in &figures { td {} }
                    }
                    td { (run.records.last().map_or(0, |r| r.step)) }
                    td { (duration(run.seconds())) }
                    td { (format!("{:.1}", run.images_per_s())) }
                }
            }
            @if let Some(best) = first {
                @let input = best.scored.input.all();
                tr {
                    td { "unprocessed input of " (names[runs.iter().position(|r| r.best.is_some()).unwrap_or(0)]) }
                    td { (input.n) } @for figure in &figures { td { (mean(&input, figure)) } }
                    td {} td {} td {}
                }
            }
        } }
        p.note { "Runs on different data are scored on different pictures, unless --data names the same for all." }
    }
}

/// The keys whose values differ.
fn differences(runs: &[&Fitted], names: &[String]) -> Markup {
    let each: Vec<BTreeMap<String, String>> = runs.iter().map(|r| keys(&r.run)).collect();
    let all: BTreeSet<&String> = each.iter().flat_map(BTreeMap::keys).collect();
    let value = |keys: &BTreeMap<String, String>, key: &String| keys.get(key).cloned().unwrap_or(ABSENT.into());
    let differ = |key: &&&String| each.iter().any(|keys| value(keys, key) != value(&each[0], key));
    let rows: Vec<&&String> = all.iter().filter(differ).collect();
    html! {
        @if rows.is_empty() {
            p { "The same in every key." }
        } @else {
            div.scroll { table {
                tr { th { "key" } @for name in names { th { (name) } } }
                @for key in rows { tr { td { (key) } @for keys in &each { td { (value(keys, key)) } } } }
            } }
        }
    }
}

/// Every key of a run file with its value, as `--set` would write them.
fn keys(run: &manifests::run::Run) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let tree = serde_json::to_value(run).unwrap_or_default();
    flatten(String::new(), &tree, &mut found);
    found
}

fn flatten(path: String, value: &serde_json::Value, found: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(map) => {
            let below = |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            map.iter().for_each(|(key, value)| flatten(below(key), value, found));
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| flatten(format!("{path}[{i}]"), value, found));
        }
        serde_json::Value::String(text) => _ = found.insert(path, text.clone()),
        other => _ = found.insert(path, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fitted(folder: &str, text: &str) -> Fitted {
        let head = "version: 1\nname: t\nseed: 1\ndata: {dataset: d}\n";
        let run = manifests::io::parse_yaml(&format!("{head}{text}"), Path::new("run.yaml")).unwrap();
        Fitted { folder: folder.into(), run, records: Vec::new(), best: None }
    }

    #[test]
    fn what_differs_is_shown_and_nothing_else() {
        let (a, b) = (
            fitted("one", "schedule: {batch: 4}\n"),
            fitted("two", "schedule: {batch: 4, ema: 0.9}\nmodel: {width: 0.5}\n"),
        );
        let page = section(&[&a, &b], Profile::Native).body.into_string();
        for row in ["<td>model.width</td><td>1.0</td><td>0.5</td>", "<td>schedule.ema</td><td>-</td><td>0.9</td>"] {
            assert!(page.contains(row), "{row}: {page}");
        }
        assert!(!page.contains("schedule.batch") && page.contains("t (one)"), "{page}");
        let same = section(&[&a, &a], Profile::Native).body.into_string();
        assert!(same.contains("The same in every key."), "{same}");
    }
}
