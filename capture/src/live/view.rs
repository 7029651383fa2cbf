//! Live view and focus steps through the session's own connection, while it waits at a prompt.

use std::time::{Duration, Instant};

use super::Board;
use crate::{
    camera::{self, Camera, Kind},
    tether::Tether,
};

/// Between two looks at what the page asks for.
const LOOK: Duration = Duration::from_millis(20);
/// Between a frame and the next: the motor and the answer button are heard in between.
const AFTER_FRAME: Duration = Duration::from_millis(5);
/// After a frame that did not come.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// What a page did to the focus during a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Turned {
    /// Motor steps that the lens made.
    pub(crate) steps: i32,
    /// Whether a step ended otherwise, as at the end of the lens's travel: nobody knows then where the lens stands.
    pub(crate) astray: bool,
}

impl Turned {
    /// Counts a step that was asked for and what came of it.
    fn count(&mut self, steps: i32, turned: &Result<(), camera::Error>) {
        match turned {
            Ok(()) => self.steps = self.steps.saturating_add(steps),
            Err(e) => self.astray |= e.kind != Kind::Refused,
        }
    }
}

/// Live view during one prompt. The camera shows it only while a page looks: it drains the battery and warms the sensor.
pub(crate) struct View<'a> {
    board: Option<&'a Board>,
    on: bool,
    lost: bool,
    not_before: Option<Instant>,
    turned: Turned,
}

impl<'a> View<'a> {
    /// Off; it stays off where no page is served.
    pub(crate) fn new(board: Option<&'a Board>) -> Self {
        Self { board, on: false, lost: false, not_before: None, turned: Turned::default() }
    }

    /// Does the next thing that a page waits for, and answers how long to wait before the one after that.
    pub(crate) fn show(&mut self, tether: &mut Tether) -> Duration {
        let Some(board) = self.board else { return Duration::from_millis(50) };
        if self.not_before.is_some_and(|t| Instant::now() < t) {
            return LOOK;
        }
        let (waiting, lately) = board.watching();
        if self.on
            && let Some(steps) = board.take_focus()
        {
            let turned = tether.once(|c| c.focus(steps));
            self.turned.count(steps, &turned);
            board.focused(turned.err().map(|e| in_words(&e)));
            return AFTER_FRAME;
        }
        if waiting {
            return match self.frame(tether) {
                Ok(jpeg) => {
                    board.put_frame(jpeg);
                    AFTER_FRAME
                }
                Err(e) => {
                    self.on = false;
                    self.lost |= matches!(e.kind, Kind::Gone | Kind::Hung);
                    self.not_before = Some(Instant::now() + AFTER_TROUBLE);
                    board.no_view(&e.message);
                    LOOK
                }
            };
        }
        if !lately {
            self.close(tether);
        }
        LOOK
    }

    fn frame(&mut self, tether: &mut Tether) -> Result<Vec<u8>, camera::Error> {
        if self.lost {
            tether.try_again()?;
            self.lost = false;
        }
        let jpeg = tether.once(Camera::preview)?;
        self.on = true;
        Ok(jpeg)
    }

    /// What the page did to the focus.
    pub(crate) fn turned(&self) -> Turned {
        self.turned
    }

    /// Ends live view: the session goes on.
    pub(crate) fn close(&mut self, tether: &mut Tether) {
        if !std::mem::take(&mut self.on) {
            return;
        }
        if let Some(board) = self.board {
            board.view_off();
        }
        if tether.once(Camera::end_preview).is_err() {
            // A body that stays in live view is opened again; the session's next question does that where this fails.
            let _ = tether.try_again();
        }
    }
}

/// What a focus step that failed means.
fn in_words(e: &camera::Error) -> String {
    match e.kind {
        Kind::OutOfFocus if e.message.contains("limit") => "the lens is at the end of its focus travel".into(),
        _ => e.message.clone(),
    }
}
