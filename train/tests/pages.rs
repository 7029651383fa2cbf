//! Pages: the scores of `train eval --page`, and reports of one run and of several.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use support::{data_set, failure, run_file, train};

/// A run of `data`, fitted for a few steps.
fn fit(folder: &Path, out: &str, settings: &[&str]) -> String {
    let (run, out) = (run_file(folder, 2).display().to_string(), folder.join(out).display().to_string());
    let settings = settings.iter().flat_map(|s| ["--set", s]);
    let output = train(&["fit", &run, "--out", &out].into_iter().chain(settings).collect::<Vec<_>>());
    assert!(output.status.success(), "{:?}", failure(&output));
    out
}

/// What the program wrote, which must need nothing but itself.
fn page(arguments: &[&str], path: &Path) -> String {
    let output = train(arguments);
    assert!(output.status.success(), "{:?}", failure(&output));
    let html = std::fs::read_to_string(path).unwrap();
    for outside in ["src=\"http", "href=\"http", "url(http", "<script src", "<link"] {
        assert!(!html.contains(outside), "the page needs {outside}");
    }
    // Pictures are text in base64, where any letters are to be found.
    let (first, rest) = html.split_once("base64,").unwrap_or((&html, ""));
    let words: String = std::iter::once(first).chain(rest.split("base64,").map(after_data)).collect();
    assert!(!words.contains("NaN") && !words.contains(">inf"), "a figure is no number");
    html
}

/// What follows a picture's data.
fn after_data(part: &str) -> &str {
    part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))
}

#[test]
fn scores_have_gradients_pictures_and_activations() {
    let dir = tempfile::tempdir().unwrap();
    data_set(&dir.path().join("data"), 6, 2, 5);
    let run = fit(dir.path(), "run", &[]);
    let (data, file) = (dir.path().join("data").display().to_string(), dir.path().join("scores.html"));
    let html = page(&["eval", &run, &data, "--page", &file.display().to_string()], &file);
    for part in
        ["Kullback", "activations", "stage 5", "class=\"slider\"", "R, truth", "gradient of B, network", "difference"]
    {
        assert!(html.contains(part), "{part} is not on the page");
    }
    // Five pictures, all of them shown once: the two that the activations are of are drawn there too.
    assert_eq!(html.matches("class=\"slider\"").count(), 5);
    assert_eq!(html.matches("alt=\"activations\"").count(), 2 * 5);
    // The unprocessed input has scores and gradients, and no network to show.
    let html = page(&["eval", "--baseline", &data, "--page", &file.display().to_string()], &file);
    assert!(html.contains("Kullback") && !html.contains("class=\"slider\""));
}

#[test]
fn several_runs_are_compared_on_the_same_pictures() {
    let dir = tempfile::tempdir().unwrap();
    data_set(&dir.path().join("data"), 6, 2, 4);
    let runs = [fit(dir.path(), "one", &["name=one"]), fit(dir.path(), "two", &["name=two", "schedule.ema=0.5"])];
    let (data, file) = (dir.path().join("data").display().to_string(), dir.path().join("report.html"));
    let out = file.display().to_string();
    let html = page(&["report", &runs[0], &runs[1], "--data", &data, "--profile", "native", "--out", &out], &file);
    assert!(html.contains("one, two") && html.contains("4 pictures"), "no comparison");
    assert!(html.contains("<td>schedule.ema</td><td>-</td><td>0.5</td>"), "the difference is not shown");
    assert!(!html.contains("<td>schedule.batch</td>"), "what is the same is shown");
    for chart in ["images a second", "memory, GiB", "validation SSIM"] {
        assert!(html.contains(&format!("aria-label=\"{chart}\"")), "no chart of {chart}");
    }
    // Scores are those that eval gives.
    let eval = train(&["eval", &runs[0], &data, "--profile", "native", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&eval.stdout).unwrap();
    let ssim = format!("<td>{:.4} ± ", document["mean"]["ssim"].as_f64().unwrap());
    assert!(html.contains(&ssim), "{ssim} is not on the page");
    let validation = ["report", &runs[0], &runs[1], "--data", &data, "--split", "validation", "--out", &out];
    assert!(page(&validation, &file).contains("2 pictures"), "another split was scored");
    let refused = train(&["report", &runs[0], "--split", "validation", "--out", &out]);
    assert!(!refused.status.success(), "a split of no data set");
    // A single run is not compared.
    let html = page(&["report", &runs[0], "--out", &out], &file);
    assert!(!html.contains("Configurations") && html.contains("Reproduce"));
}
