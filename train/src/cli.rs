//! The command line of `train`.

use std::process::ExitCode;

use clap::Parser;
use manifests::console;
use tracing_subscriber::EnvFilter;

use crate::{Error, bench, doctor, eval, export, fit, predict, report, summary};

/// Fits CoRRN, a network that removes reflections, scores it and applies it.
///
/// Exit codes: 0 done, or a fit that was stopped and has saved itself; 1 failed; 2 wrong use or bad input.
#[derive(Debug, Parser)]
#[command(name = "train", version)]
enum Command {
    /// Fit a network: a run file in, a run's folder out.
    Fit(fit::FitArgs),
    /// Score a network, or the unprocessed input, on pictures whose background is known.
    Eval(eval::EvalArgs),
    /// Apply a network to a photograph, or to a folder of them.
    Predict(predict::PredictArgs),
    /// Write a network for other programs.
    Export(export::ExportArgs),
    /// Show sessions, data sets and runs on one page that needs no network.
    Report(report::ReportArgs),
    /// Print the network's layers with shapes, parameters and multiply-adds.
    Summary(summary::SummaryArgs),
    /// Say what this build and this machine can do, and test it.
    Doctor,
    /// Time a training step.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
}

/// Runs the program and says how it ended.
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    console::ended(match run(&Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            manifests::tell!("train: {e}");
            ExitCode::from(e.exit_code())
        }
    })
}

fn run(command: &Command) -> Result<(), Error> {
    match command {
        Command::Fit(args) => fit::fit(args),
        Command::Eval(args) => eval::eval(args),
        Command::Predict(args) => predict::predict(args),
        Command::Export(args) => export::export(args),
        Command::Report(args) => report::report(args),
        Command::Summary(args) => summary::summary(args),
        Command::Doctor => doctor::doctor(),
        Command::Bench(command) => bench::bench(command),
    }
}
