//! What must be right before the first shot, each with its remedy.

use std::path::Path;

use manifests::plan::{CaptureTarget, Plan};

use crate::{
    Error,
    camera::Status,
    clock::{duration, size},
    plan::Estimate,
    progress::Progress,
};

/// Charge below which nothing is begun: a body that runs flat answers busy for ever.
const BATTERY_STOP: u8 = 10;
/// Charge below which a long session is doubtful.
const BATTERY_WARN: u8 = 30;

/// Seconds by which the body's clock may differ: the files' own times are then of use beside the journal's.
const CLOCK: f64 = 60.0;

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
    if let Some(ahead) = status.clock_ahead.filter(|ahead| ahead.abs() > CLOCK) {
        let way = if ahead > 0.0 { "ahead of" } else { "behind" };
        let by = duration(ahead.abs());
        say(
            false,
            format!("the body's clock is {by} {way} this computer's: set it in the setup menu (time zone and date)"),
        );
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is said of a camera, a stop marked with `!`.
    fn said(target: CaptureTarget, status: &Status, disk_free: Option<u64>) -> Vec<String> {
        let text = "{ version: 1, name: p, scenes: [{ id: hall, place: indoor, light: bright }],
                      sweeps: [{ subject: background, shutter: [1/60], f_number: [8] }] }";
        let mut plan: Plan = manifests::io::parse_yaml(text, Path::new("plan.yaml")).unwrap();
        plan.camera.capture_target = target;
        let shots = crate::plan::list(&plan);
        let estimate = crate::plan::estimate(&plan, &shots.iter().collect::<Vec<_>>(), Some(10_000_000));
        let found = findings(&plan, status, &estimate, disk_free);
        found.iter().map(|f| format!("{}{}", if f.stops { "!" } else { "" }, f.text)).collect()
    }

    /// A body that is ready in every respect.
    fn ready() -> Status {
        Status {
            battery: Some(80),
            mode: Some("M".into()),
            auto_iso: Some(false),
            focus_mode: Some("Manual".into()),
            clock_ahead: Some(-3.0),
            dates_ahead: Some(3597),
            card_free: Some(1_000_000_000),
            shots_left: Some(100),
        }
    }

    #[test]
    fn a_body_that_is_ready_or_says_nothing_is_let_pass() {
        assert_eq!(said(CaptureTarget::Card, &ready(), Some(1 << 40)), [""; 0]);
        assert_eq!(said(CaptureTarget::Card, &Status::default(), None), [""; 0]);
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_with_its_remedy() {
        let card = CaptureTarget::Card;
        let cases = [
            (Status { mode: Some("A".into()), ..ready() }, "!the mode dial is on A", "turn it to M"),
            (Status { auto_iso: Some(true), ..ready() }, "!automatic ISO is on", "switch it off"),
            (Status { battery: Some(9), ..ready() }, "!the battery is at 9 %", "charge it"),
            (Status { battery: Some(29), ..ready() }, "the battery is at 29 %", "have another one ready"),
            (
                Status { focus_mode: Some("AF-S".into()), ..ready() },
                "the lens is on autofocus (AF-S)",
                "switch it to M",
            ),
            (Status { card_free: Some(1_000_000), ..ready() }, "!the card has 1.0 MB free", "put in an empty card"),
            (Status { clock_ahead: Some(7500.0), ..ready() }, "the body's clock is 2 h 05 min ahead of", "set it in"),
            (Status { clock_ahead: Some(-90.0), ..ready() }, "the body's clock is 1 min 30 s behind", "set it in"),
        ];
        for (status, what, remedy) in cases {
            let said = said(card, &status, Some(1 << 40));
            assert!(said.len() == 1 && said[0].starts_with(what) && said[0].contains(remedy), "{said:?}");
        }
        let full = said(card, &ready(), Some(1_000_000));
        assert!(full.len() == 1 && full[0].starts_with("!the session's disk has 1.0 MB free"), "{full:?}");
        // Nothing goes to the card: it may be full.
        let memory = said(CaptureTarget::Memory, &Status { card_free: Some(0), ..ready() }, Some(1 << 40));
        assert_eq!(memory, [""; 0]);
        // Several at once are one sentence, and only what stops ends the session.
        let both = Status { auto_iso: Some(true), mode: Some("P".into()), battery: Some(20), ..ready() };
        let found = said(card, &both, None);
        assert_eq!(found.iter().filter(|f| f.starts_with('!')).count(), 2, "{found:?}");
    }
}
