//! `capture plan` and `capture run --dry-run`: what would be shot, with time and space, and nothing done.

use std::{
    io::{self, Write},
    path::Path,
};

use manifests::{plan::Plan, read_yaml};
use serde_json::json;

use crate::{
    Error,
    camera::{Address, Camera},
    clock, journal,
    operator::instructions,
    plan::{self, Estimate, PlannedShot, Setup},
    preflight,
    progress::Progress,
    signals::Stop,
    tether::Tether,
};

/// Lists what a plan asks for, less what a session already has; with a camera, checks every value against its choices.
pub(crate) fn show(path: &Path, session: Option<&Path>, camera: Option<&Address>, json: bool) -> Result<(), Error> {
    let plan: Plan = read_yaml(path)?;
    let shots = plan::list(&plan);
    let done = session.map(journal::stored).transpose()?.unwrap_or_default();
    let pending: Vec<&PlannedShot> = shots.iter().filter(|s| !done.contains(&s.key)).collect();
    let bytes_each = match camera {
        Some(address) => Some(checked(path, &plan, &pending, address, session)?),
        None => None,
    };
    let estimate = plan::estimate(&plan, &pending, bytes_each.flatten());
    let print = if json { print_json } else { print_text };
    match print(&plan, &pending, &estimate) {
        // The reader has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| Error::Failed(format!("cannot write: {e}"))),
    }
}

/// Checks values and preflight on a camera; answers its own figure of bytes for a photograph.
fn checked(
    path: &Path,
    plan: &Plan,
    pending: &[&PlannedShot],
    address: &Address,
    session: Option<&Path>,
) -> Result<Option<u64>, Error> {
    let (progress, stop) = (Progress::new(true, pending.len(), 0), Stop::listen()?);
    let mut tether = Tether::open(address, Vec::new(), None, None, false, &stop)?;
    let (status, choices, settings) =
        tether.steadily(&progress, &stop, |c| Ok((c.status()?, c.choices()?, c.settings()?)))?;
    plan::check(path, pending, &choices, settings.focal_length_mm)?;
    let estimate = plan::estimate(plan, pending, status.bytes_each());
    let free = session.and_then(preflight::disk_free);
    preflight::judge(&preflight::findings(plan, &status, &estimate, free), &progress)?;
    Ok(status.bytes_each())
}

fn print_text(plan: &Plan, shots: &[&PlannedShot], estimate: &Estimate) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut setup: Option<Setup> = None;
    for shot in shots {
        let next = shot.setup(plan);
        if setup.as_ref() != Some(&next) {
            writeln!(out, "> {}", instructions(Some(shot.scene(plan)), setup.as_ref(), &next))?;
            setup = Some(next);
        }
        let s = &shot.settings;
        let stem = shot.stem(plan);
        writeln!(
            out,
            "{:5}  {:>8} s  f/{:<4}  ISO {:<6} {stem}",
            shot.index,
            s.shutter.to_string(),
            s.f_number,
            s.iso
        )?;
    }
    writeln!(
        out,
        "{}, {}, about {} of shooting and {} on the disk",
        clock::count(estimate.shots, "shot"),
        clock::count(estimate.prompts, "prompt"),
        clock::duration(estimate.seconds),
        clock::size(estimate.bytes)
    )
}

fn print_json(plan: &Plan, shots: &[&PlannedShot], estimate: &Estimate) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for shot in shots {
        let line = json!({
            "index": shot.index,
            "key": shot.key,
            "scene": shot.scene(plan).id,
            "subject": shot.subject,
            "settings": shot.settings,
            "repeat": shot.repeat,
            "stem": shot.stem(plan),
        });
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{}", json!({ "estimate": estimate }))
}
