//! The same commands on real photographs, wherever the machine has the shared folder of them.

use manifests::{dataset::SAMPLES_FILE, dataset::Sample, read_log};
use tests::{fixture, photographs, run};

use crate::{SYNTH, TRAIN};

#[test]
fn a_folder_of_the_users_own_photographs() {
    let (Some(backgrounds), Some(reflections)) = (photographs("bsds200"), photographs("ceilnet_table2/R")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let text = |name: &str| dir.path().join(name).display().to_string();
    let recipe = fixture("recipe.yaml").display().to_string();
    let (b, r) = (backgrounds.display().to_string(), reflections.display().to_string());
    let build =
        ["build", &recipe, "--backgrounds", &b, "--reflections", &r, "--out", &text("dataset")].map(String::from);
    run(SYNTH, dir.path(), build).ok();
    let samples = read_log::<Sample>(&dir.path().join("dataset").join(SAMPLES_FILE)).unwrap().rows;
    assert_eq!(samples.len(), 36);
    assert!(samples.iter().any(|s| s.size.height > s.size.width), "portraits stay portraits");
    let file = fixture("run.yaml").display().to_string();
    run(TRAIN, dir.path(), ["fit", &file, "--data", &text("dataset"), "--out", &text("run"), "--max-steps", "6"]).ok();
    let said = run(TRAIN, dir.path(), ["eval", &text("run"), &text("dataset"), "--json"]).ok();
    assert!(said.out.contains("\"psnr\""));
}
