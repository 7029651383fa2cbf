//! What a person sees while shots come in: a bar with rate and time left on a terminal, plain lines in a pipe, JSON
//! lines where a script reads.

use std::{io::IsTerminal, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use manifests::{
    plan::Plan,
    session::{Shot, Unplanned},
};
use serde::Serialize;

use crate::{
    live::{Board, Current},
    plan::PlannedShot,
};

/// Where progress goes. Messages go to the standard error, results to the standard output.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    json: bool,
    total: usize,
    /// What a page shows, where there is one.
    board: Option<Arc<Board>>,
}

/// How a run ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    /// Shots in the plan.
    pub(crate) planned: usize,
    /// Shots stored, earlier runs included.
    pub(crate) stored: usize,
    /// Shots stored by this run.
    pub(crate) shot: usize,
    /// Of these, photographs that were found on the card after an interruption.
    pub(crate) rescued: usize,
    /// Of these, shots whose settings disagree.
    pub(crate) disagreements: usize,
    /// Photographs from the body's own button, taken in by this run.
    pub(crate) unplanned: usize,
    /// Shots after which the hook failed.
    pub(crate) hook_failures: usize,
    /// Bytes stored by this run.
    pub(crate) bytes: u64,
    /// Seconds of this run.
    pub(crate) seconds: f64,
    /// Whether every shot of the plan is stored.
    pub(crate) complete: bool,
}

impl Progress {
    /// `total` shots, `done` of them stored by earlier runs.
    pub(crate) fn new(json: bool, total: usize, done: usize) -> Self {
        let bar = (std::io::stderr().is_terminal() && !json).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(
                "{bar:24} {pos}/{len}  {per_sec:.1}  {elapsed_precise} elapsed, {eta_precise} left  {wide_msg}",
            );
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_position(done as u64);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, json, total, board: None }
    }

    /// Shown on a page, too.
    pub(crate) fn on(mut self, board: Option<Arc<Board>>, done: usize) -> Self {
        if let Some(board) = &board {
            board.begin(self.total, done);
        }
        self.board = board;
        self
    }

    /// What a page shows, where there is one.
    pub(crate) fn board(&self) -> Option<&Board> {
        self.board.as_deref()
    }

    /// A message.
    pub(crate) fn note(&self, text: &str) {
        if let Some(board) = &self.board {
            board.note(text);
        }
        self.line_of_text(text);
    }

    fn line_of_text(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => manifests::tell!("{text}"),
        }
    }

    /// What the operator is to do.
    pub(crate) fn prompt(&self, text: &str) {
        self.line_of_text(&format!("> {text}"));
    }

    /// A shot begins.
    pub(crate) fn begin(&self, shot: &PlannedShot, plan: &Plan) {
        if let Some(board) = &self.board {
            board.shooting(Current {
                index: shot.index,
                scene: shot.scene(plan).id.to_string(),
                subject: shot.subject,
                settings: shot.settings,
            });
        }
    }

    /// A shot is stored.
    pub(crate) fn shot(&self, shot: &Shot, done: usize) {
        if let Some(board) = &self.board {
            board.stored(shot, done);
        }
        let path = shot.files.first().map_or("", |f| f.path.as_str());
        let figures = shot.quality.map_or(String::new(), |q| {
            format!("  level {:.3}, clipped {:.1} %, sharpness {:.1e}", q.level, 100.0 * q.clipped, q.sharpness)
        });
        for words in &shot.disagreements {
            self.note(&format!("{path}: {words}"));
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(format!("{path}{figures}"));
            }
            None if self.json => self.line(shot),
            None => manifests::tell!("{done}/{}  {path}{figures}", self.total),
        }
    }

    /// A photograph that nobody planned is stored.
    pub(crate) fn unplanned(&self, photograph: &Unplanned) {
        if self.json {
            self.line(&serde_json::json!({ "unplanned": photograph }));
        }
        let path = photograph.files.first().map_or("", |f| f.path.as_str());
        self.note(&format!("{path}: from the body's own button, beside the plan"));
    }

    /// The end.
    pub(crate) fn end(&self, summary: &Summary) {
        if let Some(board) = &self.board {
            board.summary(summary);
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.json {
            self.line(&serde_json::json!({ "summary": summary }));
        } else {
            let rescued = match summary.rescued {
                0 => String::new(),
                n => format!(", {n} of them found on the card"),
            };
            let mut more = String::new();
            if summary.unplanned > 0 {
                more += &format!("; {} more from the body's own button", summary.unplanned);
            }
            if summary.hook_failures > 0 {
                more += &format!("; the hook failed {} times", summary.hook_failures);
            }
            manifests::say!(
                "{} of {} shots stored ({} in this run{rescued}, {} in {}), {} with disagreements{more}",
                summary.stored,
                summary.planned,
                summary.shot,
                crate::clock::size(summary.bytes),
                crate::clock::duration(summary.seconds),
                summary.disagreements
            );
        }
    }

    fn line<T: Serialize>(&self, value: &T) {
        if let Ok(text) = serde_json::to_string(value) {
            manifests::say!("{text}");
        }
    }
}
