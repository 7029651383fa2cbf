//! Focus steps: the motor is driven in live view, relative to where the operator focused.

use super::take::Shooter;
use crate::{
    Error,
    camera::{self, Camera, Kind},
    operator::Operator,
    plan::PlannedShot,
};

impl Shooter<'_> {
    /// Brings the lens to a shot's motor steps, if it asks for any.
    pub(super) fn focus(&mut self, shot: &PlannedShot) -> Result<(), Error> {
        match shot.settings.focus {
            Some(steps) => self.focus_to(steps),
            None => Ok(()),
        }
    }

    /// Brings the lens back to where the operator focused.
    pub(super) fn focus_back(&mut self) -> Result<(), Error> {
        self.focus_to(0)
    }

    /// As [`Self::focus_back`], of a session that stops: the next run counts its steps from there. What cannot be done is
    /// told; a lens that went astray is not turned by steps that it never made.
    pub(super) fn leave_focus(&mut self) {
        if self.focus == 0 && !self.astray {
            return;
        }
        if !self.astray {
            let by = -self.focus;
            let turned = self.tether.once(|c| c.preview().and_then(|_| c.focus(by)));
            let ended = self.tether.once(Camera::end_preview);
            match turned.and(ended) {
                Ok(()) => return self.focus = 0,
                Err(e) => self.progress.note(&format!("the lens could not be brought back: {e}")),
            }
        }
        self.progress.note("the lens does not stand where it was focused: focus it again before the next run");
    }

    /// A prompt in the middle of a setup. Where any of its shots steps the focus (`stepped`), what a page turns meanwhile is counted
    /// as theirs, so that the next steps are from where the operator focused before; a lens that went astray is focused anew.
    pub(super) fn pause(&mut self, operator: &Operator, prompt: &str, stepped: bool) -> Result<(), Error> {
        let (answered, turned) = self.prompt(operator, prompt);
        if !stepped {
            return answered;
        }
        self.focus = self.focus.saturating_add(turned.steps);
        self.astray |= turned.astray;
        answered?;
        while self.astray {
            let again = "The focus motor did not turn as it was told, as at the end of the lens's travel. Focus on the subject \
                         again: the focus steps count from there.";
            let (answered, turned) = self.prompt(operator, again);
            answered?;
            (self.focus, self.astray) = (0, turned.astray);
        }
        Ok(())
    }

    fn focus_to(&mut self, steps: i32) -> Result<(), Error> {
        let by = steps - self.focus;
        if by == 0 {
            return Ok(());
        }
        // Live view may be begun twice; a motor step must not, and no body says where its lens stands.
        self.ask(|c| c.preview())?;
        let turned = self.tether.once(|c| c.focus(by));
        let ended = self.tether.once(Camera::end_preview);
        if let Err(e) = turned {
            self.astray |= e.kind != Kind::Refused;
            return Err(not_turned(&e, self.focus, steps));
        }
        self.focus = steps;
        if let Err(e) = ended {
            self.tether.reopen(&e, self.progress, self.stop)?;
        }
        self.settle()
    }
}

/// What a motor that did not turn means for the sweep.
fn not_turned(e: &camera::Error, from: i32, to: i32) -> Error {
    match e.kind {
        Kind::OutOfFocus => Error::Input(format!(
            "the lens is at the end of its focus travel between {from:+} and {to:+} motor steps from where it was focused: \
             shorten `focus` in the plan, or focus elsewhere"
        )),
        Kind::Refused => Error::Input(format!("the plan has focus steps, and {e}")),
        _ => Error::Failed(format!(
            "{e} while the focus motor turned from {from:+} to {to:+}, so nobody knows where the lens stands; focus it on the \
             subject again"
        )),
    }
}
