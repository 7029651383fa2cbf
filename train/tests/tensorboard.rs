//! TensorBoard's own reader on the events of a run that was stopped and went on. Needs Python with tensorboard
//! (VITRINE_PYTHON names one; otherwise `python3` is tried); without it this test skips and says so.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "shared with the tests of fit")]
mod support;

use std::process::Command;

use manifests::run::{METRICS_FILE, Record};
use serde_json::Value;
use support::{data_set, run_file, train};

const SCRIPT: &str = r#"
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"images": 0, "scalars": 0})
events.Reload()
tags = events.Tags()
scalars = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]}
images = [[e.step, e.width, e.height] for e in events.Images("validation/samples")]
print(json.dumps({"scalars": scalars, "images": images}))
"#;

#[test]
fn tensorboard_reads_every_record_once() {
    let python = std::env::var("VITRINE_PYTHON").unwrap_or_else(|_| "python3".into());
    if !Command::new(&python).args(["-c", "import tensorboard"]).output().is_ok_and(|o| o.status.success()) {
        println!("skipped: {python} has no module tensorboard; set VITRINE_PYTHON to one that has it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 4).display().to_string();
    assert!(train(&["fit", &run, "--out", &path("run"), "--max-steps", "7"]).status.success());
    // Steps after the checkpoint that were not saved, as after a kill: they are done again, and must not be there twice.
    let log = folder.path().join("run").join(METRICS_FILE);
    let last = std::fs::read_to_string(&log).unwrap().lines().last().unwrap().replace("\"step\":7", "\"step\":8");
    std::fs::write(&log, std::fs::read_to_string(&log).unwrap() + &last + "\n").unwrap();
    assert!(train(&["fit", &run, "--out", &path("run")]).status.success());

    let read = Command::new(&python).args(["-c", SCRIPT, &path("run")]).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let found: Value = serde_json::from_slice(&read.stdout).unwrap();
    let records: Vec<Record> = manifests::read_log(&log).unwrap().rows;
    let points = |tag: &str| -> Vec<(u64, f64)> {
        let points = found["scalars"][tag].as_array().unwrap();
        points.iter().map(|p| (p[0].as_u64().unwrap(), p[1].as_f64().unwrap())).collect()
    };
    let losses: Vec<(u64, f64)> = records.iter().filter_map(|r| Some((r.step, r.train.as_ref()?.loss))).collect();
    let validations: Vec<(u64, f64)> = records.iter().filter_map(|r| Some((r.step, r.validation?.psnr))).collect();
    for (tag, expected) in [("loss/total", losses), ("validation/psnr", validations)] {
        let found = points(tag);
        assert_eq!(
            found.iter().map(|p| p.0).collect::<Vec<_>>(),
            expected.iter().map(|p| p.0).collect::<Vec<_>>(),
            "{tag}"
        );
        assert!(found.iter().zip(&expected).all(|(f, e)| (f.1 - e.1).abs() <= 1e-6 * e.1.abs()), "{tag}");
    }
    let pictures = found["images"].as_array().unwrap();
    let steps = std::fs::read_dir(folder.path().join("run/samples")).unwrap().count();
    assert!(steps >= 4 && pictures.len() == steps, "{pictures:?}");
    assert!(pictures.iter().all(|p| p[1].as_u64() > Some(64) && p[2].as_u64() > Some(32)), "{pictures:?}");
}
