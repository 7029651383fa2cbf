//! The whole training step on a GPU beside PyTorch's, in turn, on one batch at full width with independent branches.
//!
//!     BENCH_STEP_PEER="python3 bench_step.py" ./dev bench --gpu
//!
//! The peer is called with `--device cuda --batch N --height H --width W --steps K --warmup W --mode M`, M being fp32, tf32, amp
//! and compile, and prints a JSON line with `step_s`, the median seconds of forward, loss, backward and Adam, and `peak_mib`. Ours
//! is `train bench step` in each precision, in two of them with both orders of the images' values. The programs take turns; figures
//! are medians over the rounds, of which BENCH_ROUNDS (2) says the number; the peer's `compile` takes minutes to begin and has one
//! round. BENCH_GPU_BATCH (16) and BENCH_GPU_SIZE (224x288) change the batch.
//!
//! The roofline is the time that the multiplications take at the rate of the GPU's data sheet, dense: what moves memory is not
//! counted. A step's share of it is printed.
#![expect(clippy::unwrap_used, reason = "a bench has nobody to report to")]

use std::process::Command;

use serde_json::Value;

/// Steps of a round, and those before the clock starts.
const STEPS: &str = "20";
const WARM_UP: &str = "5";

/// One program in one mode.
struct Contender {
    name: String,
    /// Arithmetic of the mode, as [`rate`] takes it.
    precision: &'static str,
    command: Vec<String>,
    rounds: usize,
    lines: Vec<Value>,
}

impl Contender {
    fn run(&mut self) {
        let output = Command::new(&self.command[0]).args(&self.command[1..]).output().unwrap();
        if !output.status.success() {
            // A mode that a PyTorch cannot do leaves its line empty instead of ending the bench.
            eprintln!("{}: {}", self.name, String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default());
            self.rounds = 0;
            return;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        self.lines.push(serde_json::from_str(text.lines().last().unwrap()).unwrap());
    }

    /// The median over the rounds.
    fn median(&self, key: &str) -> Option<f64> {
        let mut values: Vec<f64> = self.lines.iter().filter_map(|line| line[key].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then(|| (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0)
    }
}

fn main() {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let rounds: usize = setting("BENCH_ROUNDS", "2").parse().unwrap();
    let (batch, size) = (setting("BENCH_GPU_BATCH", "16"), setting("BENCH_GPU_SIZE", "224x288"));
    let (height, width) = size.split_once('x').unwrap();
    let size = ["--batch", &batch, "--height", height, "--width", width, "--steps", STEPS];
    let program = setting("VITRINE_TRAIN", env!("CARGO_BIN_EXE_train"));
    let words = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    // The order that a precision does not take by itself has a line of its own: it shows which one should.
    let others = [("tf32", "channels-last"), ("bf16", "channels-first")];
    let mut contenders: Vec<Contender> = ["f32", "tf32", "bf16"]
        .map(|precision| (precision, None))
        .into_iter()
        .chain(others.map(|(precision, format)| (precision, Some(format))))
        .map(|(precision, format)| {
            let mut command = words(&[&program, "bench", "step", "--json", "--device", "cuda:0", "--warm-up", WARM_UP]);
            command.extend(words(&["--precision", precision]));
            command.extend(words(&size));
            command.extend(format.iter().flat_map(|format| words(&["--format", format])));
            let name = [Some("ours"), Some(precision), format].into_iter().flatten().collect::<Vec<_>>().join(" ");
            Contender { name, precision, command, rounds, lines: Vec::new() }
        })
        .collect();
    if let Ok(peer) = std::env::var("BENCH_STEP_PEER") {
        for (mode, precision) in [("fp32", "f32"), ("tf32", "tf32"), ("amp", "bf16"), ("compile", "bf16")] {
            let mut command: Vec<String> = peer.split_whitespace().map(str::to_owned).collect();
            command.extend(words(&["--device", "cuda", "--warmup", WARM_UP, "--mode", mode]));
            command.extend(words(&size));
            let rounds = if mode == "compile" { 1 } else { rounds };
            contenders.push(Contender { name: format!("peer {mode}"), precision, command, rounds, lines: Vec::new() });
        }
    }
    for round in 0..rounds {
        for contender in contenders.iter_mut().filter(|contender| round < contender.rounds) {
            contender.run();
        }
    }
    report(&contenders, &format!("{batch} x 3 x {height} x {width}"), batch.parse().unwrap());
}

fn report(contenders: &[Contender], size: &str, batch: f64) {
    let Some(first) = contenders.iter().find_map(|c| c.lines.first()) else { panic!("nothing could be timed") };
    let gpu = first["gpu"].as_str().unwrap_or("an unknown GPU");
    let operations = first["operations"].as_f64().unwrap();
    println!("a step of {size}, full width, independent branches, on {gpu}: {:.0} GFLOP", operations / 1e9);
    println!("{:<24} {:>10} {:>10} {:>10} {:>16}", "", "ms a step", "images/s", "peak MiB", "of the roofline");
    for c in contenders {
        let Some(seconds) = c.median("step_s") else {
            println!("{:<24} could not be timed", c.name);
            continue;
        };
        let share = rate(gpu, c.precision).map(|rate| operations / rate / seconds);
        let share = share.map_or("unknown".to_owned(), |share| format!("{:.0} %", 100.0 * share));
        let peak = c.median("peak_mib").unwrap_or(f64::NAN);
        println!("{:<24} {:>10.2} {:>10.1} {peak:>10.0} {share:>16}", c.name, seconds * 1e3, batch / seconds);
    }
    let fastest = |whose: &str| {
        let of = contenders.iter().filter(|c| c.name.starts_with(whose) && c.median("step_s").is_some());
        of.min_by(|a, b| a.median("step_s").unwrap().total_cmp(&b.median("step_s").unwrap()))
    };
    if let (Some(ours), Some(peer)) = (fastest("ours"), fastest("peer")) {
        let ratio = |key: &str| peer.median(key).unwrap_or(f64::NAN) / ours.median(key).unwrap_or(f64::NAN);
        println!(
            "{} beside {}: {:.2} times the images a second, {:.2} times the memory",
            ours.name,
            peer.name,
            ratio("step_s"),
            1.0 / ratio("peak_mib")
        );
        for (ours, peer) in [("ours f32", "peer fp32"), ("ours tf32", "peer tf32"), ("ours bf16", "peer amp")] {
            let median = |name: &str| contenders.iter().find(|c| c.name == name).and_then(|c| c.median("step_s"));
            if let (Some(a), Some(b)) = (median(ours), median(peer)) {
                println!("{ours} beside {peer}: {:.2} times the images a second", b / a);
            }
        }
    }
}

/// Whether a GPU is an H100 or H200 of the SXM kind, which are one chip; others of the name are slower.
fn hopper(gpu: &str) -> bool {
    gpu.contains("H200") && !gpu.contains("NVL") || gpu.contains("H100") && gpu.contains("HBM3")
}

/// Multiplications and additions a second, dense, by NVIDIA's data sheets: H100 and H200 SXM (the same chip), A100.
fn rate(gpu: &str, precision: &str) -> Option<f64> {
    let teraflops = match (gpu, precision) {
        (gpu, "f32") if hopper(gpu) => 67.0,
        (gpu, "tf32") if hopper(gpu) => 495.0,
        (gpu, "bf16") if hopper(gpu) => 989.0,
        (gpu, "f32") if gpu.contains("A100") => 19.5,
        (gpu, "tf32") if gpu.contains("A100") => 156.0,
        (gpu, "bf16") if gpu.contains("A100") => 312.0,
        _ => return None,
    };
    Some(teraflops * 1e12)
}
