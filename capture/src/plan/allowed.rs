//! Checks a plan's values against a camera's own choices, before the first shot.

use std::path::Path;

use manifests::{CheckError, Error, FNumber, FocalLength, Shutter};

use super::{PlannedShot, nearest, same_f_number, same_shutter};
use crate::camera::Choices;

/// Checks every shot's shutter speed, f-number, ISO and focal length against the camera's choices.
///
/// The widest and narrowest f-number change with the zoom: one outside the present range is refused only when the shot's
/// focal length is `zoom`, where the lens stands now, or when it asks for none. The others are checked again once the
/// operator has turned the ring.
///
/// # Errors
/// [`Error::Invalid`] with the line and column of the first value that the camera does not have, and the nearest that it has.
pub fn check(path: &Path, shots: &[&PlannedShot], choices: &Choices, zoom: Option<FocalLength>) -> Result<(), Error> {
    shots.iter().try_for_each(|shot| check_shot(shot, choices, zoom)).map_err(|e| manifests::io::error_at(path, e))
}

fn check_shot(shot: &PlannedShot, choices: &Choices, zoom: Option<FocalLength>) -> Result<(), CheckError> {
    let (wanted, from) = (&shot.settings, &shot.origin);
    let at = |list: &str, place: usize| format!("sweeps[{}].{list}[{place}]", from.sweep);
    let exposure = if from.by_stops { "stops.steps" } else { "shutter" };
    if shot.metered.is_none()
        && !choices.shutter.is_empty()
        && !choices.shutter.iter().any(|c| same_shutter(*c, wanted.shutter))
    {
        let near = nearest(wanted.shutter.seconds(), &choices.shutter, Shutter::seconds);
        return Err(missing(at(exposure, from.shutter), "shutter speed", &wanted.shutter, near));
    }
    if !choices.iso.is_empty() && !choices.iso.contains(&wanted.iso) {
        let near = nearest(f64::from(wanted.iso), &choices.iso, f64::from);
        return Err(missing(at("iso", from.iso), "ISO", &wanted.iso, near));
    }
    if let (Some(mm), Some((low, high))) = (wanted.focal_length_mm, choices.focal_length_mm)
        && !(low - 0.5..=high + 0.5).contains(&mm.get())
    {
        let message = format!("the lens has no {mm} mm: it reaches from {low} to {high} mm");
        return Err(CheckError::new(at("focal_length_mm", from.focal_length), message));
    }
    if !choices.f_number.is_empty() && !choices.f_number.iter().any(|c| same_f_number(*c, wanted.f_number)) {
        let stands = match (wanted.focal_length_mm, zoom) {
            (Some(mm), Some(zoom)) => super::same_focal_length(mm, zoom),
            _ => wanted.focal_length_mm.is_none(),
        };
        // The zoom changes the ends of the range, not the stops between them.
        let ends = choices.f_number.iter().map(|c| c.get()).fold((f64::MAX, 0.0f64), |(l, h), c| (l.min(c), h.max(c)));
        if stands || (ends.0 < wanted.f_number.get() && wanted.f_number.get() < ends.1) {
            let near = nearest(wanted.f_number.get(), &choices.f_number, FNumber::get);
            return Err(missing(at("f_number", from.f_number), "f-number", &wanted.f_number, near));
        }
    }
    Ok(())
}

fn missing<T: std::fmt::Display>(path: String, what: &str, wanted: &T, near: Option<T>) -> CheckError {
    let hint = near.map(|n| format!("; the nearest is {n}")).unwrap_or_default();
    CheckError::new(path, format!("the camera has no {what} {wanted}{hint}"))
}
