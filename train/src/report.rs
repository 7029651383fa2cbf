//! `train report`: sessions, data sets and runs on one page that needs no network.
//!
//! What a folder is, its manifest file says. Pictures are inside the page, curves are inline SVG.

mod activations;
mod compare;
mod curve;
mod dataset;
mod gradients;
mod page;
mod picture;
mod run;
mod scenes;
mod scores;
mod session;

use std::path::{Path, PathBuf};

use manifests::{
    dataset::{DATASET_FILE, Split},
    run::RUN_FILE,
    session::SESSION_FILE,
};
use maud::Markup;

pub(crate) use activations::maps;
pub(crate) use gradients::gradients;
pub(crate) use scenes::{best_and_worst, rows};
pub(crate) use scores::table;

use crate::{Error, eval::parse_split, metrics::Profile};
use run::Fitted;

/// What to show and where.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Folders of capture sessions, data sets and runs, in the order of the page. Several runs are compared.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Pictures whose background is known, for the scores of every run, in any layout that `train eval` takes; left out: the
    /// test split of each run's own data, or its validation split where there is none.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which split of DIR, where it is a built data set.
    #[arg(long, value_parser = parse_split, default_value = "test", requires = "data")]
    split: Split,
    /// The convention of the scores.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// The page.
    #[arg(long)]
    out: PathBuf,
}

impl ReportArgs {
    /// Whose background is known: a folder, and the split if it is a built data set.
    fn known(&self) -> Option<(&Path, Split)> {
        self.data.as_deref().map(|data| (data, self.split))
    }
}

/// A part of the page.
pub(crate) struct Section {
    /// What it is, in a word or two.
    pub(crate) kind: &'static str,
    pub(crate) title: String,
    pub(crate) body: Markup,
}

/// A folder of the command line, by the manifest in it.
enum Part {
    Session(Section),
    DataSet(Section),
    Run(Box<Fitted>),
}

/// Writes the page whole or not at all.
///
/// # Errors
/// A folder that is none of the three, manifests that are not valid, pictures that cannot be read.
pub(crate) fn report(args: &ReportArgs) -> Result<(), Error> {
    check_place(&args.out)?;
    let parts: Vec<Part> = args.folders.iter().map(|folder| part(folder, args)).collect::<Result<_, _>>()?;
    let runs: Vec<&Fitted> =
        parts.iter().filter_map(|part| if let Part::Run(run) = part { Some(&**run) } else { None }).collect();
    let comparison = (runs.len() > 1).then(|| compare::section(&runs, args.profile));
    let mut sections = Vec::new();
    for part in parts {
        sections.push(match part {
            Part::Session(section) | Part::DataSet(section) => section,
            Part::Run(run) => run.section(args.profile)?,
        });
    }
    sections.extend(comparison);
    manifests::say!("{}", write(&args.out, &sections)?);
    Ok(())
}

/// Sees to it that a file can be written later, before hours of scoring are done for it.
///
/// # Errors
/// A folder that is not there.
pub(crate) fn check_place(file: &Path) -> Result<(), Error> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Error::input_at(file, format!("there is no folder {} to write it to", folder.display())))
        }
        _ => Ok(()),
    }
}

/// Writes a page whole or not at all; gives a line about it.
///
/// # Errors
/// What the folder answers.
pub(crate) fn write(path: &Path, sections: &[Section]) -> Result<String, Error> {
    let html = page::page(sections).into_string();
    manifests::write_atomic(path, html.as_bytes())?;
    Ok(format!("{}: {} parts, {:.1} MB", path.display(), sections.len(), html.len() as f64 / 1e6))
}

fn part(folder: &Path, args: &ReportArgs) -> Result<Part, Error> {
    if folder.join(SESSION_FILE).is_file() {
        session::section(folder).map(Part::Session)
    } else if folder.join(DATASET_FILE).is_file() {
        dataset::section(folder).map(Part::DataSet)
    } else if folder.join(RUN_FILE).is_file() {
        Ok(Part::Run(Box::new(Fitted::open(folder, args.known(), args.profile)?)))
    } else {
        let message =
            format!("holds none of {SESSION_FILE}, {DATASET_FILE} and {RUN_FILE}: give a session, a data set or a run");
        Err(Error::input_at(folder, message))
    }
}
