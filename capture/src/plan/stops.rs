//! Stops: shutter speeds from one that is given or metered.

use manifests::{FNumber, Shutter, session::Settings};
use serde::{Deserialize, Serialize};

use super::PlannedShot;
use crate::Error;

/// Stands for a shutter speed that is not metered yet.
pub(super) const PLACEHOLDER: Shutter = Shutter { numerator: 1, denominator: 30 };

/// The shutter speed of thirds of a stop, as bodies have them, that is nearest to a time. 1/8000 to 30 s.
///
/// ISO 2721 rounds powers of two to what people write: 1/60 for 1/64, 1/15 for 1/16.
pub(super) fn nearest(seconds: f64) -> Shutter {
    const FAST: [u32; 35] = [
        8000, 6400, 5000, 4000, 3200, 2500, 2000, 1600, 1250, 1000, 800, 640, 500, 400, 320, 250, 200, 160, 125, 100,
        80, 60, 50, 40, 30, 25, 20, 15, 13, 10, 8, 6, 5, 4, 3,
    ];
    const TENTHS: [u32; 20] = [4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 60, 80, 100, 130, 150, 200, 250, 300];
    let fast = FAST.map(|d| Shutter { numerator: 1, denominator: d });
    let slow = TENTHS.map(|n| if n % 10 == 0 { (n / 10, 1) } else { (n, 10) });
    let slow = slow.map(|(numerator, denominator)| Shutter { numerator, denominator });
    let all: Vec<Shutter> = fast.into_iter().chain(slow).collect();
    super::nearest(seconds, &all, Shutter::seconds).unwrap_or(PLACEHOLDER)
}

/// An exposure that was metered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metered {
    /// Seconds that bring the picture to the level wanted, at these:
    pub(crate) seconds: f64,
    /// f-number.
    pub(crate) f_number: FNumber,
    /// ISO sensitivity.
    pub(crate) iso: u32,
}

impl Metered {
    /// With a time that the camera has.
    pub(crate) fn within(self, choices: &[Shutter]) -> Self {
        let of =
            |pick: fn(f64, f64) -> f64, other: f64| choices.iter().map(|c| c.seconds()).reduce(pick).unwrap_or(other);
        Self { seconds: self.seconds.clamp(of(f64::min, 1.0 / 8000.0), of(f64::max, 30.0)), ..self }
    }

    /// Seconds of the same exposure at another f-number and ISO: the light on the sensor goes with the time over the square
    /// of the f-number, and the signal with the ISO.
    pub(crate) fn at(&self, f_number: FNumber, iso: u32) -> f64 {
        self.seconds * (f_number.get() / self.f_number.get()).powi(2) * f64::from(self.iso) / f64::from(iso)
    }

    /// A shot with the shutter speed of the camera that is nearest to its stops from what was metered.
    ///
    /// # Errors
    /// [`Error::Failed`] where the camera has no speed within half a stop.
    pub(crate) fn resolve(&self, shot: &PlannedShot, choices: &[Shutter]) -> Result<PlannedShot, Error> {
        let Some(step) = shot.metered else { return Ok(shot.clone()) };
        let Settings { f_number, iso, .. } = shot.settings;
        let seconds = self.at(f_number, iso) * step.exp2();
        let near = if choices.is_empty() {
            Some(nearest(seconds))
        } else {
            super::nearest(seconds, choices, Shutter::seconds)
        };
        match near.filter(|n| (n.seconds() / seconds).log2().abs() < 0.5) {
            Some(shutter) => Ok(PlannedShot { settings: Settings { shutter, ..shot.settings }, ..shot.clone() }),
            None => Err(Error::Failed(format!(
                "{}: {step:+} stops from what was metered is {seconds:.2} s at f/{f_number} and ISO {iso}, which the camera \
                 does not have; change the light, or f_number, iso or stops in the plan",
                shot.key
            ))),
        }
    }
}
