//! `capture live`: the session of `capture run` with a page on loopback, where a person sees live view, answers the
//! prompts, turns the focus and follows the plan.

mod board;
mod http;
mod pace;
mod server;
mod shown;
mod view;

use std::{
    io::Write,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use manifests::{plan::Plan, read_yaml};

use crate::{Error, camera::Address, shoot, signals::Stop};

pub(crate) use board::Board;
pub(crate) use shown::Current;
pub(crate) use view::View;

/// How long a request is held open that waits for news.
const HOLD: Duration = Duration::from_secs(2);
/// How long the end of a session is still served to the pages that are open, at least and at the most.
const FAREWELL: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// A session with a page.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan, YAML.
    plan: PathBuf,
    /// The session's folder.
    #[arg(long, value_name = "DIR")]
    session: PathBuf,
    /// As for `run`.
    #[arg(long, default_value = "usb")]
    camera: Address,
    /// The page's TCP port on loopback; a free one when left out.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serve the page after the session's end, too, until Ctrl-C.
    #[arg(long)]
    stay: bool,
    /// JSON lines on the standard output: the page's address, then as for `run`.
    #[arg(long)]
    json: bool,
    /// As for `run`.
    #[arg(long, value_name = "COMMAND")]
    hook: Option<String>,
    /// As for `run`.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// As for `run`.
    #[arg(long)]
    real_time: bool,
}

/// Shoots a plan with a page to watch and steer it.
///
/// # Errors
/// As [`shoot::run`], and [`Error::Failed`] when the port is taken.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    if (args.faults.is_some() || args.real_time) && !matches!(args.camera, Address::Rehearsal(_)) {
        return Err(Error::Input("--faults and --real-time are for --camera rehearsal".into()));
    }
    let stop = Stop::listen()?;
    let plan: Plan = read_yaml(&args.plan)?;
    let board = Arc::new(Board::new(plan.name.to_string(), args.session.clone()));
    let page = server::start(args.port, &board, &stop)?;
    announce(&page.address, args.json);
    let job = shoot::Job {
        plan: args.plan,
        session: args.session,
        camera: args.camera,
        yes: false,
        json: args.json,
        hook: args.hook,
        faults: args.faults,
        real_time: args.real_time,
    };
    let ended = shoot::run_watched(&job, &stop, Some(Arc::clone(&board)));
    board.end(&ended);
    if args.stay {
        stay(&ended, &stop);
    } else if board.has_pages() {
        farewell(&page);
    }
    ended
}

fn announce(address: &str, json: bool) {
    let mut out = std::io::stdout().lock();
    // Whoever reads the standard output may be gone: the session goes on at the terminal.
    let _ = match json {
        true => writeln!(out, "{}", serde_json::json!({ "page": address })),
        false => writeln!(out, "Open this page on this computer: {address}"),
    };
    let _ = out.flush();
}

/// Lets the pages that are open fetch how it ended, with the last shot's picture.
fn farewell(page: &server::Page) {
    let begun = Instant::now();
    while begun.elapsed() < FAREWELL[0] || (page.requests() > 0 && begun.elapsed() < FAREWELL[1]) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Serves on until a stop is asked for; one that was asked for already holds.
fn stay(ended: &Result<(), Error>, stop: &Stop) {
    if stop.asked() {
        return;
    }
    let how = ended.as_ref().err().map_or("the session is complete".into(), ToString::to_string);
    let _ = writeln!(std::io::stderr(), "{how}; the page stays until Ctrl-C");
    while !stop.asked() {
        std::thread::sleep(Duration::from_millis(50));
    }
}
