//! Exports opened by the readers that they are made for: `datasets`, `webdataset` and `mlcroissant` of Python, where a
//! Python has them. `VITRINE_PYTHON` names one; otherwise `python3` is tried.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{path::Path, process::Command};

use support::{Bench, SMALL, done};

/// A Python that imports `module`, or none, saying so.
fn python(module: &str) -> Option<String> {
    let python = std::env::var("VITRINE_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    let there = found.is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: {python} has no module {module}; set VITRINE_PYTHON to one that has it");
    }
    there.then_some(python)
}

/// Runs a script in `folder`, offline; gives the line of JSON that it prints last.
fn told(python: &str, folder: &Path, script: &str) -> serde_json::Value {
    let output = Command::new(python)
        .current_dir(folder)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", folder.join("home"))
        .args(["-c", script])
        .output()
        .unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    serde_json::from_str(said.lines().last().unwrap()).unwrap_or_else(|e| panic!("{e}: {said}{complained}"))
}

/// A built data set with unscaled layers, exported; and what every reader must find in its training split: index and first
/// subpixel of the five layers, in order.
fn exported(format: &str) -> (Bench, serde_json::Value) {
    let bench = Bench::new(24, &format!("{SMALL}\nunscaled: true"));
    done(bench.build("out", &[]));
    done(bench.run(&["export", format, "out", "--out", "export"]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    let first = |path: &Path| image::open(path).unwrap().into_rgb8().into_raw()[0];
    let rows: Vec<_> = reader
        .split(manifests::dataset::Split::Train)
        .into_iter()
        .map(|i| {
            let paths = reader.paths(i);
            let [behind, before] = paths.unscaled.unwrap();
            let layers = [paths.mixture, paths.background, paths.reflection, behind, before].map(|path| first(&path));
            let [mixture, background, reflection, behind, before] = layers;
            serde_json::json!([i, mixture, background, reflection, behind, before])
        })
        .collect();
    (bench, rows.into())
}

#[test]
fn datasets_reads_the_imagefolder() {
    let Some(python) = python("datasets") else { return };
    let (bench, rows) = exported("imagefolder");
    let script = "
import datasets, json
d = datasets.load_dataset('imagefolder', data_dir='export')
assert sorted(d) == ['test', 'train', 'validation'], d
rows = [[r['index']] + [r[k].getpixel((0, 0))[0] for k in ('mixture', 'background', 'reflection', 'background_unscaled', 'reflection_unscaled')] for r in d['train']]
print(json.dumps(rows))";
    assert_eq!(told(&python, bench.dir.path(), script), rows);
}

#[test]
fn webdataset_reads_the_tar_files() {
    let Some(python) = python("webdataset") else { return };
    let (bench, rows) = exported("webdataset");
    let script = "
import webdataset, json
d = webdataset.WebDataset('export/train-000000.tar', shardshuffle=False).decode('pil')
rows = [[r['json']['index']] + [r[k + '.png'].getpixel((0, 0))[0] for k in ('mixture', 'background', 'reflection', 'background-unscaled', 'reflection-unscaled')] for r in d]
print(json.dumps(rows))";
    assert_eq!(told(&python, bench.dir.path(), script), rows);
}

#[test]
fn mlcroissant_reads_the_croissant() {
    let Some(python) = python("mlcroissant") else { return };
    let (bench, rows) = exported("croissant");
    let script = "
import mlcroissant, json
d = mlcroissant.Dataset(jsonld='export/croissant.json')
pictures = {}
layers = ('mixture', 'background', 'reflection', 'background-unscaled', 'reflection-unscaled')
for layer in layers:
    for r in d.records('train-' + layer):
        r = {k.split('/')[-1]: v for k, v in r.items()}
        pictures[layer + '/' + r['file_name'].decode()] = r['picture'].getpixel((0, 0))[0]
rows = []
for r in d.records('train'):
    r = {k.split('/')[-1]: v for k, v in r.items()}
    rows.append([int(r['index'])] + [pictures[r[k.replace('-', '_') + '_file_name'].decode()] for k in layers])
print(json.dumps(rows))";
    assert_eq!(told(&python, bench.dir.path(), script), rows);
}
