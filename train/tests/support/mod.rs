//! A small data set in the format that `synth build` writes, and the program as a process.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use image::RgbImage;
use manifests::{
    Digest, LogWriter, Size,
    dataset::{DATASET_FILE, Dataset, SAMPLES_FILE, Sample, SampleFile, SourceImage, Split},
    io::parse_yaml,
};

/// Samples of 32 x 64 and 64 x 32. Backgrounds are colour ramps with a square, reflections stripes: each sample differs from the
/// others.
pub(crate) fn data_set(root: &Path, train: u64, validation: u64, test: u64) {
    data_set_of(root, [train, validation, test], 32);
}

/// As [`data_set`], of samples whose shorter side is `side`.
pub(crate) fn data_set_of(root: &Path, [train, validation, test]: [u64; 3], side: u32) {
    let text = format!(
        "version: 1\nname: fixture\nseed: 1\ncount: {}\nsources:\n  backgrounds: [{{folder: b, licence: CC0-1.0}}]\n  \
         reflections: [{{folder: r, licence: CC0-1.0}}]\n",
        train + validation + test
    );
    let header = parse_yaml(&text, Path::new("fixture")).unwrap();
    let (mut backgrounds, mut reflections, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..train + validation + test {
        let split = match index {
            i if i < train => Split::Train,
            i if i < train + validation => Split::Validation,
            _ => Split::Test,
        };
        let (height, width) = if index % 2 == 0 { (side, 2 * side) } else { (2 * side, side) };
        let size = Size { height, width };
        let (b, r) = layers(index as u32, size);
        let i = RgbImage::from_fn(size.width, size.height, |x, y| {
            let (b, r) = (b.get_pixel(x, y).0, r.get_pixel(x, y).0);
            image::Rgb(std::array::from_fn(|c| b[c].saturating_add(r[c])))
        });
        let file = |layer: &str, picture: &RgbImage| {
            let path = format!("{split}/{index:06}.{layer}.png");
            std::fs::create_dir_all(root.join(split.to_string())).unwrap();
            picture.save(root.join(&path)).unwrap();
            let blake3 = Digest::of_file(&root.join(&path)).unwrap();
            SampleFile { path: path.parse().unwrap(), blake3 }
        };
        let source = |layer: &str| SourceImage {
            source: 0,
            path: format!("{layer}{index}.png"),
            blake3: Digest::of(format!("{layer}{index}").as_bytes()),
            bytes: 1,
            size,
            scene: format!("{layer}{index}"),
            split,
            licence: "CC0-1.0".into(),
            credit: None,
        };
        backgrounds.push(source("b"));
        reflections.push(source("r"));
        // As a line of a manifest has it: what is not written is not drawn.
        let drawn = serde_json::json!({
            "background": index, "reflection": index, "size": 0, "alpha": 1.0, "beta": 1.0, "blur_sigma": 0.0,
            "quarter_turns": 0, "flip": false,
        });
        let drawn = serde_json::from_value(drawn).unwrap();
        let (mixture, background, reflection) = (file("mixture", &i), file("background", &b), file("reflection", &r));
        samples.push(Sample {
            index,
            split,
            drawn,
            size,
            mixture,
            background,
            reflection,
            background_unscaled: None,
            reflection_unscaled: None,
            clipped: 0.0,
            quality: None,
            redrawn: 0,
            rejected: 0,
        });
    }
    let dataset = Dataset { version: 1, arithmetic: 1, recipe: header, backgrounds, reflections };
    manifests::write_yaml(&root.join(DATASET_FILE), &dataset).unwrap();
    LogWriter::open(&root.join(SAMPLES_FILE)).unwrap().append_all(&samples).unwrap();
}

fn layers(i: u32, size: Size) -> (RgbImage, RgbImage) {
    let b = RgbImage::from_fn(size.width, size.height, |x, y| {
        let inside = (8 + i % 7..20 + i % 7).contains(&x) && (8..20).contains(&y);
        let ramp = |v: u32| (60 + v * (2 + i % 3)).min(200) as u8;
        image::Rgb([ramp(x), ramp(y), if inside { 190 } else { 40 }])
    });
    let r = RgbImage::from_fn(size.width, size.height, |x, y| {
        let v = if ((x + y * (i % 3) + i) / 5).is_multiple_of(2) { 45 } else { 5 };
        image::Rgb([v, v, v / 2])
    });
    (b, r)
}

/// A run file for [`data_set`] at `data`: width 1/64, batches of 3, clipped gradients, `epochs` epochs.
pub(crate) fn run_file(folder: &Path, epochs: u64) -> PathBuf {
    let path = folder.join("run.yaml");
    let text = format!(
        "version: 1\nname: fixture\nseed: 3\ndata: {{dataset: data}}\nmodel: {{width: 0.015625, output: residual}}\n\
         schedule: {{batch: 3, checkpoint_every: 2, precise_batches: 2, clip_norm: 1.0, early_stop: 1000, stages: [{{epochs: {epochs}, learning_rate: 2.0e-3}}]}}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Runs `train` to its end.
pub(crate) fn train(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// `train`, not yet started: the one that cargo has built, or where VITRINE_TRAIN says it lies.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let program = std::env::var_os("VITRINE_TRAIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_train").into());
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// The exit code and what was printed to standard error.
pub(crate) fn failure(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
