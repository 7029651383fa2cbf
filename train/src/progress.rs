//! How far long work is: a bar on a terminal, a plain line now and then in a pipe. Both go to standard error.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Between two plain lines.
const QUIET: Duration = Duration::from_secs(10);

/// A count on its way to a known end.
#[derive(Debug)]
pub(crate) struct Count {
    bar: Option<ProgressBar>,
    what: &'static str,
    unit: &'static str,
    done: usize,
    all: usize,
    began: Instant,
    said: Instant,
}

/// Begins to count `all` things: `scoring: 12/500 pictures`.
pub(crate) fn count(what: &'static str, unit: &'static str, all: usize) -> Count {
    let bar = std::io::stderr().is_terminal().then(|| {
        let template = format!("{what} [{{bar:40}}] {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(all as u64).with_style(style)
    });
    Count { bar, what, unit, done: 0, all, began: Instant::now(), said: Instant::now() }
}

impl Count {
    /// One more is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.said.elapsed() >= QUIET => {
                self.said = Instant::now();
                let rate = self.done as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
                let left = Duration::from_secs_f64((self.all - self.done.min(self.all)) as f64 / rate.max(1e-9));
                let Self { what, unit, done, all, .. } = self;
                manifests::tell!("{what}: {done}/{all} {unit}, {rate:.1} a second, {} left", HumanDuration(left));
            }
            None => {}
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
