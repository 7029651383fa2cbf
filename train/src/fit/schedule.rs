//! The learning rate of every step, and what is due after it.

use manifests::run::Schedule;

/// A schedule over steps.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    schedule: Schedule,
    /// Steps of an epoch.
    pub(crate) per_epoch: u64,
}

impl Plan {
    /// A run's schedule for a number of steps in an epoch.
    pub(crate) fn new(schedule: &Schedule, per_epoch: u64) -> Self {
        Self { schedule: schedule.clone(), per_epoch: per_epoch.max(1) }
    }

    /// Steps of the whole run.
    pub(crate) fn steps(&self) -> u64 {
        self.schedule.stages.iter().map(|s| s.epochs * self.per_epoch).sum()
    }

    /// Learning rate of step `step`, from 0.
    pub(crate) fn learning_rate(&self, step: u64) -> f64 {
        let mut first = 0;
        let mut rate = 0.0;
        for stage in &self.schedule.stages {
            let steps = stage.epochs * self.per_epoch;
            if steps > 0 {
                let done = ((step.saturating_sub(first)) as f64 / steps as f64).min(1.0);
                rate = match stage.until {
                    Some(until) => {
                        until + 0.5 * (stage.learning_rate - until) * (1.0 + (std::f64::consts::PI * done).cos())
                    }
                    None => stage.learning_rate,
                };
            }
            first += steps;
            if step < first {
                break;
            }
        }
        let warm = self.schedule.warmup_steps;
        if step < warm { rate * (step + 1) as f64 / (warm + 1) as f64 } else { rate }
    }

    /// Whether to validate after `done` steps.
    pub(crate) fn validates(&self, done: u64) -> bool {
        let every = if self.schedule.validate_every == 0 { self.per_epoch } else { self.schedule.validate_every };
        done.is_multiple_of(every)
    }

    /// Whether to write a checkpoint after `done` steps, besides those of validations.
    pub(crate) fn saves(&self, done: u64) -> bool {
        self.schedule.checkpoint_every > 0 && done.is_multiple_of(self.schedule.checkpoint_every)
    }
}

#[cfg(test)]
mod tests {
    use manifests::run::Stage;

    use super::*;

    #[test]
    fn the_papers_schedule_falls_after_thirty_epochs() {
        let plan = Plan::new(&Schedule::default(), 10);
        assert_eq!(plan.steps(), 500);
        assert_eq!([0, 299, 300, 499].map(|s| plan.learning_rate(s)), [1e-4, 1e-4, 1e-5, 1e-5]);
    }

    #[test]
    fn warm_up_rises_and_a_cosine_falls_to_its_end() {
        let stages = vec![Stage { epochs: 10, learning_rate: 1e-3, until: Some(1e-5) }];
        let schedule = Schedule { stages, warmup_steps: 9, validate_every: 25, ..Schedule::default() };
        let plan = Plan::new(&schedule, 10);
        let rates: Vec<f64> = (0..100).map(|s| plan.learning_rate(s)).collect();
        assert!(rates[..9].windows(2).all(|w| w[0] < w[1]) && rates[0] > 0.0);
        assert!(rates[9..].windows(2).all(|w| w[0] > w[1]));
        // until + (rate - until) (1 + cos(pi t)) / 2 at t of the stage (Loshchilov and Hutter 2017, equation 5).
        for (step, expected) in [(25, 8.550_178_566e-4), (50, 5.05e-4), (75, 1.549_821_434e-4)] {
            assert!((rates[step] / expected - 1.0).abs() < 1e-9, "step {step}: {}", rates[step]);
        }
        let cosine = 1e-5 + 9.9e-4 * (1.0 + (0.04 * std::f64::consts::PI).cos()) / 2.0;
        assert!((rates[4] / (0.5 * cosine) - 1.0).abs() < 1e-12, "half way up: {}", rates[4]);
        assert!(plan.validates(25) && !plan.validates(10));
    }
}
