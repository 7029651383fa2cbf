//! Whole programs: how soon `train fit` steps, what the loader gives beside what a step takes, and `train predict` beside
//! another program on the same pictures, in turn.
//!
//!     BENCH_PREDICT_PEER="python3 $PWD/train/benches/predict_peer.py FOLDER" cargo bench -p train --bench programs
//!
//! FOLDER holds corrn_reference.py; the peer is called with a checkpoint, a folder of PNGs, a folder for its pictures and
//! `--threads T`, and prints a JSON line with `seconds`, from its first picture to its last. BENCH_SAMPLES (15000), BENCH_ROUNDS
//! (5), BENCH_PICTURES (12) and BENCH_THREADS (2) change the numbers, BENCH_DIR where everything is written. A name as argument
//! (start, loader, predict) runs that part alone.
#![expect(clippy::unwrap_used, reason = "a bench has nobody to report to")]

mod support;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
    time::Instant,
};

use support::{answer, list, median, setting};

const TRAIN: &str = env!("CARGO_BIN_EXE_train");

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|c| c == name);
    let folder = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let home = tempfile::tempdir_in(folder).unwrap();
    photographs(home.path());
    if wanted("start") {
        start(home.path());
    }
    if wanted("loader") {
        loader(home.path());
    }
    if wanted("predict") {
        predict(home.path());
    }
}

/// Twelve photographs with shapes and a sensor's noise.
fn photographs(home: &Path) {
    for layer in ["b", "r"] {
        std::fs::create_dir_all(home.join(layer)).unwrap();
        for n in 0..6u32 {
            let picture = image::RgbImage::from_fn(640, 480, |x, y| {
                let wave = |k: f32| 60.0 * ((x as f32 * 0.011 * k).sin() + (y as f32 * 0.017 * (n + 1) as f32).cos());
                let noise = ((x * 7919 + y * 104_729 + x * y * (n + 3)) % 9) as f32;
                let edge = if (x / 90 + y / 70 + n) % 2 == 0 { 25.0 } else { 0.0 };
                image::Rgb([1.0, 1.7, 2.3].map(|k| (125.0 + wave(k) / 2.0 + noise + edge).clamp(0.0, 255.0) as u8))
            });
            picture.save(home.join(layer).join(format!("{n}.png"))).unwrap();
        }
    }
}

/// A data set of so many samples of one size.
fn data_set(home: &Path, name: &str, count: usize, size: &str) -> PathBuf {
    let recipe = home.join(format!("{name}.yaml"));
    let text = format!(
        "version: 1\nname: {name}\nseed: 5\ncount: {count}\nsizes: [{size}]\nsplits: {{train: 0.8, validation: 0.2, test: 0}}\n\
         sources:\n  backgrounds: [{{folder: b, licence: CC0-1.0}}]\n  reflections: [{{folder: r, licence: CC0-1.0}}]\n"
    );
    std::fs::write(&recipe, text).unwrap();
    let out = home.join(name);
    let options = synth::build::Options {
        recipe,
        overrides: synth::recipe::Overrides::default(),
        out: out.clone(),
        shard: synth::shard::Shard::WHOLE,
        cache: None,
        threads: None,
    };
    synth::build::build(&options, &synth::Progress::silent(), &AtomicBool::new(false)).unwrap();
    out
}

/// From the program's start to its first step, at full width.
fn start(home: &Path) {
    let (samples, rounds) = (setting("BENCH_SAMPLES", 15_000), setting("BENCH_ROUNDS", 5));
    let data = data_set(home, "many", samples, "32x64");
    let run = home.join("run.yaml");
    std::fs::write(&run, "version: 1\nname: start\nseed: 1\ndata: {dataset: many}\nschedule: {batch: 2}\n").unwrap();
    let (mut ready, mut stepped) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let began = Instant::now();
        let mut fit = Command::new(TRAIN)
            .args(["fit".as_ref(), run.as_os_str(), "--out".as_ref(), home.join(format!("run{round}")).as_os_str()])
            .args(["--data".as_ref(), data.as_os_str()])
            .args(["--max-steps", "1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        for line in BufReader::new(fit.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.contains(" samples, ") {
                ready.push(began.elapsed().as_secs_f64());
            }
            if line.starts_with("step 1/1 ") {
                stepped.push(began.elapsed().as_secs_f64());
                break;
            }
        }
        // What follows, a validation of thousands of samples, is not what is timed.
        fit.kill().unwrap();
        fit.wait().unwrap();
    }
    println!("start of fit, {samples} samples, full width, {rounds} rounds");
    println!("  before the first step {:.2} s ({})", median(&ready), list(&ready));
    println!("  after the first step  {:.2} s ({})", median(&stepped), list(&stepped));
}

/// Samples a second from the loader, by threads, beside what a step on this processor takes.
fn loader(home: &Path) {
    let rounds = setting("BENCH_ROUNDS", 5);
    let data = data_set(home, "pictures", 600, "224x288");
    let recipe = home.join("pictures.yaml");
    for (what, data) in [("a built data set", &data), ("a recipe mixed online", &recipe)] {
        println!("loader, 224x288, {what}, {rounds} rounds");
        let mut one = f64::NAN;
        for threads in [1, 2] {
            let rates: Vec<f64> = (0..rounds)
                .map(|_| {
                    let mut train = Command::new(TRAIN);
                    train.args(["bench".as_ref(), "data".as_ref(), data.as_os_str(), "--json".as_ref()]);
                    train.args(["--batches", "60", "--threads", &threads.to_string()]);
                    answer(&mut train)["images_per_s"].as_f64().unwrap()
                })
                .collect();
            let rate = median(&rates);
            one = if threads == 1 { rate } else { one };
            println!("  {threads} threads: {rate:.0} samples/s, {:.2} times one thread ({})", rate / one, list(&rates));
        }
    }
    let mut train = Command::new(TRAIN);
    train.args(["bench", "step", "--batch", "2", "--height", "224", "--width", "288", "--steps", "3", "--json"]);
    let step = answer(&mut train);
    println!("  a step of full width takes {:.2} samples/s here", step["images_per_s"].as_f64().unwrap());
}

/// `train predict` beside the peer, at full width.
fn predict(home: &Path) {
    let (pictures, rounds) = (setting("BENCH_PICTURES", 12), setting("BENCH_ROUNDS", 5));
    let threads = setting("BENCH_THREADS", 2).to_string();
    let (input, checkpoint) = (home.join("input"), home.join("net.safetensors"));
    std::fs::create_dir_all(&input).unwrap();
    for n in 0..pictures {
        let from = image::open(home.join("b").join(format!("{}.png", n % 6))).unwrap().into_rgb8();
        let part = image::imageops::crop_imm(&from, (n * 13) as u32, (n * 9) as u32, 288, 224).to_image();
        part.save(input.join(format!("{n:03}.png"))).unwrap();
    }
    let model = manifests::run::Model::default();
    let net = train::net::Corrn::new(&model, 1, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
    let tensors = net.params().all().iter().map(|p| (p.name.clone(), p.var.as_detached_tensor())).collect();
    candle_core::safetensors::save(&tensors, &checkpoint).unwrap();
    let peer = std::env::var("BENCH_PREDICT_PEER").ok();
    let (mut ours, mut theirs, mut whole, mut their_whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let out = home.join(format!("ours{round}"));
        let mut train = Command::new(TRAIN);
        train.arg("predict").args([&checkpoint, &input]).arg("--out").arg(&out).env("RAYON_NUM_THREADS", &threads);
        let began = Instant::now();
        let output = train.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        whole.push(pictures as f64 / began.elapsed().as_secs_f64());
        let text = String::from_utf8(output.stdout).unwrap();
        ours.push(text.split(", ").last().unwrap().split(' ').next().unwrap().parse().unwrap());
        if let Some(peer) = &peer {
            let mut words = peer.split_whitespace();
            let mut command = Command::new(words.next().unwrap());
            command.args(words).args([&checkpoint, &input, &home.join(format!("theirs{round}"))]);
            let began = Instant::now();
            let seconds = answer(command.args(["--threads", &threads]))["seconds"].as_f64().unwrap();
            their_whole.push(pictures as f64 / began.elapsed().as_secs_f64());
            theirs.push(pictures as f64 / seconds);
        }
    }
    println!("predict, {pictures} pictures of 224x288, full width, {threads} threads, {rounds} rounds");
    println!("  ours   {:.2} pictures/s ({}); with its start {:.2}", median(&ours), list(&ours), median(&whole));
    if peer.is_some() {
        println!(
            "  peer   {:.2} pictures/s ({}); with its start {:.2}",
            median(&theirs),
            list(&theirs),
            median(&their_whole)
        );
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(o, t): (&f64, &f64)| o / t).collect();
        println!(
            "  ours / peer: {:.2} of medians, {:.2} median of rounds",
            median(&ours) / median(&theirs),
            median(&ratios)
        );
    }
}
