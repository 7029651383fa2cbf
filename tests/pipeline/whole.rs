//! The loop end to end at a tiny size, judged by the files that come out.

use std::path::Path;

use manifests::{
    Digest,
    dataset::{DATASET_FILE, Dataset, SAMPLES_FILE, Sample, Split},
    plan::{Plan, Subject},
    read_log, read_yaml,
    run::{METRICS_FILE, Record},
    session::{SESSION_FILE, SHOTS_FILE, Session, Shot},
};
use tests::{fixture, run};

use crate::{CAPTURE, SYNTH, TRAIN};

#[test]
fn from_the_rehearsal_camera_to_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let text = |name: &str| at(name).display().to_string();
    let path = |name: &str| fixture(name).display().to_string();

    let args =
        ["run", &path("plan.yaml"), "--session", &text("session"), "--camera", "rehearsal", "--yes"].map(String::from);
    run(CAPTURE, dir.path(), args).ok();
    session_is_whole(&at("session"));
    run(CAPTURE, dir.path(), ["verify", &text("session")]).ok();

    let args =
        ["build", &path("recipe.yaml"), "--session", &text("session"), "--out", &text("dataset")].map(String::from);
    run(SYNTH, dir.path(), args).ok();
    mixtures_add_up(&at("dataset"));
    run(SYNTH, dir.path(), ["verify", &text("dataset")]).ok();

    let args = ["fit", &path("run.yaml"), "--data", &text("dataset"), "--out", &text("run")].map(String::from);
    run(TRAIN, dir.path(), args).ok();
    loss_fell(&at("run"));

    let said = run(TRAIN, dir.path(), ["eval", &text("run"), &text("dataset"), "--profile", "native", "--json"]).ok();
    scores_are_there(&said.out, &at("dataset"));

    let report = text("report.html");
    run(TRAIN, dir.path(), ["report", &text("session"), &text("dataset"), &text("run"), "--out", &report]).ok();
    page_is_self_contained(Path::new(&report));
}

/// Every shot of the plan once, every file with the hash, length and size that the journal says.
fn session_is_whole(dir: &Path) {
    let session: Session = read_yaml(&dir.join(SESSION_FILE)).unwrap();
    let plan: Plan = read_yaml(&fixture("plan.yaml")).unwrap();
    assert_eq!(session.plan, plan);
    assert!(session.camera.model.contains("D5300"), "{:?}", session.camera);
    let log = read_log::<Shot>(&dir.join(SHOTS_FILE)).unwrap();
    assert!(!log.torn);
    let count = |subject| log.rows.iter().filter(|s| s.subject == subject).count();
    assert_eq!((count(Subject::Reflection), count(Subject::Background)), (32, 8));
    let mut keys: Vec<_> = log.rows.iter().map(|s| &s.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 40, "a shot is doubled");
    for shot in &log.rows {
        assert!(shot.disagreements.is_empty(), "{}: {:?}", shot.key, shot.disagreements);
        assert_eq!(shot.requested.f_number, shot.read_back.f_number);
        let exif = shot.exif.expect("the rehearsal camera writes EXIF");
        assert!((exif.shutter.seconds() / shot.requested.shutter.seconds() - 1.0).abs() < 0.02, "{}", shot.key);
        for file in &shot.files {
            let path = file.path.under(dir);
            assert_eq!(Digest::of_file(&path).unwrap(), file.blake3, "{}", file.path);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), file.bytes);
            assert_eq!(image::image_dimensions(&path).unwrap(), (file.width, file.height));
        }
    }
    a_stop_more_is_brighter(&log.rows);
}

/// Of two shots that differ in the shutter speed alone, the longer one is the brighter one.
fn a_stop_more_is_brighter(shots: &[Shot]) {
    let mut pairs = 0;
    for a in shots {
        for b in shots.iter().filter(|b| {
            (&b.scene, b.subject, b.requested.f_number, b.requested.focal_length_mm)
                == (&a.scene, a.subject, a.requested.f_number, a.requested.focal_length_mm)
                && b.requested.shutter.seconds() > a.requested.shutter.seconds()
        }) {
            let level = |shot: &Shot| shot.quality.expect("a JPEG has figures").level;
            assert!(level(b) > level(a), "{} and {}", a.key, b.key);
            pairs += 1;
        }
    }
    assert_eq!(pairs, 16);
}

/// I = B + R in 8-bit values, except where the sum exceeds 255; what clips is counted right.
fn mixtures_add_up(dir: &Path) {
    let dataset: Dataset = read_yaml(&dir.join(DATASET_FILE)).unwrap();
    let samples = read_log::<Sample>(&dir.join(SAMPLES_FILE)).unwrap().rows;
    assert_eq!(samples.len(), 36);
    for split in [Split::Train, Split::Validation, Split::Test] {
        assert!(samples.iter().any(|s| s.split == split), "no sample in {split}");
    }
    for (i, sample) in samples.iter().enumerate() {
        assert_eq!(sample.index, i as u64);
        let read = |file: &manifests::dataset::SampleFile| {
            let path = file.path.under(dir);
            assert_eq!(Digest::of_file(&path).unwrap(), file.blake3);
            image::open(path).unwrap().into_rgb8()
        };
        let [mixture, background, reflection] = [&sample.mixture, &sample.background, &sample.reflection].map(read);
        assert_eq!(mixture.dimensions(), (sample.size.width, sample.size.height));
        let mut clipped = 0usize;
        for ((m, b), r) in mixture.iter().zip(background.iter()).zip(reflection.iter()) {
            let sum = u32::from(*b) + u32::from(*r);
            assert_eq!(u32::from(*m), sum.min(255), "sample {i}");
            clipped += usize::from(sum > 255);
        }
        assert!((sample.clipped - clipped as f64 / mixture.len() as f64).abs() < 1e-12, "sample {i}");
        assert!((0.8..=1.0).contains(&sample.drawn.alpha) && (0.1..=0.5).contains(&sample.drawn.beta));
        let sources = (
            &dataset.backgrounds[sample.drawn.background as usize],
            &dataset.reflections[sample.drawn.reflection as usize],
        );
        assert_eq!((sources.0.split, sources.1.split), (sample.split, sample.split), "sample {i} crosses splits");
    }
}

fn loss_fell(dir: &Path) {
    let records = read_log::<Record>(&dir.join(METRICS_FILE)).unwrap().rows;
    let losses: Vec<f64> = records.iter().filter_map(|r| r.train.as_ref()).map(|t| t.loss).collect();
    assert!(losses.len() >= 8, "{} training records", losses.len());
    assert!(losses.iter().all(|l| l.is_finite()));
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let quarter = losses.len() / 4;
    let (first, last) = (mean(&losses[..quarter]), mean(&losses[losses.len() - quarter..]));
    assert!(last < 0.8 * first, "the loss went from {first:.3} to {last:.3}");
    assert!(records.iter().any(|r| r.validation.is_some()), "no validation");
}

fn scores_are_there(json: &str, dataset: &Path) {
    let scores: serde_json::Value = serde_json::from_str(json).unwrap();
    let tests =
        read_log::<Sample>(&dataset.join(SAMPLES_FILE)).unwrap().rows.iter().filter(|s| s.split == Split::Test).count();
    assert_eq!(scores["profile"], "native");
    assert_eq!(scores["n"], tests, "scores come from the test split");
    for key in ["ssim", "si", "psnr"] {
        let value = scores["mean"][key].as_f64().unwrap_or(f64::NAN);
        assert!(value.is_finite(), "{key}: {json}");
        assert!(key == "psnr" || value <= 1.0);
    }
    assert_eq!(scores["images"].as_array().map(Vec::len), Some(tests));
}

fn page_is_self_contained(path: &Path) {
    let html = std::fs::read_to_string(path).unwrap();
    assert!(html.matches("data:image/").count() >= 12, "few pictures");
    assert!(html.contains("<svg"), "no curve");
    for part in ["src=\"http", "href=\"http", "@import", "src=\"//", "<script src", "<link rel=\"stylesheet\""] {
        assert!(!html.contains(part), "the page reaches out: {part}");
    }
}
