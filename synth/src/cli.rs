//! The command line: what is typed, what is printed, the exit code.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use manifests::console;

use crate::{
    build::{self, Options},
    dataset::Moved,
    duplicates,
    error::Error,
    export::{self, Format},
    gallery,
    progress::Progress,
    recipe::Overrides,
    replay,
    shard::Shard,
    stats, verify,
};

/// Mixes photographs of reflections with photographs of backgrounds into data sets that anyone can rebuild.
#[derive(Debug, Parser)]
#[command(name = "synth", version, after_help = "Exit codes: 0 done, 1 failed, 2 bad input, 3 stopped and saved.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a data set, or go on with one that was interrupted.
    Build {
        /// The recipe file.
        recipe: PathBuf,
        /// The data set's folder: new, empty, or begun by the same command. `s3://BUCKET/PREFIX` writes WebDataset tar files
        /// to an object store (a synth built with `--features s3`; keys, region and endpoint from AWS_ACCESS_KEY_ID,
        /// AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT), and `file:///FOLDER` the same into a folder.
        #[arg(long, value_name = "DIR|URL")]
        out: PathBuf,
        /// Threads, by default one a core; their number changes no byte.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
        threads: Option<u16>,
        /// Replaces the session of every source that names one.
        #[arg(long, value_name = "DIR")]
        session: Option<PathBuf>,
        /// Replaces the recipe's backgrounds by the photographs of a folder.
        #[arg(long, value_name = "DIR")]
        backgrounds: Option<PathBuf>,
        /// Replaces the recipe's reflections by the photographs of a folder.
        #[arg(long, value_name = "DIR")]
        reflections: Option<PathBuf>,
        /// Replaces the recipe's number of samples.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        /// Make one part of n: `i/n` from 0/n to n-1/n; `slurm` in an array job that is the whole data set, `slurm/n` where some of
        /// its tasks are submitted again (task i is i/n); `kubernetes/n` in an indexed job.
        #[arg(long, value_name = "I/N", value_parser = parse_shard)]
        shard: Option<Shard>,
        /// Keep reduced photographs in this folder and take them from there: what was read once, for this or another
        /// data set, is not decoded again, and not even read while its file's length, inode number and times stay as they were.
        #[arg(long, value_name = "DIR")]
        cache: Option<PathBuf>,
        /// Print a summary as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check every file of a data set against its manifest.
    Verify {
        /// The data set's folder.
        dir: PathBuf,
        /// Print the report as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Rebuild one sample from its line and its two photographs, and compare.
    Replay {
        /// The data set's folder.
        dir: PathBuf,
        /// The sample's index, from 0.
        index: u64,
        #[command(flatten)]
        moved: Moved,
    },
    /// Compare all sources with each other: is a picture or a scene on both sides of a split?
    Check {
        /// The data set's folder; or any folder that holds one folder of pictures for each split, whoever made it.
        dir: PathBuf,
        #[command(flatten)]
        moved: Moved,
        /// Print the report as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Count what was drawn and measure gradients, beside what the recipe asks for and beside real pairs.
    Stats {
        /// The data set's folder.
        dir: PathBuf,
        /// Real pairs to compare with: folders blended/ and transmission_layer/, with reflection_layer/ where reflections are
        /// known (or I/, B/, R/), files of a pair named alike; or a data set. Alpha and beta are found by least squares.
        #[arg(long, value_name = "DIR")]
        real: Option<PathBuf>,
        /// Samples whose gradients are measured, evenly spread; 0 opens none.
        #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(..=100_000))]
        pictures: u32,
        /// Print one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write one HTML page to look at the samples with.
    Gallery {
        /// The data set's folder.
        dir: PathBuf,
        /// The page; by default gallery.html in the data set's folder.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Samples to show: half of them the worst (clipped, reflection weak, strong or flat), the others evenly spread.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Fetch a data set that was built to `s3://` or `file:///` into a folder, every picture compared with its line.
    Fetch {
        /// What `build --out` was given.
        url: String,
        /// The new folder.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write a data set in another format.
    Export {
        /// The format.
        format: Format,
        /// The data set's folder.
        dir: PathBuf,
        /// The new folder.
        #[arg(long)]
        out: PathBuf,
    },
}

fn parse_shard(text: &str) -> Result<Shard, String> {
    Shard::parse(text, |name| std::env::var(name).ok())
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    crate::memory::keep_buffers();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .init();
    console::ended(match run(cli.command) {
        Ok(code) => code,
        Err(e) => {
            // Our own sentences hold their causes already.
            let known = e.downcast_ref::<Error>();
            manifests::tell!("synth: {}", known.map_or_else(|| format!("{e:#}"), ToString::to_string));
            ExitCode::from(known.map_or(1, Error::exit_code))
        }
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Build { recipe, out, threads, session, backgrounds, reflections, count, shard, cache, json } => {
            let overrides = Overrides { session, backgrounds, reflections, count };
            let shard = shard.unwrap_or(Shard::WHOLE);
            let options = Options { recipe, overrides, out, shard, cache, threads: threads.map(usize::from) };
            let stop = stop_on_signals()?;
            let summary = build::build(&options, &Progress::stderr(), &stop)?;
            summary.notes.iter().for_each(|note| manifests::tell!("note: {note}"));
            if json {
                manifests::say!("{}", serde_json::to_string(&summary)?);
            } else {
                let (made, at) = (summary.samples - summary.resumed, summary.out.display());
                let before =
                    if summary.resumed > 0 { format!(", {} were there", summary.resumed) } else { String::new() };
                let (b, r, s) = (summary.backgrounds, summary.reflections, summary.seconds);
                if summary.redrawn + summary.rejected > 0 {
                    let (redrawn, rejected) = (summary.redrawn, summary.rejected);
                    manifests::say!("limits: {redrawn} draws repeated, {rejected} pairs of photographs rejected");
                }
                manifests::say!("{at}: {made} samples from {b} backgrounds and {r} reflections in {s:.1} s{before}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { dir, json } => {
            let report = verify::verify(&dir, &Progress::stderr())?;
            if json {
                manifests::say!("{}", serde_json::to_string(&report)?);
            } else {
                report.faults.iter().for_each(|fault| manifests::say!("{fault}"));
                manifests::say!("{}: {} samples, {} with faults", dir.display(), report.samples, report.faulty);
            }
            Ok(if report.faulty == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Check { dir, moved, json } => {
            let report = duplicates::check(&dir, &moved, &Progress::stderr())?;
            if json {
                manifests::say!("{}", serde_json::to_string(&report)?);
            } else {
                report.leaks.iter().for_each(|leak| manifests::say!("{leak}"));
                let (pictures, leaks) = (report.sources, report.leaking);
                manifests::say!("{}: {pictures} pictures, {leaks} leaks between splits", dir.display());
            }
            Ok(if report.leaking == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Stats { dir, real, pictures, json } => {
            let stats = stats::stats(&dir, real.as_deref(), pictures, &Progress::stderr())?;
            if json {
                manifests::say!("{}", serde_json::to_string(&stats)?)
            } else {
                manifests::say!("{}", stats.to_string().trim_end())
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Gallery { dir, out, limit } => {
            let out = out.unwrap_or_else(|| dir.join("gallery.html"));
            let shown = gallery::gallery(&dir, &out, limit as usize)?;
            manifests::say!("{}: {shown} samples", out.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Fetch { url, out } => {
            let samples = build::fetch(&url, &out, &Progress::stderr(), &*stop_on_signals()?)?;
            manifests::say!("{}: {samples} samples", out.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Export { format, dir, out } => {
            let samples = export::export(format, &dir, &out, &Progress::stderr(), &*stop_on_signals()?)?;
            manifests::say!("{}: {samples} samples", out.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay { dir, index, moved } => {
            let (sample, _) = replay::replay(&dir, index, &moved)?;
            manifests::say!("{}", serde_json::to_string(&sample)?);
            manifests::say!("sample {index}: rebuilt, equal byte for byte");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The first Ctrl-C (or termination) asks to stop and save; the second ends the program at once.
fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for signals")?;
    }
    Ok(stop)
}
