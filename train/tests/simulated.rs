//! What a GPU's driver sees of the program, on the simulated GPU: see `cuda/simulated/README.md`.
#![cfg(feature = "cuda")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "shared with the tests of runs")]
mod fitted;
#[expect(dead_code, reason = "shared with the tests of fit")]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use fitted::Fixture;
use manifests::run::{METRICS_FILE, Record};
use support::{command, failure};

/// Numbers of the driver's report, by name.
type Report = BTreeMap<String, u64>;

/// Whether the GPU is the simulated one. Without it the tests say that they skip.
fn simulated() -> bool {
    let simulated = std::env::var("VITRINE_SIMULATED_GPU").is_ok_and(|v| v == "1");
    if !simulated {
        println!("SKIPPED: the GPU is not simulated (./dev test --simulated-gpu)");
    }
    simulated
}

/// Runs the program with settings of the simulated GPU.
fn run(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let settings = settings.iter().map(|(name, value)| (format!("VITRINE_SIMULATED_GPU_{name}"), value));
    command(arguments).envs(settings).output().unwrap()
}

fn report(path: &Path) -> Report {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// How much more there is of each number in the second report.
fn difference(few: &Report, many: &Report) -> Report {
    let more = |name: &String| (name.clone(), many[name] - few.get(name).unwrap_or(&0));
    many.keys().map(more).filter(|(_, n)| *n > 0).collect()
}

/// Steps of a run that has ended.
fn steps(f: &Fixture, out: &str) -> u64 {
    manifests::read_log::<Record>(&f.path(out).join(METRICS_FILE)).unwrap().rows.last().unwrap().step
}

/// A step of the paper's batch at full width, of which nothing is computed.
struct Step {
    /// The driver's numbers for ten more steps after the warm-up.
    more: Report,
    /// The driver's numbers for all.
    all: Report,
}

impl Step {
    fn of(precision: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let steps = |steps: &str| {
            let path = folder.path().join(steps);
            let settings = [("DRY", "1"), ("REPORT", path.to_str().unwrap())];
            let of =
                ["--device", "cuda:0", "--precision", precision, "--batch", "16", "--height", "224", "--width", "288"];
            let done = run(&settings, &[&["bench", "step", "--json", "--steps", steps], &of[..]].concat());
            assert!(done.status.success(), "{precision}: {:?}", failure(&done));
            report(&path)
        };
        let (few, all) = (steps("2"), steps("12"));
        Self { more: difference(&few, &all), all }
    }

    /// A number of one step; 0 where there is none.
    fn each(&self, name: &str) -> u64 {
        let of_all = self.more.get(name).copied().unwrap_or(0);
        assert!(of_all.is_multiple_of(10), "{name} differs from step to step: {:?}", self.more);
        of_all / 10
    }
}

/// The host waits where the bench does, after the step, and no memory is taken from the device or pinned after the warm-up. All that
/// is sent from memory that is not pinned are the gradients' addresses.
#[test]
fn a_step_neither_waits_nor_takes_memory() {
    if !simulated() {
        return;
    }
    for precision in ["f32", "tf32", "bf16"] {
        let step = Step::of(precision);
        println!(
            "{precision}: a step has {} launches and {} convolutions; at most {} MiB in use",
            step.each("cuLaunchKernel"),
            ["Forward", "BackwardData", "BackwardFilter"]
                .map(|p| step.each(&format!("cudnnConvolution{p}")))
                .iter()
                .sum::<u64>(),
            step.all["bytes at most in use"] >> 20
        );
        assert!(step.each("cuLaunchKernel") > 0, "{:?}", step.more);
        for name in ["waits of the host", "copies from pages that may move"] {
            assert_eq!(step.each(name), 1, "{precision}, {name}: {:?}", step.more);
        }
        for name in ["bytes taken", "cuMemHostAlloc", "cuStreamCreate", "cuModuleLoadData", "cuMemcpyDtoHAsync_v2"] {
            assert_eq!(step.each(name), 0, "{precision}, {name}: {:?}", step.more);
        }
        // Measuring is for the fourth time that a shape comes, and no later one.
        assert!(step.more.keys().all(|name| !name.starts_with("cudnnFind")), "{precision}: {:?}", step.more);
    }
}

/// In training the host waits once a step, for the loss.
#[test]
fn fitting_waits_for_the_loss_alone() {
    if !simulated() {
        return;
    }
    // Samples of two sizes in batches of 3, one epoch with one validation; clipped.
    let waits = |samples: u64| {
        let f = Fixture::new(1, samples, 32);
        let path = f.path("report.json");
        let settings = [("REPORT", path.to_str().unwrap())];
        let out = f.text("run");
        let once = ["--set", "schedule.checkpoint_every=1000"];
        let done = run(&settings, &[&["fit", &f.run, "--out", &out, "--device", "cuda:0"], &once[..]].concat());
        assert!(done.status.success(), "{:?}", failure(&done));
        (steps(&f, "run"), report(&path)["waits of the host"])
    };
    let ((few, before), (many, after)) = (waits(12), waits(24));
    println!("{few} steps with {before} waits, {many} with {after}");
    assert!(many > few && after - before == many - few, "{few} steps wait {before} times, {many} wait {after} times");
}

/// A device that is never behind, and one that does everything late and its streams' work in any order, give the same bits: what
/// host and streams hand to each other is waited for.
#[test]
fn a_late_device_changes_nothing() {
    if !simulated() {
        return;
    }
    let f = Fixture::new(3, 8, 32);
    let losses = |setting: &str, value: &str| {
        // Two batches a step: the second is sent while the first is still to be computed.
        let (out, more) = (format!("{setting}{value}"), ["--device", "cuda:0", "--set", "schedule.accumulate=2"]);
        let done = run(&[(setting, value)], &[&["fit", &f.run, "--out", &f.text(&out)], &more[..]].concat());
        assert!(done.status.success(), "{:?}", failure(&done));
        f.losses(&out)
    };
    let eager = losses("EAGER", "1");
    assert!(!eager.is_empty());
    for seed in ["1", "2"] {
        assert_eq!(losses("SEED", seed), eager, "seed {seed}");
    }
}

/// Memory that is full, or a device that is lost, is told in one sentence, and the run goes on from its last checkpoint.
#[test]
fn what_ends_a_gpu_is_told_and_nothing_is_lost() {
    if !simulated() {
        return;
    }
    let f = Fixture::new(3, 8, 32);
    let out = f.text("run");
    let fit = ["fit", &f.run, "--out", &out, "--device", "cuda:0"];
    let told = |settings: &[(&str, &str)], words: &str| {
        let done = run(settings, &fit);
        let (code, text) = failure(&done);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("train: ")).collect();
        assert!(code == Some(1) && lines.len() == 1 && lines[0].contains(words), "{settings:?}: {code:?} {text}");
    };
    told(&[("MEMORY", "2000000")], "the GPU's memory is full");
    told(&[("LOST_AFTER", "5000")], "the GPU failed");
    let checkpoint = f.path("run/checkpoints/last.safetensors");
    assert!(checkpoint.exists(), "5000 launches are not enough for two steps");
    let done = run(&[], &[&fit[..], &["--resume"]].concat());
    assert!(done.status.success(), "{:?}", failure(&done));
    assert_eq!(steps(&f, "run"), 12);
}
