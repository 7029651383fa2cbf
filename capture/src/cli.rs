//! The command line.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use manifests::console;

use crate::{
    Error,
    camera::{Address, host},
    coverage, doctor, live, preview, rehearsal, review, shoot, signals, verify,
};

/// Tethers a camera and shoots reflection photographs in sweeps.
///
/// Exit codes: 0 done, 1 failed, 2 wrong use or bad input, 3 stopped with everything saved.
#[derive(Debug, Parser)]
#[command(name = "capture", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shoot a plan into a session's folder; run again, it continues where it stopped.
    Run {
        #[command(flatten)]
        job: shoot::Job,
        /// Confirm every prompt.
        #[arg(long)]
        yes: bool,
        /// Continue the session that is in the folder, as the command does anyway; refuse when there is none.
        #[arg(long)]
        resume: bool,
        /// Check plan and camera, list what would be shot, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Shoot a plan as `run` does, with a page on loopback: live view, focus, prompts, progress.
    Live(live::Args),
    /// List a plan's shots and prompts with time and space; with --camera, check every value against the body's choices.
    Plan {
        /// The plan, YAML.
        plan: PathBuf,
        /// As for `run`.
        #[arg(long)]
        camera: Option<Address>,
        /// One JSON line a shot, and one with the estimate.
        #[arg(long)]
        json: bool,
    },
    /// Read every stored file of a session again and report each difference.
    Verify {
        /// The session's folder.
        session: PathBuf,
        /// One JSON line.
        #[arg(long)]
        json: bool,
    },
    /// Write a contact sheet of a session as one HTML file.
    Review {
        /// The session's folder.
        session: PathBuf,
        /// The page; review.html in the session's folder when left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// One JSON line that says where the page is and what is on it.
        #[arg(long)]
        json: bool,
    },
    /// Count sessions against the shape of the RID data set and say what to shoot next.
    Coverage {
        /// The sessions' folders.
        #[arg(required = true)]
        sessions: Vec<PathBuf>,
        /// One JSON line.
        #[arg(long)]
        json: bool,
    },
    /// List the cameras on USB.
    Cameras {
        /// One JSON line.
        #[arg(long)]
        json: bool,
    },
    /// Check libgphoto2, permissions, and programs that are in the way.
    Doctor {
        /// One JSON line a check.
        #[arg(long)]
        json: bool,
    },
    /// Switch the rehearsal camera on for other programs, on loopback; commands are read from the standard input.
    Rehearse {
        /// What there is to photograph, YAML.
        #[arg(long, value_name = "FILE")]
        scene: Option<PathBuf>,
        /// The TCP port; a free one when left out.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// What goes wrong, YAML.
        #[arg(long, value_name = "FILE")]
        faults: Option<PathBuf>,
        /// One JSON line with the port, and one for each command's answer.
        #[arg(long)]
        json: bool,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The process that holds a camera.
    #[command(name = host::SUBCOMMAND, hide = true)]
    CameraHost,
}

/// Runs the program.
pub fn main() -> ExitCode {
    signals::file_size_limit_is_an_error();
    let command = Cli::parse().command;
    if matches!(command, Command::CameraHost) {
        return host::serve();
    }
    console::ended(match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            manifests::tell!("capture: {e:#}");
            ExitCode::from(e.downcast_ref::<Error>().map_or(1, Error::exit_code))
        }
    })
}

/// Reads a file that may be left out.
fn read<T: Default>(path: Option<PathBuf>, read: fn(&Path) -> Result<T, manifests::Error>) -> Result<T, Error> {
    Ok(path.as_deref().map(read).transpose()?.unwrap_or_default())
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { job, yes, resume, dry_run } => {
            job.check()?;
            if resume && crate::session::read(&job.session)?.is_none() {
                let folder = job.session.display();
                return Err(
                    Error::Input(format!("{folder}: no session to resume; leave --resume out to begin one")).into()
                );
            }
            if dry_run {
                return Ok(preview::show(&job.plan, Some(&job.session), Some(&job.camera), job.json)?);
            }
            Ok(shoot::run(&shoot::Job { yes, ..job })?)
        }
        Command::Live(args) => Ok(live::run(args)?),
        Command::Plan { plan, camera, json } => Ok(preview::show(&plan, None, camera.as_ref(), json)?),
        Command::Verify { session, json } => Ok(verify::verify(&session, json)?),
        Command::Review { session, out, json } => Ok(review::write(&session, out, json)?),
        Command::Coverage { sessions, json } => Ok(coverage::report(&sessions, json)?),
        Command::Cameras { json } => Ok(doctor::cameras(json)?),
        Command::Doctor { json } => Ok(doctor::doctor(json)?),
        Command::Rehearse { scene, port, faults, json } => {
            let options = rehearsal::Options {
                scene: read(scene, rehearsal::SceneFile::read)?,
                faults: read(faults, rehearsal::Faults::read)?,
                port,
                ..Default::default()
            };
            rehearsal::serve(options, json).context("the rehearsal camera")
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "capture", &mut script);
            manifests::say!("{}", String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
        Command::CameraHost => Ok(()),
    }
}
