//! Progress of work on files that are there: a bar on a terminal, a line every few seconds in a pipe.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock;

/// Between two lines in a pipe.
const PAUSE: Duration = Duration::from_secs(5);

/// Counts what several threads have done.
pub(crate) struct Counter {
    what: &'static str,
    total: usize,
    done: AtomicUsize,
    begun: Instant,
    told: Mutex<Instant>,
    bar: Option<ProgressBar>,
}

impl Counter {
    /// `total` of `what`, as in `photographs read`.
    pub(crate) fn new(what: &'static str, total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            let template = "{bar:24} {pos}/{len} {msg}  {per_sec:.1}  {eta_precise} left";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.with_message(what)
        });
        let now = Instant::now();
        Self { what, total, done: AtomicUsize::new(0), begun: now, told: Mutex::new(now), bar }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() < PAUSE {
            return;
        }
        *told = Instant::now();
        let rate = done as f64 / self.begun.elapsed().as_secs_f64();
        let left = clock::duration(self.total.saturating_sub(done) as f64 / rate);
        // Nobody reads the standard error: the work goes on.
        let _ = writeln!(
            std::io::stderr(),
            "{done} of {} {}, {rate:.1} a second, about {left} left",
            self.total,
            self.what
        );
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
