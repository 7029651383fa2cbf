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
    sync::Arc,
    time::{Duration, Instant},
};

use manifests::{plan::Plan, read_yaml};

use crate::{Error, shoot, signals::Stop};

pub(crate) use board::Board;
pub(crate) use shown::Current;
pub(crate) use view::{Turned, View};

/// How long a request is held open that waits for news.
const HOLD: Duration = Duration::from_secs(2);
/// How long the end of a session is still served to the pages that are open, at least and at the most.
const FAREWELL: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// A session with a page.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    job: shoot::Job,
    /// The page's TCP port on loopback; a free one when left out.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serve the page after the session's end, too, until Ctrl-C.
    #[arg(long)]
    stay: bool,
}

/// Shoots a plan with a page to watch and steer it.
///
/// # Errors
/// As [`shoot::run`], and [`Error::Failed`] when the port is taken.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let Args { job, port, stay } = args;
    job.check()?;
    let stop = Stop::listen()?;
    let plan: Plan = read_yaml(&job.plan)?;
    let board = Arc::new(Board::new(plan.name.to_string(), job.session.clone()));
    let page = server::start(port, &board, &stop)?;
    announce(&page.address, job.json);
    let ended = shoot::run_watched(&job, &stop, Some(Arc::clone(&board)));
    board.end(&ended);
    if stay {
        stay_open(&ended, &stop);
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
fn stay_open(ended: &Result<(), Error>, stop: &Stop) {
    if stop.asked() {
        return;
    }
    let how = ended.as_ref().err().map_or("the session is complete".into(), ToString::to_string);
    let _ = writeln!(std::io::stderr(), "{how}; the page stays until Ctrl-C");
    while !stop.asked() {
        std::thread::sleep(Duration::from_millis(50));
    }
}
