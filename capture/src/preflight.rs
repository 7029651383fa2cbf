//! What must be right before the first shot, each with its remedy.

use std::path::Path;

use manifests::plan::{CaptureTarget, Plan};

use crate::{Error, camera::Status, clock::size, plan::Estimate, progress::Progress};

/// Charge below which nothing is begun: a body that runs flat answers busy for ever.
const BATTERY_STOP: u8 = 10;
/// Charge below which a long session is doubtful.
const BATTERY_WARN: u8 = 30;

/// A finding: what is wrong and what to do. `stops` says whether shooting would be in vain.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    stops: bool,
    text: String,
}

/// Looks at the camera and the disk.
pub(crate) fn findings(plan: &Plan, status: &Status, estimate: &Estimate, disk_free: Option<u64>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |stops: bool, text: String| found.push(Finding { stops, text });
    if let Some(mode) = status.mode.as_deref().filter(|m| !matches!(*m, "M" | "Manual")) {
        say(true, format!("the mode dial is on {mode}, and the body would choose exposures itself: turn it to M"));
    }
    if status.auto_iso == Some(true) {
        say(true, "automatic ISO is on: switch it off in the body's shooting menu (ISO sensitivity settings)".into());
    }
    match status.battery {
        Some(b) if b < BATTERY_STOP => {
            say(true, format!("the battery is at {b} %: charge it, or connect the mains adapter"));
        }
        Some(b) if b < BATTERY_WARN => say(false, format!("the battery is at {b} %: have another one ready")),
        _ => {}
    }
    if let Some(focus) = status.focus_mode.as_deref().filter(|f| !f.to_lowercase().starts_with('m')) {
        say(false, format!("the lens is on autofocus ({focus}) and may hunt in a reflection: switch it to M"));
    }
    let needed = estimate.bytes;
    if let (CaptureTarget::Card, Some(free)) = (plan.camera.capture_target, status.card_free)
        && free < needed
    {
        let (needed, free) = (size(needed), size(free));
        say(true, format!("the card has {free} free and the shots need about {needed}: put in an empty card"));
    }
    if let Some(free) = disk_free
        && free < needed
    {
        let (needed, free) = (size(needed), size(free));
        say(
            true,
            format!(
                "the session's disk has {free} free and the shots need about {needed}: make room, or choose another disk with --session"
            ),
        );
    }
    found
}

/// Says what was found; an error when shooting would be in vain.
pub(crate) fn judge(found: &[Finding], progress: &Progress) -> Result<(), Error> {
    for finding in found.iter().filter(|f| !f.stops) {
        progress.note(&format!("warning: {}", finding.text));
    }
    let stops: Vec<&str> = found.iter().filter(|f| f.stops).map(|f| f.text.as_str()).collect();
    if stops.is_empty() { Ok(()) } else { Err(Error::Failed(stops.join("; also, "))) }
}

/// Free bytes of the disk that holds a folder, or will hold it.
pub(crate) fn disk_free(folder: &Path) -> Option<u64> {
    let absolute = std::path::absolute(folder).ok()?;
    let here = absolute.ancestors().find(|p| p.exists())?;
    let stat = rustix::fs::statvfs(here).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}
