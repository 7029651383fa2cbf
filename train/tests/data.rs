//! What a run reads: recipes mixed while training, several data sets, and what cannot be used.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use support::{data_set, failure, run_file, train};

/// Photographs, and a recipe of 12 samples of them in two sizes and both orientations.
fn recipe(folder: &Path, more: &str) -> PathBuf {
    for (layer, count) in [("b", 6u32), ("r", 5)] {
        std::fs::create_dir_all(folder.join(layer)).unwrap();
        for n in 0..count {
            let (width, height) = if n % 2 == 0 { (90, 60) } else { (60, 90) };
            let seed = n * 7 + if layer == "b" { 100 } else { 11 };
            let picture = image::RgbImage::from_fn(width, height, |x, y| {
                image::Rgb([(x * 2 + seed) as u8, (y * 2 + n * 13) as u8, ((x * y + seed * 31) / 9) as u8])
            });
            picture.save(folder.join(layer).join(format!("{n}.png"))).unwrap();
        }
    }
    let path = folder.join("recipe.yaml");
    let text = format!(
        "version: 1\nname: small\nseed: 5\ncount: 12\nsizes: [32x64, 64x96]\n\
         splits: {{train: 0.7, validation: 0.3, test: 0}}\n{more}sources:\n  \
         backgrounds: [{{folder: b, licence: none}}]\n  reflections: [{{folder: r, licence: none}}]\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn build(recipe: &Path, out: &Path) {
    let options = synth::build::Options {
        recipe: recipe.to_path_buf(),
        overrides: synth::recipe::Overrides::default(),
        out: out.to_path_buf(),
        shard: synth::shard::Shard::WHOLE,
        cache: None,
        threads: None,
    };
    synth::build::build(&options, &synth::Progress::silent(), &AtomicBool::new(false)).unwrap();
}

/// The weights and the optimiser's state at the end of a run, and its losses.
fn outcome(run: &Path) -> (Vec<(String, Vec<u8>)>, Vec<f64>) {
    let bytes = std::fs::read(run.join("checkpoints/last.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file.tensors().into_iter().map(|(name, v)| (name, v.data().to_vec())).collect();
    tensors.sort();
    let records = manifests::read_log::<manifests::run::Record>(&run.join("metrics.jsonl")).unwrap().rows;
    (tensors, records.into_iter().filter_map(|r| Some(r.train?.loss)).collect())
}

fn fit(folder: &Path, out: &str, more: &[&str]) -> std::process::Output {
    let (run, out) = (folder.join("run.yaml").display().to_string(), folder.join(out).display().to_string());
    train(&[&["fit", &run, "--out", &out], more].concat())
}

fn written(folder: &Path, data: &str) {
    let run = run_file(folder, 2);
    let text = std::fs::read_to_string(&run).unwrap();
    std::fs::write(run, text.replace("{dataset: data}", data)).unwrap();
}

#[test]
fn a_recipe_trains_to_the_same_bits_as_the_data_set_that_it_builds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (case, more) in [("plain", ""), ("limits", "limits: {clipped: 0.05, redraws: 3}\n")] {
        let recipe = recipe(folder, more);
        let (built, mixed) = (format!("built-{case}"), format!("mixed-{case}"));
        build(&recipe, &folder.join(format!("data-{case}")));
        written(folder, &format!("{{dataset: data-{case}}}"));
        let done = fit(folder, &built, &[]);
        assert!(done.status.success(), "{:?}", failure(&done));
        written(folder, "{recipe: recipe.yaml}");
        let cache = folder.join("cache").display().to_string();
        let done = fit(folder, &mixed, &["--cache", &cache]);
        assert!(done.status.success(), "{:?}", failure(&done));
        // Limits may make a sample another size than it first had; without any, nothing differs.
        if case == "plain" {
            assert!(outcome(&folder.join(&built)) == outcome(&folder.join(&mixed)));
        }
        assert!(std::fs::read_dir(&cache).unwrap().count() > 0);
    }
    // A report makes its pictures anew.
    let page = folder.join("page.html").display().to_string();
    let mixed = folder.join("mixed-plain").display().to_string();
    let done = train(&["report", &mixed, "--out", &page]);
    assert!(done.status.success(), "{:?}", failure(&done));
    assert!(std::fs::read_to_string(page).unwrap().contains("Best and worst"));
}

#[test]
fn several_data_sets_are_read_by_weight_and_runs_of_them_continue() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    recipe(folder, "");
    data_set(&folder.join("data"), 8, 2, 0);
    written(folder, "{sets: [{dataset: data, weight: 1}, {recipe: recipe.yaml, weight: 3}]}");
    let done = fit(folder, "whole", &[]);
    assert!(done.status.success(), "{:?}", failure(&done));
    for steps in ["2", "5"] {
        assert!(fit(folder, "parts", &["--max-steps", steps]).status.success());
    }
    assert!(fit(folder, "parts", &["--resume"]).status.success());
    assert!(outcome(&folder.join("whole")).0 == outcome(&folder.join("parts")).0);
    // Told apart from the unweighted run, which sees other batches.
    written(folder, "{sets: [{dataset: data}, {recipe: recipe.yaml}]}");
    assert!(fit(folder, "unweighted", &[]).status.success());
    assert!(outcome(&folder.join("unweighted")).0 != outcome(&folder.join("whole")).0);
}

#[test]
fn data_that_cannot_be_used_are_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    recipe(folder, "");
    data_set(&folder.join("data"), 8, 2, 0);
    for (data, wanted) in [
        ("{}", "needs one of `dataset`, `recipe` and `sets`"),
        ("{dataset: data, recipe: recipe.yaml}", "needs one of"),
        ("{sets: [{dataset: data}, {recipe: recipe.yaml, weight: 2}]}", "give all sets a `weight`"),
        ("{sets: [{dataset: data, weight: -1}]}", "must be above 0"),
        ("{sets: [{weight: 1}]}", "needs either"),
        ("{recipe: nowhere.yaml}", "nowhere.yaml"),
        ("{recipee: recipe.yaml}", "recipe"),
    ] {
        written(folder, data);
        let (code, text) = failure(&fit(folder, "run", &[]));
        assert_eq!(code, Some(2), "{data}: {text}");
        assert!(text.contains(wanted) && text.trim_end().lines().count() == 1, "{data}: {text}");
        assert!(!folder.join("run").exists());
    }
    // The same photographs, in one set to fit and in the other to choose by.
    let other = std::fs::read_to_string(folder.join("recipe.yaml")).unwrap().replace("seed: 5", "seed: 6");
    std::fs::write(folder.join("other.yaml"), other).unwrap();
    written(folder, "{sets: [{recipe: recipe.yaml}, {recipe: other.yaml}]}");
    let (code, text) = failure(&fit(folder, "run", &[]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("is a source of both train and validation"), "{text}");
}
