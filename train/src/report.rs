//! `train report`: sessions, data sets and runs on one page that needs no network.
//!
//! What a folder is, its manifest file says. Pictures are inside the page, curves are inline SVG.

mod curve;
mod dataset;
mod page;
mod picture;
mod run;
mod session;

use std::path::{Path, PathBuf};

use manifests::{dataset::DATASET_FILE, run::RUN_FILE, session::SESSION_FILE};
use maud::Markup;

use crate::Error;

/// What to show and where.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Folders of capture sessions, data sets and runs, in the order of the page.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// The page.
    #[arg(long)]
    out: PathBuf,
}

/// A part of the page.
struct Section {
    /// Anchor and number in the contents.
    kind: &'static str,
    title: String,
    body: Markup,
}

/// Writes the page whole or not at all.
///
/// # Errors
/// A folder that is none of the three, manifests that are not valid, pictures that cannot be read.
pub(crate) fn report(args: &ReportArgs) -> Result<(), Error> {
    let sections: Vec<Section> = args.folders.iter().map(|folder| section(folder)).collect::<Result<_, _>>()?;
    let html = page::page(&sections).into_string();
    manifests::write_atomic(&args.out, html.as_bytes())?;
    println!("{}: {} parts, {:.1} MB", args.out.display(), sections.len(), html.len() as f64 / 1e6);
    Ok(())
}

fn section(folder: &Path) -> Result<Section, Error> {
    if folder.join(SESSION_FILE).is_file() {
        session::section(folder)
    } else if folder.join(DATASET_FILE).is_file() {
        dataset::section(folder)
    } else if folder.join(RUN_FILE).is_file() {
        run::section(folder)
    } else {
        let message =
            format!("holds none of {SESSION_FILE}, {DATASET_FILE} and {RUN_FILE}: give a session, a data set or a run");
        Err(Error::input_at(folder, message))
    }
}
