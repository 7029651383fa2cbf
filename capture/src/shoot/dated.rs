//! Whether a photograph on the card is of the time that it should be of, by the date in its file.
//!
//! The body's clock may be off by anything and knows no time zone, and somebody may set it in the middle of a session. So
//! a date counts from what the clock was ahead as the journal has it, or from what it is ahead now. A file without a date
//! passes, and so does every file of a body that does not tell its clock.

use manifests::Shutter;

use super::Shooter;
use crate::{Error, camera::Camera};

/// Seconds by which the two clocks may have been compared wrongly: the body's counts whole ones, and its answer takes time.
const MISREAD: i64 = 15;
/// Seconds, beside the exposure and as long again for noise reduction, in which a body that hung may still open its shutter.
const LATE: i64 = 120;
/// Seconds before the session in which a photograph still counts as the session's: a clock that is wrong by summer time.
const SLACK: i64 = 3600;

/// When a photograph may have been taken, in seconds since 1970, UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    from: i64,
    to: i64,
}

impl Window {
    /// Of a release that was about to happen at `at`.
    pub(super) fn about(at: u64, shutter: Shutter) -> Self {
        let at = signed(at);
        Self { from: at - MISREAD, to: at + LATE + (2.0 * shutter.seconds()).ceil() as i64 }
    }

    /// Of what happens since a session began.
    pub(super) fn since(begun: u64) -> Self {
        Self { from: signed(begun) - SLACK, to: i64::MAX }
    }

    /// Whether a file's date lies within, by a clock that is so far ahead.
    fn has(self, taken: i64, ahead: i64) -> bool {
        (self.from..=self.to).contains(&taken.saturating_sub(ahead))
    }
}

/// Seconds that a journal's line may claim, kept clear of overflow.
fn signed(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX).min(i64::MAX / 2)
}

impl Shooter<'_> {
    /// Whether a file with the date `taken` may be of a window, in which dates were `ahead`.
    pub(super) fn is_of(&mut self, window: Window, taken: Option<i64>, ahead: Option<i64>) -> Result<bool, Error> {
        let Some(taken) = taken else { return Ok(true) };
        if ahead.is_some_and(|ahead| window.has(taken, ahead)) {
            return Ok(true);
        }
        // Somebody may have set the body's clock since.
        self.dates_ahead = self.ask(|c| c.status())?.dates_ahead;
        Ok(match self.dates_ahead {
            Some(now) => window.has(taken, now),
            None => ahead.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_by_the_bodys_clock() {
        let window = Window::about(1_700_000_000, "30".parse().unwrap());
        // Two hours ahead of UTC, as a body in eastern Europe is.
        for (second, within) in [(-16, false), (-15, true), (0, true), (180, true), (181, false), (7200, false)] {
            assert_eq!(window.has(1_700_007_200 + second, 7200), within, "{second}");
        }
        let session = Window::since(1_700_000_000);
        for (second, within) in [(-86_400, false), (-3601, false), (-3600, true), (86_400, true)] {
            assert_eq!(session.has(1_699_996_400 + second, -3600), within, "{second}");
        }
    }
}
