//! The command line of `train`.

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{Error, Outcome, eval, fit};

/// Fits CoRRN, a network that removes reflections, scores it and applies it.
///
/// Exit codes: 0 done, 1 failed, 2 wrong use or bad input, 3 stopped by the user with everything saved.
#[derive(Debug, Parser)]
#[command(name = "train", version)]
enum Command {
    /// Fit a network: a run file in, a run's folder out.
    Fit(fit::FitArgs),
    /// Score a network, or the unprocessed input, on pictures whose background is known.
    Eval(eval::EvalArgs),
}

/// Runs the program and says how it ended.
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&Command::parse()) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Stopped) => ExitCode::from(3),
        Err(e) => {
            eprintln!("train: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(command: &Command) -> Result<Outcome, Error> {
    match command {
        Command::Fit(args) => fit::fit(args),
        Command::Eval(args) => eval::eval(args),
    }
}
