//! What a page shows, as it is sent: JSON.

use std::{collections::VecDeque, path::PathBuf};

use manifests::{
    plan::Subject,
    session::{Settings, Shot},
};
use serde::Serialize;

use crate::{Error, progress::Summary};

/// What a page shows.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Shown {
    /// Goes up with every change.
    pub(super) version: u64,
    pub(super) phase: Phase,
    pub(super) plan: String,
    pub(super) session: PathBuf,
    pub(super) total: usize,
    pub(super) done: usize,
    /// Shots a minute while the session is shooting.
    pub(super) per_minute: Option<f64>,
    pub(super) seconds_left: Option<f64>,
    pub(super) prompt: Option<Prompt>,
    pub(super) current: Option<Current>,
    pub(super) last: Option<Last>,
    pub(super) notes: VecDeque<String>,
    pub(super) view: View,
    pub(super) ended: Option<Ended>,
}

/// What the session is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Phase {
    #[default]
    Starting,
    Prompt,
    Shooting,
    Stopping,
    Ended,
}

/// What the operator is to do.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Prompt {
    /// Its name when it is confirmed.
    pub(super) id: u64,
    pub(super) text: String,
}

/// The shot that is being taken.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Current {
    /// Place in the plan, from 0.
    pub(crate) index: u32,
    /// Scene.
    pub(crate) scene: String,
    /// Subject.
    pub(crate) subject: Subject,
    /// What is asked for.
    pub(crate) settings: Settings,
}

/// The last shot that was stored.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Last {
    pub(super) index: u32,
    pub(super) path: String,
    pub(super) settings: Settings,
    pub(super) level: Option<f64>,
    pub(super) clipped: Option<f64>,
    pub(super) sharpness: Option<f64>,
    pub(super) remarks: Vec<String>,
}

/// Live view.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct View {
    /// Whether frames can be had now.
    pub(super) open: bool,
    /// Why there are none.
    pub(super) trouble: Option<String>,
    /// Why the focus ring did not turn.
    pub(super) focus: Option<String>,
}

/// How the session ended.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Ended {
    pub(super) code: u8,
    /// The sentence that the terminal shows; none when all went well.
    pub(super) message: Option<String>,
    pub(super) summary: Option<Summary>,
}

impl Last {
    pub(super) fn of(shot: &Shot) -> Self {
        let quality = shot.quality;
        Self {
            index: shot.index,
            path: shot.files.first().map_or(String::new(), |f| f.path.to_string()),
            settings: shot.read_back,
            level: quality.map(|q| q.level),
            clipped: quality.map(|q| q.clipped),
            sharpness: quality.map(|q| q.sharpness),
            remarks: crate::review::remarks(shot, None),
        }
    }
}

impl Ended {
    pub(super) fn of(result: &Result<(), Error>, summary: Option<Summary>) -> Self {
        let (code, message) = match result {
            Ok(()) => (0, None),
            Err(e) => (e.exit_code(), Some(e.to_string())),
        };
        Self { code, message, summary }
    }
}
