//! What the session tells its page and what the page asks of the session: one object between the thread that shoots
//! and those that answer requests.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use manifests::session::Shot;

use super::{
    HOLD,
    pace::Pace,
    shown::{Current, Ended, Last, Phase, Prompt, Shown, View},
};
use crate::{Error, progress::Summary};

/// Messages that a page still shows.
const NOTES: usize = 30;
/// Focus steps that may wait for the motor: a click more is refused, not stored up.
const FOCUS_QUEUE: usize = 4;

/// Between the session and its pages.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    /// Told of every change.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    shown: Shown,
    pace: Pace,
    /// Prompts so far: a prompt's number is its name.
    prompts: u64,
    /// The number of the last prompt that a page confirmed.
    confirmed: u64,
    last: Option<Arc<Shot>>,
    frame: Arc<Vec<u8>>,
    /// Frames so far.
    frames: u64,
    /// Requests that wait for a frame.
    watchers: usize,
    /// When a frame was last asked for.
    watched: Option<Instant>,
    focus: VecDeque<i32>,
    pause: bool,
    summary: Option<Summary>,
    /// When a page last asked for anything.
    heard: Option<Instant>,
}

impl Board {
    /// A session that is about to begin.
    pub(crate) fn new(plan: String, session: PathBuf) -> Self {
        let state = State { shown: Shown { version: 1, plan, session, ..Shown::default() }, ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here is half done when a thread panics: every change is a few assignments.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, f: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        f(&mut state);
        let State { shown, pace, .. } = &mut *state;
        shown.version += 1;
        shown.per_minute = pace.per_minute();
        shown.seconds_left = pace.seconds_left(shown.total.saturating_sub(shown.done));
        self.changed.notify_all();
    }
}

/// What the session says.
impl Board {
    /// Shots in the plan, and how many are stored.
    pub(crate) fn begin(&self, total: usize, done: usize) {
        self.change(|s| (s.shown.total, s.shown.done) = (total, done));
    }

    /// A message.
    pub(crate) fn note(&self, text: &str) {
        self.change(|s| {
            s.shown.notes.push_back(text.to_owned());
            while s.shown.notes.len() > NOTES {
                s.shown.notes.pop_front();
            }
        });
    }

    /// A prompt, open until [`Board::close_prompt`].
    pub(crate) fn open_prompt(&self, text: &str) {
        self.change(|s| {
            s.prompts += 1;
            s.shown.prompt = Some(Prompt { id: s.prompts, text: text.to_owned() });
            s.shown.phase = Phase::Prompt;
            s.shown.current = None;
            s.pace.rest();
        });
    }

    /// Whether a page confirmed the prompt that is open.
    pub(crate) fn is_confirmed(&self) -> bool {
        let state = self.lock();
        state.shown.prompt.as_ref().is_none_or(|p| p.id == state.confirmed)
    }

    /// The prompt is answered, here or at the terminal.
    pub(crate) fn close_prompt(&self) {
        self.change(|s| {
            s.shown.prompt = None;
            s.shown.phase = Phase::Shooting;
            s.shown.view = View::default();
            s.focus.clear();
            s.pace.go();
        });
    }

    /// A shot begins.
    pub(crate) fn shooting(&self, current: Current) {
        self.change(|s| {
            s.shown.current = Some(current);
            if s.shown.phase == Phase::Starting {
                s.shown.phase = Phase::Shooting;
                s.pace.go();
            }
        });
    }

    /// A shot is stored.
    pub(crate) fn stored(&self, shot: &Shot, done: usize) {
        let last = Last::of(shot);
        self.change(|s| {
            s.shown.done = done;
            s.shown.last = Some(last);
            s.last = Some(Arc::new(shot.clone()));
            s.pace.shot();
        });
    }

    /// The session's own account, at its end.
    pub(crate) fn summary(&self, summary: &Summary) {
        self.lock().summary = Some(summary.clone());
    }

    /// The end of the session.
    pub(super) fn end(&self, result: &Result<(), Error>) {
        self.change(|s| {
            s.shown.ended = Some(Ended::of(result, s.summary.take()));
            s.shown.phase = Phase::Ended;
            s.shown.prompt = None;
            s.shown.current = None;
            s.shown.view = View::default();
            s.pace.rest();
        });
    }

    /// Whether someone asked for a pause since the last call.
    pub(crate) fn take_pause(&self) -> bool {
        std::mem::take(&mut self.lock().pause)
    }

    /// Whether a page waits for a frame now, and whether one has asked in the last few seconds.
    pub(super) fn watching(&self) -> (bool, bool) {
        let state = self.lock();
        (state.watchers > 0, state.watched.is_some_and(|t| t.elapsed() < Duration::from_secs(4)))
    }

    /// The next focus step that was asked for, in motor steps.
    pub(super) fn take_focus(&self) -> Option<i32> {
        self.lock().focus.pop_front()
    }

    /// A live-view frame.
    pub(super) fn put_frame(&self, jpeg: Vec<u8>) {
        let mut state = self.lock();
        state.frame = Arc::new(jpeg);
        state.frames += 1;
        let news = !state.shown.view.open;
        drop(state);
        self.changed.notify_all();
        // The state is not sent again with every frame.
        if news {
            self.change(|s| (s.shown.view.open, s.shown.view.trouble) = (true, None));
        }
    }

    /// Live view does not come.
    pub(super) fn no_view(&self, why: &str) {
        self.change(|s| (s.shown.view.open, s.shown.view.trouble) = (false, Some(why.to_owned())));
    }

    /// Live view is off until a page asks for it.
    pub(super) fn view_off(&self) {
        self.change(|s| {
            s.shown.view = View::default();
            s.focus.clear();
        });
    }

    /// What the focus ring answered; none when it turned.
    pub(super) fn focused(&self, trouble: Option<String>) {
        self.change(|s| s.shown.view.focus = trouble);
    }

    /// Whether a page asked for anything in the last seconds.
    pub(super) fn has_pages(&self) -> bool {
        self.lock().heard.is_some_and(|t| t.elapsed() < Duration::from_secs(5))
    }
}

/// What the page asks.
impl Board {
    /// The state, as soon as it is newer than `version`; none when nothing changes for a while.
    pub(super) fn newer(&self, version: u64) -> Option<Shown> {
        let mut state = self.lock();
        state.heard = Some(Instant::now());
        let same = |s: &mut State| s.shown.version <= version;
        let (mut state, timeout) =
            self.changed.wait_timeout_while(state, HOLD, same).unwrap_or_else(PoisonError::into_inner);
        state.heard = Some(Instant::now());
        (!timeout.timed_out()).then(|| state.shown.clone())
    }

    /// The first frame after number `after` and its number; none when none comes for a while.
    pub(super) fn frame(&self, after: u64) -> Option<(u64, Arc<Vec<u8>>)> {
        let mut state = self.lock();
        state.watchers += 1;
        state.watched = Some(Instant::now());
        let old = |s: &mut State| s.frames <= after && s.shown.phase != Phase::Ended;
        let (mut state, _) = self.changed.wait_timeout_while(state, HOLD, old).unwrap_or_else(PoisonError::into_inner);
        state.watchers -= 1;
        state.watched = Some(Instant::now());
        (state.frames > after).then(|| (state.frames, Arc::clone(&state.frame)))
    }

    /// The last photograph.
    pub(super) fn last(&self) -> Option<Arc<Shot>> {
        self.lock().last.clone()
    }

    /// The session's folder.
    pub(super) fn session(&self) -> PathBuf {
        self.lock().shown.session.clone()
    }

    /// Confirms prompt `id`; false when that prompt is not open, as after a second click.
    pub(super) fn confirm(&self, id: u64) -> bool {
        let mut state = self.lock();
        let open = state.shown.prompt.as_ref().is_some_and(|p| p.id == id) && state.confirmed != id;
        if open {
            state.confirmed = id;
        }
        open
    }

    /// Asks for a step of the focus ring; an error says why not.
    pub(super) fn focus(&self, steps: i32) -> Result<(), &'static str> {
        let mut state = self.lock();
        if !state.shown.view.open {
            return Err("the focus ring turns in live view only, while the session waits at a prompt");
        }
        if state.focus.len() >= FOCUS_QUEUE {
            return Err("the focus motor is still turning");
        }
        state.focus.push_back(steps);
        Ok(())
    }

    /// Asks for a prompt after the shot under way.
    pub(super) fn pause(&self) {
        self.lock().pause = true;
    }

    /// A stop was asked for on the page.
    pub(super) fn stopping(&self) {
        self.change(|s| s.shown.phase = Phase::Stopping);
    }
}
