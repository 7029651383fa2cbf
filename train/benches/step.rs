//! The whole training step on the CPU beside another program's, in turn, on the sizes that a run alternates between.
//!
//!     BENCH_STEP_PEER="python3 bench_step.py" cargo bench -p train --bench step
//!
//! The peer is called with `--device cpu --batch N --height H --width W --threads T --steps K` and prints a JSON line with
//! `step_s`, the median seconds of forward, loss, backward and Adam at full width with independent branches; ours is
//! `train bench step`. Machines are noisy: the programs take turns, and the figure is the median of the rounds' ratios.
//! Without a peer, ours alone is timed. BENCH_ROUNDS (5) and BENCH_THREADS (2) change rounds and threads.
#![expect(clippy::unwrap_used, reason = "a bench has nobody to report to")]

mod support;

use std::process::Command;

use support::{answer, list, median, setting};

/// (batch, height, width).
const SIZES: [(usize, usize, usize); 2] = [(2, 96, 160), (1, 224, 288)];
/// Steps of a round.
const STEPS: &str = "3";

fn main() {
    let (rounds, threads) = (setting("BENCH_ROUNDS", 5), setting("BENCH_THREADS", 2).to_string());
    let peer = std::env::var("BENCH_STEP_PEER").ok();
    for (batch, height, width) in SIZES {
        let size = [("--batch", batch), ("--height", height), ("--width", width)];
        let size: Vec<String> = size.iter().flat_map(|(name, v)| [(*name).to_owned(), v.to_string()]).collect();
        let (mut ours, mut theirs, mut peak) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            let mut train = Command::new(env!("CARGO_BIN_EXE_train"));
            train.args(["bench", "step", "--json", "--steps", STEPS]).args(&size).env("RAYON_NUM_THREADS", &threads);
            let line = answer(&mut train);
            ours.push(line["step_s"].as_f64().unwrap());
            peak = peak.max(line["peak_mib"].as_u64().unwrap_or(0));
            if let Some(peer) = &peer {
                let mut words = peer.split_whitespace();
                let mut command = Command::new(words.next().unwrap());
                command.args(words).args(["--device", "cpu", "--steps", STEPS, "--threads", &threads]).args(&size);
                theirs.push(answer(&mut command)["step_s"].as_f64().unwrap());
            }
        }
        let ratios = ours.iter().zip(&theirs).map(|(o, t)| o / t).collect::<Vec<_>>();
        println!(
            "step of {batch} x 3 x {height} x {width}, full width, {threads} threads, {rounds} rounds, peak {peak} MiB"
        );
        println!("  ours   {:.3} s ({})", median(&ours), list(&ours));
        if !theirs.is_empty() {
            println!("  peer   {:.3} s ({})", median(&theirs), list(&theirs));
            println!(
                "  ours / peer: {:.3} of medians, {:.3} median of rounds",
                median(&ours) / median(&theirs),
                median(&ratios)
            );
        }
    }
}
