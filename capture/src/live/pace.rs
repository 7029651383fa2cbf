//! How fast the session shoots. The time that a person takes at a prompt does not count.

use std::time::{Duration, Instant};

/// A stopwatch that rests at prompts.
#[derive(Debug, Default)]
pub(super) struct Pace {
    shots: u32,
    spent: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// Shooting goes on.
    pub(super) fn go(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// The session waits.
    pub(super) fn rest(&mut self) {
        if let Some(since) = self.since.take() {
            self.spent += since.elapsed();
        }
    }

    /// A shot is stored.
    pub(super) fn shot(&mut self) {
        self.rest();
        self.go();
        self.shots += 1;
    }

    /// Shots a minute; none before the first.
    pub(super) fn per_minute(&self) -> Option<f64> {
        let seconds = self.spent.as_secs_f64();
        (self.shots > 0 && seconds > 0.0).then(|| f64::from(self.shots) * 60.0 / seconds)
    }

    /// Seconds of shooting for so many shots more.
    pub(super) fn seconds_left(&self, shots: usize) -> Option<f64> {
        self.per_minute().map(|rate| shots as f64 * 60.0 / rate)
    }
}
