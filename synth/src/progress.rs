//! Rate and time left: a bar on a terminal, a plain line every few seconds in a pipe, nothing where asked.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at the bar, which reckons its rate anew each time.
const BAR_EVERY: Duration = Duration::from_millis(50);

/// Where a long step tells how far it is.
#[derive(Debug)]
pub struct Progress {
    mode: Mode,
    state: Mutex<Option<State>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Silent,
    Bar,
    Lines,
}

#[derive(Debug)]
struct State {
    bar: ProgressBar,
    what: &'static str,
    done: u64,
    total: u64,
    begun: Instant,
    told: Instant,
}

impl Progress {
    /// Tells nothing.
    pub fn silent() -> Self {
        Self { mode: Mode::Silent, state: Mutex::new(None) }
    }

    /// Tells on standard error: a bar when it is a terminal, else lines.
    pub fn stderr() -> Self {
        let mode = if std::io::stderr().is_terminal() { Mode::Bar } else { Mode::Lines };
        Self { mode, state: Mutex::new(None) }
    }

    pub(crate) fn begin(&self, what: &'static str, total: u64) {
        if self.mode == Mode::Silent {
            return;
        }
        let target = match self.mode {
            Mode::Bar => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_message(what);
        let template = "{msg} [{wide_bar}] {pos}/{len}, {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let now = Instant::now();
        self.set(Some(State { bar, what, done: 0, total, begun: now, told: now }));
    }

    pub(crate) fn step(&self, n: u64) {
        let Ok(mut guard) = self.state.lock() else { return };
        let Some(state) = guard.as_mut() else { return };
        state.done += n;
        let every = if self.mode == Mode::Lines { LINE_EVERY } else { BAR_EVERY };
        if state.told.elapsed() < every {
            return;
        }
        state.told = Instant::now();
        if self.mode == Mode::Bar {
            state.bar.set_position(state.done);
            return;
        }
        let (done, total) = (state.done, state.total);
        let rate = done as f64 / state.begun.elapsed().as_secs_f64();
        let left = total.saturating_sub(done) as f64 / rate.max(1e-9);
        manifests::tell!("{}: {done} of {total}, {rate:.1}/s, {left:.0} s left", state.what);
    }

    pub(crate) fn end(&self) {
        if let Ok(mut guard) = self.state.lock()
            && let Some(state) = guard.take()
        {
            state.bar.finish_and_clear();
        }
    }

    fn set(&self, state: Option<State>) {
        if let Ok(mut guard) = self.state.lock() {
            *guard = state;
        }
    }
}
