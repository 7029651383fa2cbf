//! What a person sees of a run: a bar on a terminal, plain lines in a pipe; and the figures between two records.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use manifests::run::{Scores, TrainRecord};

use super::trainer::Figures;

/// At least this long between two plain lines.
const QUIET: Duration = Duration::from_secs(5);

/// Sums over the steps since the last record.
#[derive(Debug)]
pub(crate) struct Window {
    steps: u64,
    images: usize,
    loss: f64,
    terms: [Option<f64>; 6],
    waited: Duration,
    began: Instant,
}

impl Window {
    /// Nothing yet, from now.
    pub(crate) fn new() -> Self {
        Self { steps: 0, images: 0, loss: 0.0, terms: [None; 6], waited: Duration::ZERO, began: Instant::now() }
    }

    /// Adds a step. Figures that are not finite are left out.
    pub(crate) fn add(&mut self, figures: &Figures, images: usize, waited: Duration) {
        self.images += images;
        self.waited += waited;
        if figures.loss.is_finite() {
            self.steps += 1;
            self.loss += figures.loss;
            for (sum, term) in self.terms.iter_mut().zip(figures.terms) {
                *sum = term.map(|t| sum.unwrap_or(0.0) + t);
            }
        }
    }

    /// The means so far, none without a step; starts anew. `memory` is what is in use, in MiB.
    pub(crate) fn take(&mut self, learning_rate: f64, memory: Option<u64>) -> Option<TrainRecord> {
        let done = std::mem::replace(self, Self::new());
        let seconds = done.began.elapsed().as_secs_f64().max(1e-9);
        let n = done.steps as f64;
        let [ssim_b, statistic_b, l1_b, ssim_r, statistic_r, si_gradient] = done.terms.map(|t| t.map(|t| t / n));
        (done.steps > 0).then(|| TrainRecord {
            loss: done.loss / n,
            ssim_b,
            statistic_b,
            l1_b,
            ssim_r,
            statistic_r,
            si_gradient,
            learning_rate,
            images_per_s: done.images as f64 / seconds,
            data_wait: (done.waited.as_secs_f64() / seconds).min(1.0),
            memory_mib: memory.map(|mib| mib as f64),
        })
    }
}

/// A bar or lines.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    first: u64,
    last: u64,
    began: Instant,
    shown: Option<Instant>,
}

impl Progress {
    /// From step `first` to step `last`.
    pub(crate) fn new(first: u64, last: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(last).with_position(first);
            if let Ok(style) = ProgressStyle::with_template("{bar:28} step {pos}/{len}  {msg}") {
                bar.set_style(style);
            }
            bar.reset_eta();
            bar
        });
        Self { bar, first, last, began: Instant::now(), shown: None }
    }

    /// A line that stays.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => manifests::say!("{line}"),
        }
    }

    /// Training figures after `step` steps.
    pub(crate) fn train(&mut self, step: u64, epoch: u64, r: &TrainRecord) {
        let done = (step - self.first).max(1) as f64;
        let left = self.began.elapsed().mul_f64((self.last - step) as f64 / done);
        let terms = [
            ("ssim_b", r.ssim_b),
            ("sl_b", r.statistic_b),
            ("l1_b", r.l1_b),
            ("ssim_r", r.ssim_r),
            ("sl_r", r.statistic_r),
            ("si_g", r.si_gradient),
        ];
        let terms: Vec<String> = terms.iter().filter_map(|(name, t)| t.map(|t| format!("{name} {t:.3}"))).collect();
        let memory = r.memory_mib.map_or_else(String::new, |mib| format!("  {:.1} GiB", mib / 1024.0));
        let text = format!(
            "loss {:.4} ({})  lr {:.1e}  {:.1} images/s  data wait {:.0} %{memory}  {} left",
            r.loss,
            terms.join(" "),
            r.learning_rate,
            r.images_per_s,
            100.0 * r.data_wait,
            HumanDuration(left)
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(step);
                bar.set_message(text);
            }
            None if self.shown.is_none_or(|at| at.elapsed() >= QUIET) || step == self.last => {
                self.shown = Some(Instant::now());
                manifests::say!("step {step}/{} epoch {epoch}  {text}", self.last);
            }
            None => {}
        }
    }

    /// A validation's scores after `step` steps.
    pub(crate) fn validation(&self, step: u64, output: &Scores, input: &Scores, best: bool) {
        let mark = if best { "  best so far" } else { "" };
        self.say(&format!(
            "step {step}: validation (native, n {}) SSIM {:.4} SI {:.4} PSNR {:.2} dB; unprocessed input {:.4} {:.4} {:.2} dB{mark}",
            output.n, output.ssim, output.si, output.psnr, input.ssim, input.si, input.psnr
        ));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}
